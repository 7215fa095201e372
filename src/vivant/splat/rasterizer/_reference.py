"""The rasteriser in plain torch, to be read beside the papers.

3DGS: Kerbl et al. 2023, arXiv 2308.04079. Projection: Zwicker et al. 2002, EWA splatting. Anti-aliasing: Yu et
al. 2023, Mip-Splatting, arXiv 2311.16493. Any device, any float type, gradients by autograd.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.rotations import matrices_from_quats
from vivant.records import Splats
from vivant.splat.harmonics import colors_from_sh
from vivant.splat.rasterizer._limits import (
    ALPHA_LEAST,
    ALPHA_MOST,
    BLUR,
    MARGIN,
    NEAR,
    TRANSMITTANCE_LEAST,
)
from vivant.splat.rasterizer._request import Blended, Request

TILE = 16
"""Pixels; splats are gathered for one square of the picture after another."""


LARGEST = 1e17
"""Pixels of a splat's standard deviation."""


@dataclass(frozen=True)
class Projected:
    """Splats as one camera sees them, nearest first."""

    centers: Float[Tensor, "splats 2"]
    covariances: Float[Tensor, "splats 3"]
    """xx, xy, yy in square pixels, low-pass filter included."""

    opacities: Float[Tensor, " splats"]
    payload: Float[Tensor, "splats channels"]
    """What is blended: colour, depth, then normal and features if asked for."""


def draw(request: Request) -> Blended:
    """Draw all views, one after the other."""
    views = [_draw_view(request, request.cameras[view]) for view in range(len(request.cameras))]
    blended = torch.stack(views)
    color, depth, extra, alpha = blended.split([3, 1, blended.shape[-1] - 5, 1], dim=-1)
    color = color + (1 - alpha) * request.background[:, None, None]
    return Blended(color, alpha[..., 0], depth[..., 0], extra)


def _draw_view(request: Request, camera: Cameras) -> Float[Tensor, "height width channels"]:
    """Blend one tile after the other; the last channel is alpha."""
    projected = project_splats(request, camera)
    tops, lefts = range(0, camera.height, TILE), range(0, camera.width, TILE)
    members = [_members(projected, top, lefts) for top in tops]
    # One table, taken apart at once: gradients of a thousand small lookups would cost more than all else.
    table = torch.cat(
        [projected.centers, projected.covariances, projected.opacities[:, None], projected.payload], dim=1
    )
    counts = [len(numbers) for row in members for numbers in row]
    parts = iter(table[torch.cat([numbers for row in members for numbers in row])].split(counts))
    rows = [torch.cat([_draw_tile(next(parts), camera, left, top) for left in lefts], dim=1) for top in tops]
    return torch.cat(rows, dim=0)


@torch.no_grad()
def _members(projected: Projected, top: int, lefts: range) -> list[Tensor]:
    """Numbers of the splats that are at least `ALPHA_LEAST` somewhere in each tile of a row."""
    reach = 2 * (projected.opacities / ALPHA_LEAST).clamp(min=1e-30).log()
    # 1 % more than the exact ellipse, so that rounding here cannot decide what is drawn.
    radius = 1.01 * (reach.clamp(min=0)[:, None] * projected.covariances[:, [0, 2]]).sqrt()
    low, high = projected.centers - radius, projected.centers + radius
    in_row = ((high[:, 1] >= top) & (low[:, 1] <= top + TILE) & (reach > 0)).nonzero()[:, 0]
    low, high = low[in_row, 0], high[in_row, 0]
    return [in_row[(high >= left) & (low <= left + TILE)] for left in lefts]


def project_splats(request: Request, camera: Cameras) -> Projected:
    """Project what the camera can see, and sort it by depth."""
    splats, cam_from_world = request.splats, camera.cam_from_world[0]
    rotation, shift = cam_from_world[:3, :3], cam_from_world[:3, 3]
    means_cam = splats.means @ rotation.T + shift
    payload, depth = collect_payload(request, camera, means_cam), means_cam[:, 2]
    order = depth.detach().float().argsort(stable=True)
    order = order[depth[order] > NEAR]
    # A splat so large that its numbers overflow is left out.
    reach = splats.scales.detach().amax(1) * camera.intrinsics[0].detach().diagonal()[:2].max()
    order = order[(reach / (1 if camera.orthographic else depth.detach()))[order] < LARGEST]

    axes_cam = rotation @ matrices_from_quats(splats.quats[order])
    centers, jacobian = _linearize(means_cam[order], camera)
    half = jacobian @ (axes_cam * splats.scales[order][:, None])
    xx, xy, yy = _symmetric(half @ half.transpose(1, 2))
    opacities = splats.opacities[order]
    if request.antialiased:
        before = xx * yy - xy * xy
        after = (xx + BLUR) * (yy + BLUR) - xy * xy
        ratio = (before / after).clamp(min=0)
        opacities = opacities * torch.where(ratio > 0, ratio, 1).sqrt() * (ratio > 0)

    covariances = torch.stack([xx + BLUR, xy, yy + BLUR], dim=-1)
    return Projected(centers, covariances, opacities, payload[order])


