"""Separable filters for measures of likeness.

Taps are added one after another: torch's convolution of one channel with a line takes ten times as long.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def correlated(
    planes: Float[Tensor, "*planes height width"], across: Float[Tensor, " taps"], down: Float[Tensor, " more"]
) -> Float[Tensor, "*planes rows columns"]:
    """Correlate each plane with a line along its rows and one along its columns, without padding."""
    return _along(_along(planes, down, -2), across, -1)


def _along(planes: Tensor, line: Tensor, dim: int) -> Tensor:
    length = planes.shape[dim] - len(line) + 1
    total = torch.zeros_like(planes.narrow(dim, 0, length))
    for place, weight in enumerate(line.tolist()):
        total.add_(planes.narrow(dim, place, length), alpha=weight)
    return total


def gaussian_window(like: Tensor) -> Float[Tensor, "11"]:
    """11 taps, sigma 1.5: the window of SSIM (Wang et al. 2004)."""
    window = torch.exp(-torch.arange(-5, 6).to(like).square() / (2 * 1.5**2))
    return window / window.sum()
