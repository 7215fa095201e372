"""Splats drawn with gradients wherever the training runs: by numba on the CPU, by plain torch elsewhere."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.records import Rendering, Splats
from vivant.splat import rasterize
from vivant.splat.rasterizer._limits import ALPHA_LEAST, ALPHA_MOST
from vivant.splat.rasterizer._reference import project_splats
from vivant.splat.rasterizer._request import Request

TILE = 8
"""Pixels a side of a square whose splats are gathered together."""

DEEPEST = 2048
"""Splats before each square that are blended; those behind so many opaque ones are not seen."""


def draw_splats(
    splats: Splats, features: Float[Tensor, "splats features"], cameras: Cameras, *, plain: bool | None = None
) -> Rendering:
    """Draw splats, with normals, and with features appended to the colour.

    Args:
        splats: In world axes.
        features: Blended as the colour is.
        cameras: One picture each; sides that divide by 8.
        plain: Whether to draw in plain torch; None does so on all devices but the CPU.
    """
    if plain is None:
        plain = splats.means.device.type != "cpu"
    if not plain:
        return rasterize(splats, cameras, features=features)
    behind = splats.means.new_zeros(len(cameras), 3)
    request = Request(splats, cameras, behind, features, True, False, None)
    views = torch.stack([_draw_view(request, cameras[view]) for view in range(len(cameras))])
    color, depth, normal, extra, alpha = views.split([3, 1, 3, features.shape[1], 1], dim=-1)
    normal = torch.nn.functional.normalize(normal, dim=-1, eps=1e-3)
    return Rendering(torch.cat([color, extra], dim=-1), alpha[..., 0], depth[..., 0], normal)


def _draw_view(request: Request, camera: Cameras) -> Float[Tensor, "height width channels"]:
    """Blend all squares at once, each with as many splats as the fullest."""
    projected = project_splats(request, camera)
    across, down = camera.width // TILE, camera.height // TILE
    table = torch.cat(
        [projected.centers, projected.covariances, projected.opacities[:, None], projected.payload], dim=1
    )
    # An invisible splat fills up the squares that have fewer.
    table = torch.cat([table, table.new_zeros(1, table.shape[1])])
    table = table + torch.nn.functional.pad(table.new_tensor([0, 0, 1.0, 0, 1.0]), (0, table.shape[1] - 5)) * (
        torch.arange(len(table), device=table.device)[:, None] == len(table) - 1
    )
    members = _members(projected.centers, projected.covariances, projected.opacities, across, down)
    x, y, xx, xy, yy, opacity = (column[:, None] for column in table[members][..., :6].unbind(-1))
    steps = torch.arange(TILE, device=table.device) + 0.5
    corner = torch.stack(
        torch.meshgrid(torch.arange(across) * TILE, torch.arange(down) * TILE, indexing="xy"), dim=-1
    )
    pixels = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(1, -1, 2)
    pixels = pixels + corner.reshape(-1, 1, 2).to(table.device)
    dx, dy = pixels[..., :1] - x, pixels[..., 1:] - y
    squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    alpha = (opacity * torch.exp(-0.5 * squared)).clamp(max=ALPHA_MOST)
    alpha = alpha * (alpha.detach() >= ALPHA_LEAST)
    through = torch.cumprod(1 - alpha, dim=-1)
    before = torch.cat([torch.ones_like(through[..., :1]), through[..., :-1]], dim=-1)
    weights = alpha * before
    blended = torch.cat([weights @ table[members][..., 6:], weights.sum(-1, keepdim=True)], dim=-1)
    squares = blended.reshape(down, across, TILE, TILE, -1).transpose(1, 2)
    return squares.reshape(camera.height, camera.width, -1)


@torch.no_grad()
def _members(centers: Tensor, covariances: Tensor, opacities: Tensor, across: int, down: int) -> Tensor:
    """Numbers of the nearest splats that touch each square (squares, most); the last number fills up."""
    reach = 2 * (opacities / ALPHA_LEAST).clamp(min=1e-30).log()
    radius = (reach.clamp(min=0)[:, None] * covariances[:, [0, 2]]).sqrt()
    low, high = centers - radius, centers + radius
    device = centers.device
    lefts, tops = torch.arange(across, device=device) * TILE, torch.arange(down, device=device) * TILE
    in_column = (high[:, 0] >= lefts[:, None]) & (low[:, 0] <= lefts[:, None] + TILE) & (reach > 0)
    in_row = (high[:, 1] >= tops[:, None]) & (low[:, 1] <= tops[:, None] + TILE)
    touching = (in_row[:, None] & in_column[None]).flatten(0, 1)
    rank = touching.cumsum(1)
    most = max(min(int(rank[:, -1].max()) if rank.numel() else 0, DEEPEST), 1)
    square, splat = (touching & (rank <= most)).nonzero(as_tuple=True)
    members = torch.full((across * down, most), len(centers), device=device)
    members[square, rank[square, splat] - 1] = splat
    return members
