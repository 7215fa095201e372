"""Triangles as pictures, in plain torch, many pictures at once, on any device.

The mesh rasteriser of the package runs on the processor; training data is made where the training runs.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.mesh import Lighting, irradiance, linear_from_srgb, srgb_from_linear

BUCKETS = (2, 4, 8, 16, 32, 64)
"""Sides of the squares of pixels that triangles are tried on; larger triangles are cut to the last."""

DEPTHS = 2**30
"""Steps between the nearest and the farthest corner."""


@torch.no_grad()
def draw_faces(
    verts_world: Float[Tensor, "pictures verts 3"],
    faces: Int[Tensor, "faces 3"],
    cam_from_world: Float[Tensor, "pictures 4 4"],
    intrinsics: Float[Tensor, "pictures 3 3"],
    size: int,
) -> tuple[Int[Tensor, "pictures size size"], Float[Tensor, "pictures size size 3"], Tensor]:
    """Number of the nearest triangle at each pixel's centre (-1: none), its barycentrics, and depth (0: none).

    All corners must lie before the camera.
    """
    turn, shift = cam_from_world[:, :3, :3], cam_from_world[:, :3, 3]
    corners_cam = verts_world @ turn.mT + shift[:, None]
    depth = corners_cam[..., 2]
    pixels = (corners_cam @ intrinsics.mT)[..., :2] / depth[..., None]
    near, far = depth.min(), depth.max()
    triangles = pixels[:, faces]
    low = (triangles.amin(2) - 0.5).ceil().long()
    high = (triangles.amax(2) - 0.5).floor().long()
    shown = ((high >= low) & (high >= 0) & (low < size)).all(-1)
    extent = (high - low).amax(-1) + 1
    nearest = torch.full((len(pixels), size * size), torch.iinfo(torch.int64).max, device=pixels.device)
    for smaller, side in zip((0, *BUCKETS), BUCKETS, strict=False):
        inside = shown & (extent > smaller) & ((extent <= side) | (side == BUCKETS[-1]))
        picture, face = inside.nonzero(as_tuple=True)
        if len(face):
            _try_squares(nearest, pixels, depth, (near, far), faces, (picture, face), low, side, size)
    hit = nearest < torch.iinfo(torch.int64).max
    face = torch.where(hit, nearest % 2**32, -1)
    barycentric, depth_seen = _refine(face, pixels, depth, faces, size)
    shape = (len(pixels), size, size)
    return face.reshape(shape), barycentric.reshape(*shape, 3), depth_seen.reshape(shape)


def _try_squares(
    nearest: Tensor,
    pixels: Tensor,
    depth: Tensor,
    span: tuple[Tensor, Tensor],
    faces: Tensor,
    chosen: tuple[Tensor, Tensor],
    low: Tensor,
    side: int,
    size: int,
) -> None:
    """Try each chosen triangle on a square of pixels, and keep the nearest hits."""
    picture, face = chosen
    steps = torch.arange(side, device=pixels.device)
    square = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).reshape(-1, 2)
    # Some at a time: memory stays under a few gigabytes on any device.
    for part in torch.arange(len(face), device=pixels.device).split(max(2**24 // side**2, 1)):
        p, f = picture[part], face[part]
        place = low[p, f][:, None] + square
        corners = pixels[p[:, None], faces[f]]
        weights = _barycentric(place + 0.5, corners)
        z = 1 / (weights / depth[p[:, None], faces[f]][:, None]).sum(-1)
        inside = (weights >= 0).all(-1) & ((place >= 0) & (place < size)).all(-1)
        rank = ((z - span[0]) / (span[1] - span[0]).clamp(min=1e-9)).clamp(0, 1) * DEPTHS
        key = rank.long() * 2**32 + f[:, None]
        at = p[:, None] * size * size + place[..., 1] * size + place[..., 0]
        nearest.view(-1).scatter_reduce_(0, at[inside], key[inside], "amin")


def _barycentric(places: Tensor, corners: Float[Tensor, "some 3 2"]) -> Tensor:
    """Weights of the corners in the picture, for both directions of turning; -1 where there is no area."""
    a, b, c = (corners[:, None, k] for k in range(3))
    area = _cross(b - a, c - a)
    weights = torch.stack([_cross(b - places, c - places), _cross(c - places, a - places)], dim=-1)
    weights = weights / torch.where(area == 0, 1, area)[..., None]
    weights = torch.cat([weights, 1 - weights.sum(-1, keepdim=True)], dim=-1)
    return torch.where((area == 0)[..., None], -torch.ones_like(weights), weights)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _refine(face: Tensor, pixels: Tensor, depth: Tensor, faces: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Perspective-correct barycentrics and depth of the triangles that were hit."""
    picture, at = (face >= 0).nonzero(as_tuple=True)
    chosen = faces[face[picture, at]]
    places = torch.stack([at % size, at // size], dim=-1)[:, None] + 0.5
    flat = _barycentric(places, pixels[picture[:, None], chosen])[:, 0]
    over = flat / depth[picture[:, None], chosen]
    z = 1 / over.sum(-1)
    barycentric = torch.zeros(*face.shape, 3, device=pixels.device)
    barycentric[picture, at] = over * z[:, None]
    seen = torch.zeros(face.shape, device=pixels.device)
    seen[picture, at] = z
    return barycentric, seen


def spread(
    face: Int[Tensor, "pictures size size"],
    barycentric: Float[Tensor, "pictures size size 3"],
    faces: Int[Tensor, "faces 3"],
    values: Float[Tensor, "pictures verts channels"],
) -> Float[Tensor, "pictures channels size size"]:
    """Values of the corners over the pixels; 0 where no triangle is."""
    picture, row, column = (face >= 0).nonzero(as_tuple=True)
    corners = values[picture[:, None], faces[face[picture, row, column]]]
    made = (corners * barycentric[picture, row, column][..., None]).sum(1)
    out = values.new_zeros(*face.shape, values.shape[-1])
    out[picture, row, column] = made
    return out.permute(0, 3, 1, 2)


def lit_colors(
    colors: Float[Tensor, "verts 3"], normals_world: Float[Tensor, "pictures verts 3"], lighting: Lighting
) -> Float[Tensor, "pictures verts 3"]:
    """Shade corners as the textured renderer does, in linear light, but for shadows.

    Args:
        colors: sRGB, of the surface itself.
        normals_world: Unit.
        lighting: What falls on it.
    """
    here = {"device": normals_world.device, "dtype": normals_world.dtype}
    ambient = irradiance(normals_world, lighting.ambient.to(**here)).clamp(min=0)
    facing = (normals_world @ lighting.key_direction.to(**here)).clamp(min=0)
    light = ambient + facing[..., None] * lighting.key_color.to(**here)
    return srgb_from_linear(linear_from_srgb(colors) * light).clamp(0, 1)


def smooth_normals(
    verts: Float[Tensor, "pictures verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "pictures verts 3"]:
    """Unit normals of corners, many bodies at once."""
    a, b, c = verts[:, faces].unbind(2)
    by_face = torch.linalg.cross(b - a, c - a)
    sums = torch.zeros_like(verts)
    for corner in range(3):
        sums.index_add_(1, faces[:, corner], by_face)
    return torch.nn.functional.normalize(sums, dim=-1)
