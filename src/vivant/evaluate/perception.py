"""Measures of likeness that follow human sight, and of sets of pictures. Plain torch."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.evaluate.filters import correlated, gaussian_window

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales (Wang, Simoncelli, Bovik 2003)."""

PIXELS_PER_DEGREE = 67.0206
"""FLIP's default: a 0.7 m wide 4K screen seen from 0.7 m."""


def ms_ssim(a: Float[Tensor, "height width 3"], b: Float[Tensor, "height width 3"]) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003).

    Five scales, 11 px Gaussian window of sigma 1.5 without padding, channels averaged.

    Raises:
        BadInputError: If a side is shorter than 176 pixels: five scales need that much.
    """
    if min(a.shape[:2]) < 176:
        raise BadInputError(f"MS-SSIM needs 176 px a side; the pictures have {a.shape[1]} x {a.shape[0]}.")
    x, y = a.permute(2, 0, 1), b.permute(2, 0, 1)
    window = gaussian_window(x)

    def blurred(planes: Tensor) -> Tensor:
        return correlated(planes, window, window)

    result = 1.0
    for scale, weight in enumerate(MS_SSIM_WEIGHTS):
        mean_x, mean_y = blurred(x), blurred(y)
        var = blurred(x * x) - mean_x**2 + blurred(y * y) - mean_y**2
        covariance = blurred(x * y) - mean_x * mean_y
        contrast = (2 * covariance + 0.03**2) / (var + 0.03**2)
        value = contrast
        if scale == len(MS_SSIM_WEIGHTS) - 1:
            value = contrast * (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        result *= max(float(value.mean()), 0.0) ** weight
        x, y = torch.nn.functional.avg_pool2d(x, 2), torch.nn.functional.avg_pool2d(y, 2)
    return result


def gmsd(a: Float[Tensor, "height width 3"], b: Float[Tensor, "height width 3"]) -> float:
    """Gradient magnitude similarity deviation (Xue, Zhang, Mou, Bovik 2014); 0 for equal pictures.

    Luminance (ITU-R BT.601), halved once, Prewitt gradients, c = 0.0026.
    """
    luma = torch.tensor([0.299, 0.587, 0.114]).to(a)
    prewitt = torch.tensor([[1.0, 0, -1]] * 3).to(a) / 3
    kernels = torch.stack([prewitt, prewitt.T])[:, None]

    def gradients(image: Tensor) -> Tensor:
        grey = torch.nn.functional.avg_pool2d((image @ luma)[None, None], 2)
        return torch.nn.functional.conv2d(grey, kernels, padding=1).square().sum(1).sqrt()

    x, y = gradients(a), gradients(b)
    similar = (2 * x * y + 0.0026) / (x * x + y * y + 0.0026)
    return float(similar.std(correction=0))


def flip(
    a: Float[Tensor, "height width 3"], b: Float[Tensor, "height width 3"]
) -> Float[Tensor, "height width"]:
    """Difference that an eye sees when two pictures alternate (Andersson et al. 2020), 0 to 1 a pixel.

    `a` is the truth. LDR-FLIP at 67.02 pixels a degree; its mean is the usual score.
    """
    x, y = _opponent(a), _opponent(b)
    color, feature = _color_difference(x, y), _feature_difference(x[0], y[0])
    return color ** (1 - feature)


def _opponent(image: Tensor) -> Tensor:
    """YCxCz planes of an sRGB picture."""
    linear = torch.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    xyz = (linear @ _xyz_from_rgb(image).T) / _white(image)
    x, y, z = xyz.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _xyz_from_rgb(like: Tensor) -> Tensor:
    return torch.tensor(
        [
            [10135552 / 24577794, 8788810 / 24577794, 4435075 / 24577794],
            [2613072 / 12288897, 8788810 / 12288897, 887015 / 12288897],
            [1425312 / 73733382, 8788810 / 73733382, 70074185 / 73733382],
        ]
    ).to(like)


def _white(like: Tensor) -> Tensor:
    return _xyz_from_rgb(like).sum(1)


def _color_difference(a: Tensor, b: Tensor) -> Tensor:
    """Section 4.1: contrast sensitivity, Hunt effect, HyAB distance, redistribution."""
    x, y = _seen(a), _seen(b)
    distance = (x[0] - y[0]).abs() + (x[1:] - y[1:]).norm(dim=0)
    powered = distance**0.7
    corners = torch.tensor([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]]).to(a)
    green, blue = _hunt_lab(corners).unbind(1)
    most = float((green[0] - blue[0]).abs() + (green[1:] - blue[1:]).norm(dim=0)) ** 0.7
    knee = 0.4 * most
    above = 0.95 + (powered - knee) / (most - knee) * 0.05
    return torch.where(powered < knee, powered * (0.95 / knee), above).clamp(0, 1)


def _seen(planes: Tensor) -> Tensor:
    """What is left after the eye's blur, as Lab with the Hunt effect."""
    parameters = ((1.0, 0.0047, 0.0, 1e-5), (1.0, 0.0053, 0.0, 1e-5), (34.1, 0.04, 13.5, 0.025))
    radius = math.ceil(3 * math.sqrt(0.04 / (2 * math.pi**2)) * PIXELS_PER_DEGREE)
    square = (torch.arange(-radius, radius + 1).to(planes) / PIXELS_PER_DEGREE) ** 2
    blurred = []
    for plane, (a1, b1, a2, b2) in zip(planes, parameters, strict=True):
        # Each sensitivity is a sum of Gaussians, and a Gaussian is a product of one across and one down.
        parts = [
            (a, torch.exp(-(math.pi**2) * square / b) * (math.pi / b) ** 0.25) for a, b in ((a1, b1), (a2, b2))
        ]
        total = sum(a * float(line.sum()) ** 2 for a, line in parts)
        blurred.append(sum(a / total * _filtered(plane, line, line) for a, line in parts if a))
    y, x, z = blurred[0], blurred[1], blurred[2]
    y = (y + 16) / 116
    xyz = torch.stack([x / 500 + y, y, y - z / 200], -1) * _white(planes)
    linear = (xyz @ torch.linalg.inv(_xyz_from_rgb(planes)).T).clamp(0, 1)
    return _hunt_lab(linear)