def collect_payload(
    request: Request, camera: Cameras, means_cam: Float[Tensor, "splats 3"]
) -> Float[Tensor, "splats channels"]:
    """What one camera's picture blends: colour, depth, then normal and features if asked for."""
    splats = request.splats
    columns = [colors_from_sh(splats.sh, _directions(splats.means, camera)), means_cam[:, 2:]]
    if request.normals:
        columns.append(_facing_normals(splats, means_cam, camera))
    if request.features is not None:
        columns.append(request.features)
    return torch.cat(columns, dim=1)


def _linearize(
    means_cam: Float[Tensor, "splats 3"], camera: Cameras
) -> tuple[Float[Tensor, "splats 2"], Float[Tensor, "splats 2 3"]]:
    """Pixels of the centres, and how pixels move with points near them (EWA splatting, equation 29)."""
    fx, fy = camera.intrinsics[0, 0, 0], camera.intrinsics[0, 1, 1]
    cx, cy = camera.intrinsics[0, 0, 2], camera.intrinsics[0, 1, 2]
    x, y, z = means_cam.unbind(-1)
    zero, one = torch.zeros_like(z), torch.ones_like(z)
    if camera.orthographic:
        centers = torch.stack([fx * x + cx, fy * y + cy], dim=-1)
        rows = [torch.stack([fx * one, zero, zero], -1), torch.stack([zero, fy * one, zero], -1)]
        return centers, torch.stack(rows, dim=1)
    centers = torch.stack([fx * x / z + cx, fy * y / z + cy], dim=-1)
    # Far outside the picture the linearisation grows without bound: it is taken at a point near the rim.
    x = z * _limit(x / z, fx, cx, camera.width)
    y = z * _limit(y / z, fy, cy, camera.height)
    rows = [
        torch.stack([fx / z, zero, -fx * x / (z * z)], -1),
        torch.stack([zero, fy / z, -fy * y / (z * z)], -1),
    ]
    return centers, torch.stack(rows, dim=1)


def _limit(
    slope: Float[Tensor, " splats"], focal: Tensor, center: Tensor, size: int
) -> Float[Tensor, " splats"]:
    low = (-MARGIN * size - center) / focal
    high = (size + MARGIN * size - center) / focal
    return torch.minimum(torch.maximum(slope, low), high)


def _symmetric(matrices: Float[Tensor, "splats 2 2"]) -> tuple[Tensor, Tensor, Tensor]:
    return matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]


def _directions(means: Float[Tensor, "splats 3"], camera: Cameras) -> Float[Tensor, "splats 3"]:
    """Unit vectors from the eye to the splats, world axes; all the same for an orthographic camera."""
    if camera.orthographic:
        return camera.cam_from_world[0, 2, :3].expand(len(means), 3)
    return torch.nn.functional.normalize(means - camera.centers_world, dim=-1)


def _facing_normals(
    splats: Splats, means_cam: Float[Tensor, "splats 3"], camera: Cameras
) -> Float[Tensor, "splats 3"]:
    """Shortest axis of each splat in camera axes, turned towards the camera."""
    axes_cam = camera.cam_from_world[0, :3, :3] @ matrices_from_quats(splats.quats)
    shortest = splats.scales.argmin(dim=1)[:, None, None].expand(-1, 3, 1)
    normals = axes_cam.gather(2, shortest)[..., 0]
    away = normals[:, 2] if camera.orthographic else (normals * means_cam).sum(-1)
    return torch.where(away[:, None] > 0, -normals, normals)


def _draw_tile(
    table: Float[Tensor, "splats columns"], camera: Cameras, left: int, top: int
) -> Float[Tensor, "height width channels"]:
    """Blend the splats of one square front to back; the last channel is alpha."""
    column = torch.arange(left, min(left + TILE, camera.width)).to(table) + 0.5
    row = torch.arange(top, min(top + TILE, camera.height)).to(table) + 0.5
    x, y, xx, xy, yy, opacities = table[:, :6].unbind(1)
    dx, dy = column[None, :, None] - x, row[:, None, None] - y
    squared = (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / (xx * yy - xy * xy)
    alpha = (opacities * (-0.5 * squared).exp()).clamp(max=ALPHA_MOST)
    alpha = alpha * (alpha.detach() >= ALPHA_LEAST)
    light = _light_before(alpha.detach())
    alpha = alpha * (light >= TRANSMITTANCE_LEAST)
    weights = alpha * _light_before(alpha)
    return torch.cat([weights @ table[:, 6:], weights.sum(-1, keepdim=True)], dim=-1)


def _light_before(alpha: Float[Tensor, "*pixels splats"]) -> Float[Tensor, "*pixels splats"]:
    """How much light gets through all splats before each."""
    through = torch.cumprod(1 - alpha, dim=-1)
    return torch.cat([torch.ones_like(through[..., :1]), through[..., :-1]], dim=-1)
