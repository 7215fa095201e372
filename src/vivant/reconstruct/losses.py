"""How far a picture of the splats is from a view: absolute difference, SSIM and mask, weighted by trust."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect, expect_counts, expect_within
from vivant.core.errors import BadInputError

LossBackend = Literal["auto", "reference", "numba"]

WINDOW = 11
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
"""Window and constants of SSIM (Wang et al. 2004) for values from 0 to 1."""


@dataclass(frozen=True)
class LossConfig:
    """What counts in a picture."""

    ssim: float = 0.2
    """Share of structural similarity; the rest of the colour's loss is absolute difference."""

    mask: float = 0.2
    """Weight of the difference in alpha, beside the colour's weight of 1."""

    perceptual: float = 0.0
    """Weight of LPIPS; more than 0 needs `lpips`, and several times the time."""

    lpips: str = ""
    """File with LPIPS' weights for AlexNet (`.safetensors`), which you bring."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, ssim=(0, 1), mask=(0, math.inf), perceptual=(0, math.inf))


@dataclass(frozen=True)
class Target:
    """One view as the loss needs it."""

    color: Float[Tensor, "height width 3"]
    """On the background that the splats are drawn on, too."""

    alpha: Float[Tensor, "height width"]
    weight: Float[Tensor, "height width"]
    """How much each pixel counts."""

    area: float
    """Pixels of person, by which losses are divided: a crop or a larger margin changes nothing."""


@dataclass(frozen=True)
class ImageLoss:
    """What one picture costs."""

    total: Float[Tensor, ""]
    """With gradient."""

    absolute: float
    structure: float
    """Of 1 - SSIM."""

    mask: float
    squared: float
    """Mean squared difference inside the person."""

    @property
    def psnr(self) -> float:
        """Of the pixels inside the person, in dB."""
        return -10 * math.log10(max(self.squared, 1e-10))


def make_target(
    image: Float[Tensor, "height width 3"],
    alpha: Float[Tensor, "height width"],
    weight: Float[Tensor, "height width"],
    background: Float[Tensor, "3"],
) -> Target:
    """Put one view's straight colours on a background."""
    composite = image * alpha[..., None] + (1 - alpha[..., None]) * background
    area = max(float(alpha.sum()), 1.0)
    return Target(composite.contiguous(), alpha.contiguous(), weight.contiguous(), area)


def image_loss(
    color: Float[Tensor, "height width 3"],
    alpha: Float[Tensor, "height width"],
    target: Target,
    config: LossConfig,
    *,
    backend: LossBackend = "auto",
    threads: int | None = None,
) -> ImageLoss:
    """Compare a picture with a view.

    With w the weight and a the area, the total is the sum over pixels of w ((1 - ssim) |difference| + ssim
    (1 - SSIM) + mask |difference of alpha|) / a, colours being averaged over channels. Outside the picture
    SSIM's window sees 0.

    The compiled backend leaves out what is farther than the window from both person and splats, and tells no
    gradient where neither is: the loss is the same, and no splat could receive the gradient.

    Raises:
        BadInputError: If sizes differ, or a backend cannot take these tensors.
    """
    height, width = target.alpha.shape
    expect("color", color, height, width, 3)
    expect("alpha", alpha, height, width)
    expect_counts("Target (pixels)", color=target.color.numel() // 3, weight=target.weight.numel())
    compiled = color.device.type == "cpu" and color.dtype == torch.float32
    if backend == "auto":
        backend = "numba" if compiled else "reference"
    if backend == "reference":
        return _reference(color, alpha, target, config)
    if not compiled:
        raise BadInputError(f"The numba backend needs float32 on the CPU, got {color.dtype} on {color.device}.")
    from vivant.reconstruct import _image_loss_numba

    total, parts = _image_loss_numba.loss(color, alpha, target, config, threads)
    return ImageLoss(total, *parts)


def _reference(color: Tensor, alpha: Tensor, target: Target, config: LossConfig) -> ImageLoss:
    truth, weight = target.color.to(color), target.weight.to(color)
    difference = color - truth
    absolute = (weight * difference.abs().mean(-1)).sum() / target.area
    structure = (weight * (1 - ssim_map(color, truth)).mean(-1)).sum() / target.area
    mask = (weight * (alpha - target.alpha.to(alpha)).abs()).sum() / target.area
    total = (1 - config.ssim) * absolute + config.ssim * structure + config.mask * mask
    squared = (target.alpha.to(color) * difference.detach().square().mean(-1)).sum() / target.area
    parts = (float(part.detach()) for part in (absolute, structure, mask, squared))
    return ImageLoss(total, *parts)


def ssim_map(
    a: Float[Tensor, "height width 3"], b: Float[Tensor, "height width 3"]
) -> Float[Tensor, "height width 3"]:
    """Structural similarity at each pixel and channel (Wang et al. 2004); differentiable, any float type."""
    window = gaussian_window().to(a)
    planes = torch.stack([a, b, a * a + b * b, a * b]).permute(0, 3, 1, 2).flatten(0, 1)[:, None]
    half = WINDOW // 2
    planes = torch.nn.functional.conv2d(planes, window[None, None, None, :], padding=(0, half))
    planes = torch.nn.functional.conv2d(planes, window[None, None, :, None], padding=(half, 0))
    mean_a, mean_b, squares, product = planes.reshape(4, 3, *a.shape[:2]).permute(0, 2, 3, 1)
    both, cross = mean_a**2 + mean_b**2, mean_a * mean_b
    return (2 * cross + C1) * (2 * (product - cross) + C2) / ((both + C1) * (squares - both + C2))


def gaussian_window() -> Float[Tensor, " window"]:
    """Weights of SSIM's window along one axis; they sum to 1."""
    distance = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(distance**2) / (2 * SIGMA**2))
    return weights / weights.sum()
