"""Normals of triangles and of their corners. Plain torch, differentiable."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def face_normals(
    verts: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"], *, unit: bool = True
) -> Float[Tensor, "faces 3"]:
    """Normals of triangles, towards the side from which they run counter-clockwise.

    Args:
        verts: In any frame; the normals are in the same.
        faces: Corners.
        unit: False leaves the length at twice the triangle's area. A triangle without area has normal 0.
    """
    a, b, c = verts[faces.long()].unbind(1)
    normals = torch.linalg.cross(b - a, c - a)
    return torch.nn.functional.normalize(normals, dim=-1) if unit else normals


def vertex_normals(verts: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]) -> Float[Tensor, "verts 3"]:
    """Unit normals of corners: the mean of the triangles around, weighted by area; 0 for a corner of none."""
    by_face = face_normals(verts, faces, unit=False)
    sums = torch.zeros_like(verts)
    for corner in range(3):
        sums = sums.index_add(0, faces[:, corner].long(), by_face)
    return torch.nn.functional.normalize(sums, dim=-1)


def normals_at(
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    face: Int[Tensor, " points"],
    barycentric: Float[Tensor, "points 3"],
) -> Float[Tensor, "points 3"]:
    """Unit normals of points on triangles, mixed from those of the corners."""
    corners = vertex_normals(verts, faces)[faces[face]]
    return torch.nn.functional.normalize((corners * barycentric[..., None]).sum(1), dim=-1)
