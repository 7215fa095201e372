"""Points are seen when nothing stands before them."""

import math

import pytest
import torch

from vivant.core.cameras import orbit
from vivant.core.errors import BadInputError
from vivant.mesh import point_visibility, rasterize_mesh, vertex_visibility


def sphere(rings: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    polar = torch.linspace(0, math.pi, rings)[:, None]
    around = torch.linspace(0, 2 * math.pi, 2 * rings + 1)[:-1]
    verts = torch.stack(
        [polar.sin() * around.sin(), polar.cos().expand(-1, 2 * rings), polar.sin() * around.cos()], -1
    ).reshape(-1, 3)
    i = torch.arange(rings - 1)[:, None] * 2 * rings
    j = torch.arange(2 * rings)
    k = (j + 1) % (2 * rings)
    corners = [i + j, i + 2 * rings + j, i + k, i + 2 * rings + k]
    a, b, c, d = (corner.reshape(-1) for corner in corners)
    return verts, torch.cat([torch.stack([a, b, c], 1), torch.stack([b, d, c], 1)])


def test_a_camera_sees_the_cap_of_a_sphere_that_faces_it() -> None:
    verts, faces = sphere()
    views = orbit(torch.zeros(3), [0.0, 90.0], extent=2.2, width=300, height=300)
    seen = vertex_visibility(verts, views, rasterize_mesh(verts, faces, views))
    for view, axis in ((0, 2), (1, 0)):
        # The horizon of a unit sphere lies where the cosine is one over the distance.
        horizon = 1 / float(views.centers_world[view].norm())
        assert bool(seen[view][verts[:, axis] > horizon + 0.05].all())
        assert not bool(seen[view][verts[:, axis] < horizon - 0.15].any())


def test_points_outside_the_picture_or_behind_the_camera_are_not_seen() -> None:
    verts, faces = sphere()
    views = orbit(torch.zeros(3), [0.0], extent=2.2, width=64, height=64)
    points = torch.tensor([[0.0, 0, 1.5], [50, 0, 0], [0, 0, 100], [0, 0, -5], [1.9, 1.9, -3]])
    seen = point_visibility(points, views, rasterize_mesh(verts, faces, views), tolerance=0.01)
    # Before the sphere; beside the picture; behind the camera; behind the sphere; past it against the sky.
    assert seen[0].tolist() == [True, False, False, False, True]


def test_tolerance_is_in_metres() -> None:
    verts, faces = sphere()
    views = orbit(torch.zeros(3), [0.0], extent=2.2, width=64, height=64)
    buffers = rasterize_mesh(verts, faces, views)
    under = torch.tensor([[0.0, 0, 0.9]])
    assert not bool(point_visibility(under, views, buffers, tolerance=0.05).any())
    assert bool(point_visibility(under, views, buffers, tolerance=0.15).all())


def test_cameras_and_buffers_must_match() -> None:
    verts, faces = sphere(8)
    views = orbit(torch.zeros(3), [0.0, 90.0], extent=2.2, width=16, height=16)
    buffers = rasterize_mesh(verts, faces, views[0])
    with pytest.raises(BadInputError, match="equal counts"):
        point_visibility(verts, views, buffers, tolerance=0.01)
