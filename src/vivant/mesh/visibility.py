"""Which points of the world the cameras see past a mesh."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vivant.core.cameras import Cameras, project
from vivant.core.checks import expect_counts
from vivant.mesh.rasterize import MeshBuffers


def point_visibility(
    points_world: Float[Tensor, "points 3"], cameras: Cameras, buffers: MeshBuffers, tolerance: float
) -> Bool[Tensor, "views points"]:
    """Whether each point lies in the picture and not behind the mesh.

    A point is compared with the farthest depth among its pixel and the eight around: one on a surface seen at a
    slant is otherwise hidden by its own neighbours.

    Args:
        points_world: On the mesh, or anywhere else.
        cameras: Those the buffers were made with.
        buffers: From `rasterize_mesh`.
        tolerance: Metres that a point may lie behind the surface and still be seen.

    Raises:
        BadInputError: If cameras and buffers differ in number.
    """
    expect_counts("point_visibility", cameras=len(cameras), buffers=len(buffers.depth))
    far = torch.where(buffers.depth > 0, buffers.depth, torch.inf)
    farthest = torch.nn.functional.max_pool2d(far[:, None], 3, stride=1, padding=1)[:, 0]
    seen = []
    for view in range(len(cameras)):
        pixels, depth = project(points_world, cameras, view)
        column, row = pixels.floor().unbind(-1)
        inside = (column >= 0) & (column < cameras.width) & (row >= 0) & (row < cameras.height) & (depth > 0)
        column = column.clamp(0, cameras.width - 1).long()
        row = row.clamp(0, cameras.height - 1).long()
        seen.append(inside & (depth <= farthest[view, row, column] + tolerance))
    return torch.stack(seen)


def vertex_visibility(
    verts_world: Float[Tensor, "verts 3"], cameras: Cameras, buffers: MeshBuffers, tolerance: float = 5e-3
) -> Bool[Tensor, "views verts"]:
    """Whether each of the mesh's own corners is seen; see `point_visibility`."""
    return point_visibility(verts_world, cameras, buffers, tolerance)
