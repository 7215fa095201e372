"""Measures of likeness between pictures. Plain torch, every definition in its docstring."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.evaluate.filters import correlated, gaussian_window


def psnr(
    a: Float[Tensor, "height width channels"],
    b: Float[Tensor, "height width channels"],
    weight: Float[Tensor, "height width"],
) -> float:
    """Peak signal-to-noise ratio in dB, peak 1, over the weighted mean square difference; at most 99."""
    error = ((a - b).square().mean(-1) * weight).sum() / weight.sum().clamp(min=1e-9)
    return min(-10 * math.log10(max(float(error), 1e-12)), 99.0)


def ssim(
    a: Float[Tensor, "height width channels"],
    b: Float[Tensor, "height width channels"],
    weight: Float[Tensor, "height width"],
) -> float:
    """Structural similarity (Wang et al. 2004): 11 px Gaussian window, sigma 1.5, mean over channels."""
    a, b = (torch.nn.functional.pad(image.permute(2, 0, 1), (5, 5, 5, 5)) for image in (a, b))
    window = gaussian_window(a)

    def blurred(planes: Float[Tensor, "channels rows columns"]) -> Float[Tensor, "channels height width"]:
        return correlated(planes, window, window)

    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similar = similar / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return float((similar.mean(0) * weight).sum() / weight.sum().clamp(min=1e-9))


def mask_iou(a: Float[Tensor, "height width"], b: Float[Tensor, "height width"]) -> float:
    """Area that two masks share over the area of both together, each cut at one half; 1 if both are empty."""
    inside_a, inside_b = a > 0.5, b > 0.5
    union = int((inside_a | inside_b).sum())
    return int((inside_a & inside_b).sum()) / union if union else 1.0
