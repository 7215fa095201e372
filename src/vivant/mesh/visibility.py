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

    A point may lie as much behind the surface as the surface falls within a pixel there: else one on a slanted
    surface would be hidden by its own neighbours.

    Args:
        points_world: On the mesh, or anywhere else.
        cameras: Those the buffers were made with.
        buffers: From `rasterize_mesh`.
        tolerance: Metres that a point may lie behind the surface and still be seen.

    Raises:
        BadInputError: If cameras and buffers differ in number.
    """
    expect_counts("point_visibility", cameras=len(cameras), buffers=len(buffers.depth))
    limits = torch.stack([_depth_limit(depth) for depth in buffers.depth])
    seen = []
    for view in range(len(cameras)):
        pixels, depth = project(points_world, cameras, view)
        column, row = pixels.floor().unbind(-1)
        inside = (column >= 0) & (column < cameras.width) & (row >= 0) & (row < cameras.height) & (depth > 0)
        column = column.clamp(0, cameras.width - 1).long()
        row = row.clamp(0, cameras.height - 1).long()
        seen.append(inside & (depth <= limits[view, row, column] + tolerance))
    return torch.stack(seen)


def _depth_limit(depth: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """How far things may be and still be before or on the surface; infinite where nothing is drawn."""
    surface = torch.where(depth > 0, depth, torch.nan)
    limit = surface + _slope(surface) + _slope(surface.T).T
    # Beside a silhouette a pixel's centre may just miss the surface: the farthest neighbour speaks for it.
    beside = torch.nn.functional.max_pool2d(limit.nan_to_num(nan=0.0)[None], 3, stride=1, padding=1)[0]
    limit = torch.where(depth > 0, limit, beside)
    return torch.where(limit > 0, limit, torch.inf)


def _slope(surface: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """Change of depth to the left or the right, whichever is less: it does not jump to what lies behind."""
    change = (surface[:, 1:] - surface[:, :-1]).abs().nan_to_num(nan=torch.inf)
    edge = torch.full_like(surface[:, :1], torch.inf)
    least = torch.minimum(torch.cat([edge, change], 1), torch.cat([change, edge], 1))
    return torch.where(least.isinf(), 0, least)


def vertex_visibility(
    verts_world: Float[Tensor, "verts 3"], cameras: Cameras, buffers: MeshBuffers, tolerance: float = 5e-3
) -> Bool[Tensor, "views verts"]:
    """Whether each of the mesh's own corners is seen; see `point_visibility`."""
    return point_visibility(verts_world, cameras, buffers, tolerance)
