"""How much of each splat the views see."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.reconstruct.cloud import Cloud
from vivant.reconstruct.refine import Corrections
from vivant.reconstruct.targets import Frame
from vivant.records import Splats
from vivant.splat import pose_splats, rasterize

LITTLE, ENOUGH = 0.15, 0.6
"""A splat that shows less than the first of what those in full view show counts as hidden; more than the
second, as seen."""

FULL = 0.9
"""Quantile of the shares that counts as full view: neighbours overlap, so nobody shows all of itself."""

SPILLS, SPILLED = 0.1, 0.5
"""A splat with less than the first of its visible part beside the person lies within; with more than the
second, beside."""


@dataclass(frozen=True)
class Sight:
    """What the views know about each splat, 0 to 1."""

    seen: Float[Tensor, " splats"]
    """0: no view shows it; 1: one shows it well."""

    beside: Float[Tensor, " splats"]
    """1: a view shows it where the person is not."""

    @property
    def movable(self) -> Float[Tensor, " splats"]:
        """How far its place and size are known: it is seen, or seen to be in the wrong place."""
        return torch.maximum(self.seen, self.beside)


def look(cloud: Cloud, frames: list[Frame], corrections: Corrections) -> Sight:
    """Find what the views show; pixels count as they are trusted.

    What a splat adds to a picture, in pixels, is divided by what it would add if it lay alone and flat before
    the camera. A splat behind others, or seen edge-on, has little.
    """
    seen = torch.zeros(len(cloud), device=cloud.trust.device)
    beside = torch.zeros_like(seen)
    splats = cloud.splats(1)
    for frame in frames:
        posed = pose_splats(splats, cloud.binding, corrections.transforms(frame.view).detach())
        alone = _pixels_alone(posed, frame)
        inside, outside = (_visible(posed, frame) / alone[:, None]).clamp(min=0).unbind(1)
        full = float(inside.double().quantile(FULL)) if len(inside) else 1.0
        seen = torch.maximum(seen, _ramp(inside / max(full, 1e-6), LITTLE, ENOUGH))
        spilt = outside / (inside + outside).clamp(min=1e-6) * ((inside + outside) > 0.05 * LITTLE * full)
        beside = torch.maximum(beside, _ramp(spilt, SPILLS, SPILLED))
    return Sight(seen, beside)


def _visible(posed: Splats, frame: Frame) -> Float[Tensor, "splats 2"]:
    """What each splat adds to a picture, in pixels: on the person and beside."""
    target = frame.targets[0]
    trusted = target.weight.clamp(max=1)
    ones = torch.ones(len(posed), 2, device=posed.means.device, requires_grad=True)
    drawn = rasterize(posed, frame.camera, features=ones, normals=False)
    shown = drawn.color[0, ..., 3] * trusted * target.alpha + drawn.color[0, ..., 4] * trusted * (
        1 - target.alpha
    )
    return torch.autograd.grad(shown.sum(), ones)[0]


def _pixels_alone(posed: Splats, frame: Frame) -> Float[Tensor, " splats"]:
    """What each splat would add if it lay alone and flat before the camera."""
    camera, matrix = frame.camera, frame.camera.cam_from_world[0]
    depth = (posed.means.detach() @ matrix[2, :3] + matrix[2, 3]).clamp(min=0.05)
    scales = posed.log_scales.detach().sort(dim=1).values[:, 1:].exp()
    size = float(camera.intrinsics[0, 0, 0]) * scales / (1 if camera.orthographic else depth[:, None])
    # The rasteriser's low-pass filter lets no splat be thinner than half a pixel.
    spread = (size.square() + 0.3).sqrt().prod(1)
    return (2 * math.pi * spread * posed.opacities.detach()).clamp(min=1e-6)


def _ramp(value: Tensor, low: float, high: float) -> Tensor:
    return ((value - low) / (high - low)).clamp(0, 1)
