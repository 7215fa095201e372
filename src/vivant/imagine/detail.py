"""Larger views than the generator makes: it says what changes, the coarse avatar keeps the detail."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.outlines import signed_distances
from vivant.imagine.generate import Generated

SLOW = 0.02
"""Standard deviation over the picture's side: quicker changes are the generator's noise, not its knowledge."""

RIM = 0.02
"""Standard deviation over the picture's side by which colours are carried beyond the rim."""

MOST_SHIFT = 1.5
"""Pixels of the small picture that an outline is moved wholly; twice as far is not believed at all."""

SOLID = 0.5
"""Least mask, of both pictures, where they are compared: rims differ by chance."""


def with_detail(
    made: Generated,
    small: Float[Tensor, "views 4 size size"],
    large: Float[Tensor, "views 4 large large"],
) -> Generated:
    """Add what a generator changed in small coarse pictures to large ones of the same views.

    Slow changes of colour are the generator's, and how far outlines move; what is fine, or changes quickly,
    stays the coarse avatar's.

    Args:
        made: One person's views.
        small: The coarse pictures as large as those made, colours -1 to 1 (0 outside) and mask.
        large: The same, larger.
    """
    before, after = straight_colors(small), made.images[0]
    both = torch.minimum(small[:, 3], made.alphas[0])
    weight = both * (both > SOLID)
    spread = torch.cat([(after - before) * weight[:, None], weight[:, None]], dim=1)
    spread = _enlarged(_blurred(spread, SLOW * small.shape[-1]), large)
    change = spread[:, :3] / spread[:, 3:].clamp(min=1e-3)
    alphas = _outlined(made.alphas[0], small[:, 3], large)
    images = (_beyond_the_rim(large) + change).clamp(0, 1) * (alphas[:, None] > 0)
    normals = torch.nn.functional.normalize(_enlarged(made.normals[0], large), dim=1)
    return Generated(images[None], alphas[None], (normals * (alphas[:, None] > SOLID))[None])


def _outlined(
    made: Float[Tensor, "views size size"],
    small: Float[Tensor, "views size size"],
    large: Float[Tensor, "views 4 large large"],
) -> Float[Tensor, "views large large"]:
    """The large mask with its outline as far out or in as the small one's was moved.

    Masks themselves cannot be added: a blurred one never passes one half beside a sharp one.
    """
    shift = signed_distances(made) - signed_distances(small)
    # A gap that only one of two pictures has is as far as its other outlines are: that is no shift.
    shift = shift * (2 - shift.abs() / MOST_SHIFT).clamp(0, 1)
    before = signed_distances(large[:, 3])
    after = before + _enlarged(shift[:, None], large)[:, 0] * (large.shape[-1] / small.shape[-1])
    return (large[:, 3] + (after + 0.5).clamp(0, 1) - (before + 0.5).clamp(0, 1)).clamp(0, 1)


def _beyond_the_rim(large: Float[Tensor, "views 4 large large"]) -> Float[Tensor, "views 3 large large"]:
    """Colours that go on outside the mask as they are near by inside: an outline may grow."""
    inside = straight_colors(large)
    solid = (large[:, 3:] > SOLID).float()
    near = _blurred(torch.cat([inside * solid, solid], dim=1), RIM * large.shape[-1])
    return torch.where(solid > 0, inside, near[:, :3] / near[:, 3:].clamp(min=1e-3))


def straight_colors(flat: Float[Tensor, "views 4 size size"]) -> Float[Tensor, "views 3 size size"]:
    """Colours 0 to 1, not weighted by the mask, of pictures -1 to 1 that are 0 outside."""
    return ((flat[:, :3] / flat[:, 3:].clamp(min=1e-3)).clamp(-1, 1) + 1) / 2


def _blurred(
    pictures: Float[Tensor, "views channels size size"], sigma: float
) -> Float[Tensor, "views channels size size"]:
    """Gaussian, along one axis and then along the other; nothing lies outside."""
    reach = max(1, math.ceil(2.5 * sigma))
    window = torch.exp(-torch.arange(-reach, reach + 1).to(pictures).square() / (2 * sigma**2))
    kernel = (window / window.sum()).expand(pictures.shape[1], 1, 1, -1)
    along = torch.nn.functional.conv2d(pictures, kernel, padding=(0, reach), groups=len(kernel))
    return torch.nn.functional.conv2d(along, kernel.mT, padding=(reach, 0), groups=len(kernel))


def _enlarged(small: Tensor, large: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(small, large.shape[-2:], mode="bilinear", align_corners=False)
