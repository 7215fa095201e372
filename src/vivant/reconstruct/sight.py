"""How much of each splat the views see."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.reconstruct.cloud import Cloud
from vivant.reconstruct.refine import Corrections
from vivant.reconstruct.targets import Frame
from vivant.splat import pose_splats, rasterize

LITTLE, ENOUGH = 0.2, 0.8
"""A splat that shows less than the first of what those in full view show counts as hidden; more than the
second, as seen."""

FULL = 0.9
"""Quantile of the shares that counts as full view: neighbours overlap, so nobody shows all of itself."""


def seen_share(
    cloud: Cloud, frames: list[Frame], corrections: Corrections, threads: int | None
) -> Float[Tensor, " splats"]:
    """0 for splats that no view shows, 1 for those that one shows well; pixels count as they are trusted.

    What a splat adds to a picture, in pixels, is divided by what it would add if it lay alone and flat before
    the camera. A splat behind others, or seen edge-on, has little.
    """
    best = torch.zeros(len(cloud), device=cloud.trust.device)
    splats = cloud.splats(1)
    scales = splats.log_scales.detach().sort(dim=1).values[:, 1:].exp()
    for frame in frames:
        posed = pose_splats(splats, cloud.binding, corrections.transforms(frame.view).detach())
        ones = torch.ones(len(cloud), 1, device=best.device, requires_grad=True)
        drawn = rasterize(posed, frame.camera, features=ones, normals=False, threads=threads)
        trusted = frame.targets[0].weight.clamp(max=1)
        (weight,) = torch.autograd.grad((drawn.color[0, ..., 3] * trusted).sum(), ones)
        matrix = frame.camera.cam_from_world[0]
        depth = (posed.means.detach() @ matrix[2, :3] + matrix[2, 3]).clamp(min=0.05)
        focal = float(frame.camera.intrinsics[0, 0, 0])
        size = focal * scales / (1 if frame.camera.orthographic else depth[:, None])
        # The rasteriser's low-pass filter lets no splat be thinner than half a pixel.
        alone = 2 * math.pi * (size.square() + 0.3).sqrt().prod(1) * splats.opacities.detach()
        share = weight[:, 0] / alone.clamp(min=1e-6)
        full = float(share.double().quantile(FULL)) if len(share) else 1.0
        best = torch.maximum(best, ((share / max(full, 1e-6) - LITTLE) / (ENOUGH - LITTLE)).clamp(0, 1))
    return best
