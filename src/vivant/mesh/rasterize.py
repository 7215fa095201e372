"""The door of the mesh rasteriser."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError

NEAR = 0.01
"""Metres: nothing nearer to a perspective camera is drawn."""


@dataclass(frozen=True)
class MeshBuffers:
    """What each pixel's centre sees of a mesh."""

    depth: Float[Tensor, "views height width"]
    """Metres along the camera's z; 0 where nothing is."""

    face: Int[Tensor, "views height width"]
    """Number of the triangle; -1 where nothing is."""

    barycentric: Float[Tensor, "views height width 3"]
    """Weights of the triangle's corners at the point seen (perspective-correct); 0 where nothing is."""


def rasterize_mesh(
    verts_world: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    cameras: Cameras,
    *,
    threads: int | None = None,
) -> MeshBuffers:
    """Draw triangles, both sides; the nearest wins. There are no gradients, but `interpolate` has them.

    Triangles that reach behind the camera are cut 1 cm before it, also those that an orthographic camera sees.

    Args:
        verts_world: Corners, metres.
        faces: Three corners each.
        cameras: One picture each.
        threads: At most so many; all processors if None.

    Raises:
        BadInputError: If a corner is not finite or a face names a corner that does not exist.
    """
    _refuse_bad_mesh(verts_world, faces)
    from vivant.mesh import _kernels

    return MeshBuffers(*_kernels.rasterize(verts_world, faces, cameras, NEAR, threads))


def interpolate(
    buffers: MeshBuffers, faces: Int[Tensor, "faces 3"], attribute: Float[Tensor, "verts channels"]
) -> Float[Tensor, "views height width channels"]:
    """Spread a per-corner attribute over the pixels; 0 where nothing is. Differentiable in the attribute."""
    face = buffers.face.reshape(-1)
    hit = (face >= 0).nonzero()[:, 0]
    corners = faces.index_select(0, face.index_select(0, hit)).long()
    weights = buffers.barycentric.reshape(-1, 3).index_select(0, hit).to(attribute)
    values = torch.stack(
        [attribute.index_select(0, corners[:, corner]) * weights[:, corner, None] for corner in range(3)]
    ).sum(0)
    picture = attribute.new_zeros(len(face), attribute.shape[1]).index_copy(0, hit, values)
    return picture.reshape(*buffers.face.shape, attribute.shape[1])


def _refuse_bad_mesh(verts_world: Tensor, faces: Tensor) -> None:
    bad = int((~torch.isfinite(verts_world)).any(1).sum())
    if bad:
        raise BadInputError(f"`verts_world` has {bad} corners that are not finite; a mesh needs numbers.")
    if faces.numel() and (int(faces.min()) < 0 or int(faces.max()) >= len(verts_world)):
        raise BadInputError(
            f"`faces` name corners {int(faces.min())} to {int(faces.max())}; "
            f"there are 0 to {len(verts_world) - 1}."
        )