def _hunt_lab(linear: Tensor) -> Tensor:
    """Lab planes of linear RGB, with chroma that grows with lightness."""
    xyz = (linear @ _xyz_from_rgb(linear).T) / _white(linear)
    delta = 6 / 29
    root = torch.where(xyz > delta**3, xyz.clamp(min=1e-12) ** (1 / 3), xyz / (3 * delta**2) + 4 / 29)
    x, y, z = root.unbind(-1)
    lightness = 116 * y - 16
    factor = 0.01 * lightness
    return torch.stack([lightness, factor * 500 * (x - y), factor * 200 * (y - z)])


def _feature_difference(a: Tensor, b: Tensor) -> Tensor:
    """Section 4.2: edges and points that one picture has and the other has not."""
    sigma = 0.5 * 0.082 * PIXELS_PER_DEGREE
    radius = math.ceil(3 * sigma)
    at = torch.arange(-radius, radius + 1).to(a)
    gauss = torch.exp(-(at**2) / (2 * sigma**2))
    even = gauss / gauss.sum()
    found = []
    for plane in ((a + 16) / 116, (b + 16) / 116):
        sizes = []
        for line in (-at * gauss, (at**2 / sigma**2 - 1) * gauss):
            # Weights of each sign sum to one.
            line = torch.where(line > 0, line / line.clamp(min=0).sum(), line / line.clamp(max=0).sum().abs())
            sizes.append((_filtered(plane, line, even) ** 2 + _filtered(plane, even, line) ** 2).sqrt())
        found.append(torch.stack(sizes))
    return ((found[0] - found[1]).abs().amax(0) / math.sqrt(2)).clamp(0, 1) ** 0.5


def _filtered(plane: Tensor, across: Tensor, down: Tensor) -> Tensor:
    reach = len(across) // 2
    padded = torch.nn.functional.pad(plane[None, None], (reach,) * 4, mode="replicate")[0, 0]
    return correlated(padded, across, down)


def frechet_distance(a: Float[Tensor, "samples features"], b: Float[Tensor, "others other_features"]) -> float:
    """Fréchet distance of two Gaussians fitted to features (Heusel et al. 2017): FID and FVD, by what is given.

    Raises:
        BadInputError: If there are fewer than two samples, or the features differ in number.
    """
    expect_counts("frechet_distance (features)", a=a.shape[1], b=b.shape[1])
    if min(len(a), len(b)) < 2:
        raise BadInputError(f"A distance of {len(a)} and {len(b)} samples; at least 2 each are needed.")
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T).reshape(a.shape[1], -1), torch.cov(b.T).reshape(b.shape[1], -1)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
    # The trace of the root of a product: eigenvalues of a symmetric matrix, no complex numbers.
    mixed = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * mixed)
