"""The splats' colours as a texture: an avatar is drawn from all round, and texels look into the drawings."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import MOUTH, mouth_faces
from vivant.core.cameras import Cameras, orbit, project
from vivant.export.dressing import SkinnedMesh
from vivant.mesh import point_visibility, rasterize_mesh
from vivant.records import Avatar, Rig, Splats
from vivant.splat import rasterize
from vivant.splat.harmonics import BAND_0

AROUND = ((0.0, 12), (38.0, 8), (-38.0, 8), (80.0, 2), (-80.0, 2))
"""Elevations in degrees, and how many cameras stand on each."""

PICTURE = 1024
"""Pixels of a drawing's height, in which the whole person stands."""

SHARPNESS = 10
"""Power of the cosine at which a camera sees the surface: the straightest view decides."""

TOLERANCE = 0.012
"""Metres that a texel may lie behind the mesh that hides it."""

BEFORE = 0.04
"""Metres that splats may lie before or behind a texel to give it their colour: an arm colours no trunk."""

COVERED = 0.6
"""Least opacity of a pixel whose colour counts."""


def bake_texture(
    avatar: Avatar, mesh: SkinnedMesh, size: int, advance: Callable[[float], None] = lambda fraction: None
) -> Float[Tensor, "size size 3"]:
    """Colour a mesh's texture as the splats look at rest.

    What no camera sees takes the nearest splats' colours, and texels off the mesh those of the nearest texel,
    so that no background shows at seams, however small the texture is drawn.
    """
    texels = _unwrap(mesh, size)
    inside = texels.face[0] >= 0
    corners = mesh.faces[texels.face[0][inside].long()]
    share = texels.barycentric[0][inside][..., None]
    points = (mesh.verts[corners] * share).sum(1)
    normals = torch.nn.functional.normalize((mesh.normals[corners] * share).sum(1), dim=-1)
    colors, weights = torch.zeros_like(points), torch.zeros(len(points), 1)
    total = sum(count for _, count in AROUND)
    for done, camera in enumerate(_cameras(avatar.rig, mesh)):
        advance(min(done / total, 1.0))
        _look(avatar.splats, mesh, camera, points, normals, colors, weights)
    seen = weights[:, 0] > 1e-4
    colors[seen] /= weights[seen]
    colors[~seen] = _nearest_colors(avatar.splats, points[~seen])
    # No photo shows it, and an open mouth must not be as light as the lips.
    colors[mouth_faces(avatar.rig)[texels.face[0][inside].long()]] = torch.tensor(MOUTH)
    texture = torch.zeros(size, size, 3)
    texture[inside] = colors.clamp(0, 1)
    return _padded(texture, inside)


def _unwrap(mesh: SkinnedMesh, size: int):  # noqa: ANN202
    """Draw the mesh flat: which triangle covers each texel, and where in it."""
    flat = torch.stack([mesh.uv[:, 0] * size, (1 - mesh.uv[:, 1]) * size, torch.ones(len(mesh.uv))], dim=1)
    camera = Cameras(torch.eye(4)[None], torch.eye(3)[None], size, size, orthographic=True)
    return rasterize_mesh(flat, mesh.faces, camera)


def _cameras(rig: Rig, mesh: SkinnedMesh) -> Iterator[Cameras]:
    """All round the person, and, if the rig names its head, round that."""
    low, high = mesh.verts.amin(0), mesh.verts.amax(0)
    extent = float((high - low).max()) * 1.05
    width = PICTURE
    for elevation, count in AROUND:
        azimuths = [360.0 * step / count for step in range(count)]
        whole = orbit(
            (low + high) / 2, azimuths, extent=extent, elevation_deg=elevation, width=width, height=PICTURE
        )
        yield from (whole[view] for view in range(count))
    head = [name.lower() for name in rig.joint_names].index("head") if _has_head(rig) else None
    if head is None:
        return
    of_head = mesh.verts[(mesh.skin_joints[:, 0] == head) & (mesh.skin_weights[:, 0] > 0.5)]
    if len(of_head) < 10:
        return
    middle = (of_head.amin(0) + of_head.amax(0)) / 2
    near = float((of_head.amax(0) - of_head.amin(0)).max()) * 1.2
    turns = [0.0, 30.0, -30.0, 65.0, -65.0, 110.0, -110.0, 180.0]
    close = orbit(middle, turns, extent=near, elevation_deg=5.0, width=PICTURE // 2, height=PICTURE // 2)
    yield from (close[view] for view in range(len(turns)))


def _has_head(rig: Rig) -> bool:
    return "head" in [name.lower() for name in rig.joint_names]


def _look(
    splats: Splats,
    mesh: SkinnedMesh,
    camera: Cameras,
    points: Float[Tensor, "texels 3"],
    normals: Float[Tensor, "texels 3"],
    colors: Float[Tensor, "texels 3"],
    weights: Float[Tensor, "texels 1"],
) -> None:
    """Add what one camera sees to the texels' sums of colours and weights, in place."""
    to_camera = camera.centers_world[0] - points
    distance = to_camera.norm(dim=-1)
    cosine = (to_camera * normals).sum(-1) / distance
    facing = (cosine > 0.2).nonzero()[:, 0]
    buffers = rasterize_mesh(mesh.verts, mesh.faces, camera)
    seen = facing[point_visibility(points[facing], camera, buffers, TOLERANCE)[0]]
    if not len(seen):
        return
    drawn = rasterize(splats, camera, normals=False)
    pixels, depth = project(points[seen], camera)
    grid = pixels / torch.tensor([camera.width, camera.height]) * 2 - 1
    all_drawn = torch.cat([drawn.color, drawn.alpha[..., None], drawn.depth[..., None]], dim=-1)
    found = torch.nn.functional.grid_sample(
        all_drawn.permute(0, 3, 1, 2), grid[None, None], align_corners=False
    )[0, :, 0].T
    alpha = found[:, 3:4]
    near = (found[:, 4:] / alpha.clamp(min=1e-3) - depth[:, None]).abs() < BEFORE
    # Nearer cameras see finer: pixels a metre, squared, are pixels an area.
    finer = (camera.intrinsics[0, 0, 0] / distance[seen] / 1000).square()
    weight = (cosine[seen].pow(SHARPNESS) * finer)[:, None] * (alpha > COVERED) * near
    colors.index_add_(0, seen, found[:, :3] / alpha.clamp(min=1e-3) * weight)
    weights.index_add_(0, seen, weight)


def _nearest_colors(splats: Splats, points: Float[Tensor, "texels 3"]) -> Float[Tensor, "texels 3"]:
    """Mean colour of the splats nearest to points that no camera sees."""
    if not len(points) or not len(splats):
        return torch.full_like(points, 0.5)
    near = min(8, len(splats))
    distance, index = KDTree(splats.means.numpy()).query(points.numpy(), k=near)
    share = 1 / (torch.from_numpy(distance.reshape(-1, near)).float() + 2e-3).square()
    own = 0.5 + BAND_0 * splats.sh[:, 0]
    return (own[index.reshape(-1, near)] * share[..., None]).sum(1) / share.sum(1, keepdim=True)


def _padded(
    texture: Float[Tensor, "size size 3"], inside: Bool[Tensor, "size size"]
) -> Float[Tensor, "size size 3"]:
    """Give every texel off the mesh the colour of the nearest one on it."""
    if not bool(inside.any()):
        return texture
    nearest = distance_transform_edt(~inside.numpy(), return_distances=False, return_indices=True)
    row, column = torch.from_numpy(np.asarray(nearest).astype(np.int64))
    return texture[row, column]
