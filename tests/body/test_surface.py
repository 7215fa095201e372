"""Points spread evenly, frames stand at right angles, Laplacians do what they are for."""

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import spsolve

from vivant.body import (
    AnnyModel,
    cotangent_laplacian,
    face_neighbors,
    interpolate_skin,
    surface_points,
    tangent_frames,
    uniform_laplacian,
    vertex_neighbors,
)
from vivant.body.surface import SurfacePoints
from vivant.core.errors import BadInputError
from vivant.records import Rig


def grid(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A flat square of side 1 with n x n cells."""
    x, y = torch.meshgrid(torch.linspace(0, 1, n + 1), torch.linspace(0, 1, n + 1), indexing="ij")
    verts = torch.stack([x, y, torch.zeros_like(x)], -1).reshape(-1, 3)
    corner = (torch.arange(n)[:, None] * (n + 1) + torch.arange(n)).flatten()
    first = torch.stack([corner, corner + n + 1, corner + n + 2], 1)
    second = torch.stack([corner, corner + n + 2, corner + 1], 1)
    return verts, torch.cat([first, second])


def test_points_lie_on_the_surface_and_come_again_with_the_same_seed(rig: Rig) -> None:
    points = surface_points(rig.verts, rig.faces, 5000, seed=3)
    assert len(points) == 5000
    assert float(points.barycentric.min()) >= 0
    torch.testing.assert_close(points.barycentric.sum(1), torch.ones(5000))
    again = surface_points(rig.verts, rig.faces, 5000, seed=3)
    assert torch.equal(points.face, again.face) and torch.equal(points.barycentric, again.barycentric)
    other = surface_points(rig.verts, rig.faces, 5000, seed=4)
    assert not torch.equal(points.barycentric, other.barycentric)


def test_the_number_of_points_follows_area_times_density() -> None:
    verts, faces = grid(8)
    density = torch.ones(len(faces))
    left = verts[faces].mean(1)[:, 0] < 0.5
    density[left] = 3.0
    points = surface_points(verts, faces, 4000, density=density)
    assert float(left[points.face].float().mean()) == pytest.approx(0.75, abs=0.01)
    bare = surface_points(verts, faces, 1000, density=left.float())
    assert bool(left[bare.face].all())


def test_points_leave_smaller_holes_than_chance() -> None:
    verts, faces = grid(10)
    places = surface_points(verts, faces, 3000).interpolate(faces, verts)[:, :2]
    generator = torch.Generator().manual_seed(0)
    chance = torch.rand(3000, 2, generator=generator)
    asked = torch.rand(4000, 2, generator=generator) * 0.9 + 0.05
    hole = torch.cdist(asked, places).amin(1).max()
    assert float(hole) < 0.75 * float(torch.cdist(asked, chance).amin(1).max())


def test_nothing_can_be_spread_over_nothing() -> None:
    verts, faces = grid(2)
    with pytest.raises(BadInputError, match="cannot be spread"):
        surface_points(verts, faces, 10, density=torch.zeros(len(faces)))
    with pytest.raises(BadInputError, match="0 points"):
        surface_points(verts, faces, 0)


def test_skin_of_a_point_at_a_corner_is_that_corners(rig: Rig) -> None:
    faces = torch.arange(0, len(rig.faces), 501)
    corner = torch.tensor([[0.0, 1.0, 0.0]]).repeat(len(faces), 1)
    joints, weights = interpolate_skin(
        SurfacePoints(faces, corner), rig.faces, rig.skin_joints, rig.skin_weights
    )
    torch.testing.assert_close(weights.sum(1), torch.ones(len(faces)))
    vertex = rig.faces[faces, 1]
    dense = torch.zeros(len(faces), 104).scatter_add_(1, rig.skin_joints[vertex], rig.skin_weights[vertex])
    strongest, _ = dense.topk(4, dim=1)
    torch.testing.assert_close(dense.gather(1, joints), strongest)
    torch.testing.assert_close(weights, strongest / strongest.sum(1, keepdim=True))


def test_frames_are_right_handed_point_outward_and_survive_needles(rig: Rig, model: AnnyModel) -> None:
    frames = tangent_frames(rig.verts, rig.faces)
    torch.testing.assert_close(
        frames.transpose(1, 2) @ frames, torch.eye(3).expand_as(frames), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(torch.linalg.det(frames), torch.ones(len(frames)), atol=1e-4, rtol=0)
    crown = (rig.faces == rig.verts[:, 1].argmax()).any(1)
    assert bool((frames[crown][:, 1, 2] > 0.8).all())
    flat = tangent_frames(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))
    torch.testing.assert_close(flat[0].T @ flat[0], torch.eye(3), atol=1e-5, rtol=0)


def test_neighbors_are_those_of_a_grid() -> None:
    verts, faces = grid(2)
    neighbors = vertex_neighbors(faces, len(verts))
    assert sorted(neighbors[4].indices.tolist()) == [0, 1, 3, 5, 7, 8]
    assert (neighbors != neighbors.T).nnz == 0
    pairs = face_neighbors(faces)
    assert len(pairs) == 8
    for a, b in pairs.tolist():
        assert len(set(faces[a].tolist()) & set(faces[b].tolist())) == 2


def test_a_closed_mesh_has_three_neighbors_a_triangle(rig: Rig) -> None:
    pairs = face_neighbors(rig.faces)
    assert len(pairs) == len(rig.faces) * 3 // 2
    assert int(torch.bincount(pairs.flatten()).min()) == 3


def test_laplacians_vanish_on_constants_and_the_cotangent_one_on_planes() -> None:
    verts, faces = grid(6)
    uniform = uniform_laplacian(faces, len(verts) + 1)
    assert abs(uniform @ np.ones(len(verts) + 1)).max() < 1e-12
    assert uniform[len(verts)].nnz == 0 or abs(uniform[len(verts)]).max() == 0
    stiffness, areas = cotangent_laplacian(verts, faces)
    assert areas.sum() == pytest.approx(1.0)
    inner = ((verts[:, :2] > 0.01) & (verts[:, :2] < 0.99)).all(1).numpy()
    assert abs(stiffness @ verts[:, 0].double().numpy())[inner].max() < 1e-6
    assert np.linalg.eigvalsh(stiffness.toarray()).min() > -1e-9


def test_diffusion_between_two_held_sides_is_linear_in_between() -> None:
    verts, faces = grid(6)
    stiffness, _ = cotangent_laplacian(verts, faces)
    x = verts[:, 0].double().numpy()
    held = (x < 0.01) | (x > 0.99)
    known = np.where(x > 0.5, 1.0, 0.0)
    inner = ~held
    solved = spsolve(stiffness[inner][:, inner].tocsc(), -stiffness[inner][:, held] @ known[held])
    np.testing.assert_allclose(solved, x[inner], atol=1e-6)
