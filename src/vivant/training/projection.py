"""What a photo shows of a surface."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

BEFORE = 0.01
"""Metres by which something may lie before a vertex that is still seen."""

FACING = 0.15
"""Least cosine between a seen surface's normal and the way to the camera."""


@torch.no_grad()
def seen_vertices(
    verts_world: Float[Tensor, "verts 3"],
    normals_world: Float[Tensor, "verts 3"],
    depth: Float[Tensor, "height width"],
    cam_from_world: Float[Tensor, "4 4"],
    intrinsics: Float[Tensor, "3 3"],
) -> Bool[Tensor, " verts"]:
    """Which vertices a photo shows.

    Args:
        verts_world: Of the surface.
        normals_world: Unit, outwards.
        depth: Of the surface in the photo, metres; 0 where nothing is.
        cam_from_world: Of the photo.
        intrinsics: In pixels of the depth.
    """
    local = verts_world @ cam_from_world[:3, :3].mT + cam_from_world[:3, 3]
    pixels = ((local @ intrinsics.mT)[:, :2] / local[:, 2:].clamp(min=1e-3)).floor().long()
    height, width = depth.shape
    inside = (pixels >= 0).all(1) & (pixels[:, 0] < width) & (pixels[:, 1] < height)
    x, y = pixels[:, 0].clamp(0, width - 1), pixels[:, 1].clamp(0, height - 1)
    eye = -(cam_from_world[:3, :3].mT @ cam_from_world[:3, 3])
    ways = torch.nn.functional.normalize(eye - verts_world, dim=1)
    facing = (normals_world * ways).sum(1) > FACING
    return inside & facing & (depth[y, x] > 0) & (local[:, 2] < depth[y, x] + BEFORE)
