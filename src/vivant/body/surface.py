"""Points on a mesh's surface, their frames and skin, and who neighbours whom."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csr_matrix, diags_array
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError

INFLUENCES = 4
"""Joints a surface point follows."""


@dataclass(frozen=True)
class SurfacePoints:
    """Points that ride on triangles."""

    face: Int[Tensor, " points"]
    barycentric: Float[Tensor, "points 3"]

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("SurfacePoints", face=len(self.face), barycentric=len(self.barycentric))

    def __len__(self) -> int:
        return len(self.face)

    def interpolate(
        self, faces: Int[Tensor, "faces 3"], values: Float[Tensor, "verts channels"]
    ) -> Float[Tensor, "points channels"]:
        """Per-vertex values (places, colours) at the points; differentiable in the values."""
        return (values[faces[self.face]] * self.barycentric[..., None].to(values)).sum(1)


def surface_points(
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    count: int,
    *,
    density: Float[Tensor, " faces"] | None = None,
    seed: int = 0,
) -> SurfacePoints:
    """Spread points over a mesh, evenly by area times density; the same seed gives the same points.

    Each triangle gets its share rounded down or up, and within triangles points follow a sequence
    that avoids clumps, so holes are much smaller than with independent random points.

    Args:
        verts: Corners.
        faces: Triangles.
        count: How many points.
        density: Multiplies the points per area of each triangle; 0 leaves it bare.
        seed: Of the little randomness there is.

    Raises:
        BadInputError: If no triangle has area and density.
    """
    a, b, c = verts.detach()[faces].unbind(1)
    mass = torch.linalg.cross(b - a, c - a).norm(dim=-1).double()
    if density is not None:
        mass = mass * density.double()
    if count < 1 or not float(mass.sum()) > 0 or float(mass.min()) < 0:
        raise BadInputError(
            f"{count} points cannot be spread over {len(faces)} triangles of this area and density."
        )
    generator = torch.Generator().manual_seed(seed)
    ends = mass.cumsum(0) / mass.sum() * count
    starts_at = torch.rand(1, generator=generator, dtype=torch.double)
    face = torch.searchsorted(ends, torch.arange(count) + starts_at).clamp(max=len(faces) - 1)
    return SurfacePoints(face, _spread_within(face, generator).float())


def _spread_within(face: Int[Tensor, " points"], generator: torch.Generator) -> Tensor:
    """Barycentrics of the points of each triangle: the R2 sequence (Roberts 2018), shifted per triangle."""
    first = torch.searchsorted(face, face)
    rank = (torch.arange(len(face)) - first).double()
    shift = torch.rand(2, int(face.max()) + 1, generator=generator, dtype=torch.double)[:, face]
    plastic = 1.32471795724474602596
    u, v = (shift[0] + rank / plastic) % 1, (shift[1] + rank / plastic**2) % 1
    fold = u + v > 1
    u, v = torch.where(fold, 1 - u, u), torch.where(fold, 1 - v, v)
    return torch.stack([1 - u - v, u, v], dim=1)


def interpolate_skin(
    points: SurfacePoints,
    faces: Int[Tensor, "faces 3"],
    skin_joints: Int[Tensor, "verts influences"],
    skin_weights: Float[Tensor, "verts influences"],
) -> tuple[Int[Tensor, "points 4"], Float[Tensor, "points 4"]]:
    """Joints and weights of surface points, mixed from the corners, reduced to the four strongest."""
    corners = faces[points.face]
    joints = skin_joints[corners].flatten(1)
    weights = (skin_weights[corners] * points.barycentric[..., None]).flatten(1)
    num_joints = max(int(skin_joints.max()) + 1, INFLUENCES)
    mixed = torch.zeros(len(points), num_joints).scatter_add_(1, joints, weights)
    weights, joints = mixed.topk(INFLUENCES, dim=1)
    return joints, weights / weights.sum(1, keepdim=True)


def tangent_frames(
    verts: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "faces 3 3"]:
    """Each triangle's own axes as columns: along its first edge, across, and outward; differentiable.

    A triangle without area gets some right-angled axes.
    """
    a, b, c = verts[faces].unbind(1)
    tangent = _unit(b - a, (1.0, 0.0, 0.0))
    normal = torch.linalg.cross(b - a, c - a)
    spare = torch.linalg.cross(tangent, tangent.roll(1, -1) + tangent.new_tensor([0.31, 0.17, 0.23]))
    normal = torch.where(normal.norm(dim=-1, keepdim=True) > 1e-14, normal, spare)
    normal = _unit(normal, (0.0, 0.0, 1.0))
    return torch.stack([tangent, torch.linalg.cross(normal, tangent), normal], dim=-1)


def _unit(vectors: Float[Tensor, "rows 3"], fallback: tuple[float, ...]) -> Float[Tensor, "rows 3"]:
    length = vectors.norm(dim=-1, keepdim=True)
    safe = vectors / length.clamp(min=1e-20)
    return torch.where(length > 1e-20, safe, vectors.new_tensor(fallback))


def vertex_neighbors(faces: Int[Tensor, "faces 3"], num_verts: int) -> csr_matrix:
    """Which vertices share an edge: a symmetric matrix of ones."""
    f = faces.numpy()
    rows = np.concatenate([f[:, 0], f[:, 1], f[:, 2]])
    columns = np.concatenate([f[:, 1], f[:, 2], f[:, 0]])
    one_way = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(num_verts, num_verts))
    matrix = csr_matrix(one_way + one_way.T)
    matrix.data[:] = 1.0
    return matrix


def face_neighbors(faces: Int[Tensor, "faces 3"]) -> Int[Tensor, "pairs 2"]:
    """Pairs of triangles that share an edge."""
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = torch.arange(len(faces)).repeat(3)
    key = ends.amin(1) * (int(faces.max()) + 1) + ends.amax(1)
    _, edge, count = key.unique(return_inverse=True, return_counts=True)
    order = edge.argsort(stable=True)
    shared = count[edge[order]] == 2
    return owner[order[shared]].reshape(-1, 2)


def uniform_laplacian(faces: Int[Tensor, "faces 3"], num_verts: int) -> csr_matrix:
    """Each vertex minus the mean of its neighbours; rows sum to 0, and are 0 for a vertex without any."""
    neighbors = vertex_neighbors(faces, num_verts)
    degree = np.asarray(neighbors.sum(1)).ravel()
    share = np.divide(1.0, degree, out=np.zeros(num_verts), where=degree > 0)
    return csr_matrix(diags_array((degree > 0).astype(float)) - diags_array(share) @ neighbors)


def cotangent_laplacian(
    verts: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> tuple[csr_matrix, np.ndarray]:
    """The stiffness matrix (symmetric, rows sum to 0, nothing negative about it) and the vertices' areas.

    The second divided into the first is the Laplace-Beltrami operator (Pinkall & Polthier 1993). Cotangents
    are cut at 0 (obtuse pairs of triangles would pull the wrong way), so diffusion never overshoots.
    """
    corners, f = verts.detach().double().numpy()[faces.numpy()], faces.numpy()
    n = len(verts)
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        u, v = corners[:, i] - corners[:, k], corners[:, j] - corners[:, k]
        area = np.linalg.norm(np.cross(u, v), axis=1)
        rows.append(f[:, i])
        columns.append(f[:, j])
        weights.append((u * v).sum(1) / np.maximum(area, 1e-14) / 2)
    half = coo_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n))
    links = csr_matrix(half + half.T)
    links.data = np.maximum(links.data, 0.0)
    stiffness = csr_matrix(diags_array(np.asarray(links.sum(1)).ravel()) - links)
    face_area = (
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    )
    return stiffness, np.bincount(f.ravel(), np.repeat(face_area / 3, 3), minlength=n)
