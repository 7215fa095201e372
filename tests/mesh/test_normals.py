"""Normals point outwards and are unit, or 0 where there is no surface."""

import torch

from vivant.mesh import face_normals, vertex_normals


def test_a_counter_clockwise_triangle_looks_at_its_viewer() -> None:
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 1]])
    assert face_normals(verts, faces).tolist() == [[0, 0, 1], [0, 0, -1]]


def test_corners_take_the_mean_of_their_triangles_by_area() -> None:
    # Two squares at a right angle along one edge; the second twice as long.
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 2], [0, 1, 2]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 5], [0, 5, 4]])
    normals = vertex_normals(verts, faces)
    torch.testing.assert_close(normals[1], torch.tensor([0.0, 0, 1]))
    torch.testing.assert_close(normals[4], torch.tensor([1.0, 0, 0]))
    # Corner 0 touches both triangles of both squares: areas 1 and 2.
    torch.testing.assert_close(normals[0], torch.tensor([2.0, 0, 1]) / 5**0.5)


def test_a_corner_without_surface_has_normal_zero() -> None:
    verts = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]])
    normals = vertex_normals(verts, torch.tensor([[0, 1, 2]]))
    assert not normals.any()


def test_normals_of_a_smooth_surface_have_right_gradients() -> None:
    verts = torch.randn(
        5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True
    )
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 4], [1, 2, 4]])
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), (verts,))
