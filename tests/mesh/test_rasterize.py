"""Triangles are drawn as rays would find them, whatever stands before, beside or behind the camera."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.mesh import MeshBuffers, interpolate, rasterize_mesh

NEAR = 0.01
SIZE = 24


def camera(focal: float = 20.0, orthographic: bool = False, width: int = SIZE, height: int = SIZE) -> Cameras:
    intrinsics = torch.tensor([[focal, 0, width / 2 + 0.3], [0, focal * 1.1, height / 2 - 0.2], [0, 0, 1.0]])
    return Cameras(torch.eye(4)[None], intrinsics[None], width, height, orthographic)


def cast_rays(verts: np.ndarray, faces: np.ndarray, cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """Depth and face of each pixel, by trying every triangle with a ray through the pixel's centre."""
    k = cameras.intrinsics[0].double().numpy()
    column, row = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    x, y = (column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1]
    zero, one = np.zeros_like(x), np.ones_like(x)
    starts = np.stack([x, y, zero] if cameras.orthographic else [zero, zero, zero], -1)
    ways = np.stack([zero, zero, one] if cameras.orthographic else [x, y, one], -1)
    depth, face = np.full(x.shape, np.inf), np.full(x.shape, -1)
    for number, (a, b, c) in enumerate(verts.astype(np.float64)[faces]):
        normal = np.cross(b - a, c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = ((a - starts) @ normal) / (ways @ normal)
        points = starts + z[..., None] * ways
        sides = [np.cross(q - p, points - p) @ normal for p, q in ((a, b), (b, c), (c, a))]
        inside = np.all([side >= 0 for side in sides], axis=0) & (z > NEAR) & (z < depth)
        depth[inside], face[inside] = z[inside], number
    return np.where(face >= 0, depth, 0), face


@given(st.integers(0, 10_000), st.integers(1, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_pixel_sees_what_a_ray_through_it_hits(seed: int, count: int, orthographic: bool) -> None:
    rng = np.random.default_rng(seed)
    # Centres from 1 m behind to 3 m before the camera: many triangles reach through the near plane.
    verts = (rng.normal(size=(count, 1, 3)) + [0, 0, 1] + rng.normal(size=(count, 3, 3))).reshape(-1, 3)
    verts = verts.astype(np.float32)
    faces = np.arange(3 * count).reshape(-1, 3)
    cameras = camera(orthographic=orthographic, focal=8.0 if orthographic else 20.0)
    depth, face = cast_rays(verts, faces, cameras)
    drawn = rasterize_mesh(torch.from_numpy(verts), torch.from_numpy(faces), cameras)
    # A pixel's centre may lie on an edge to within rounding; no more than one here.
    differ = drawn.face[0].numpy() != face
    assert differ.sum() <= 1
    np.testing.assert_allclose(drawn.depth[0].numpy()[~differ], depth[~differ], rtol=2e-5, atol=1e-6)


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.3, 1.0, 8.0]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_small_and_large_triangles_are_drawn_alike_in_all_tiles(
    seed: int, size: float, orthographic: bool
) -> None:
    rng = np.random.default_rng(seed)
    middles = rng.uniform([-1.5, -1.5, 1.5], [1.5, 1.5, 3.0], (25, 3))[:, None]
    verts = (middles + size * rng.normal(size=(25, 3, 3))).reshape(-1, 3).astype(np.float32)
    faces = np.arange(75).reshape(-1, 3)
    # Three tiles by two; those at the rims are narrow.
    cameras = camera(orthographic=orthographic, focal=40.0 if orthographic else 80.0, width=133, height=70)
    depth, face = cast_rays(verts, faces, cameras)
    drawn = rasterize_mesh(torch.from_numpy(verts), torch.from_numpy(faces), cameras)
    differ = drawn.face[0].numpy() != face
    assert differ.sum() <= 1
    np.testing.assert_allclose(drawn.depth[0].numpy()[~differ], depth[~differ], rtol=2e-5, atol=1e-6)


def test_a_point_is_the_barycentric_mean_of_its_corners_in_space() -> None:
    verts = torch.tensor([[-2.0, -1.5, 1.0], [3.0, -1.0, 6.0], [-0.5, 2.5, 3.0]])
    faces = torch.tensor([[0, 1, 2]])
    cameras = camera()
    drawn = rasterize_mesh(verts, faces, cameras)
    points = interpolate(drawn, faces, verts)[0]
    hit = drawn.face[0] >= 0
    row, column = hit.nonzero().unbind(1)
    k = cameras.intrinsics[0]
    assert hit.sum() > 50
    torch.testing.assert_close(points[hit][:, 2], drawn.depth[0][hit], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        points[hit][:, 0] / points[hit][:, 2] * k[0, 0] + k[0, 2], column + 0.5, rtol=0, atol=1e-4
    )
    torch.testing.assert_close(
        points[hit][:, 1] / points[hit][:, 2] * k[1, 1] + k[1, 2], row + 0.5, rtol=0, atol=1e-4
    )
    torch.testing.assert_close(drawn.barycentric[0][hit].sum(-1), torch.ones(int(hit.sum())))
    assert not drawn.barycentric[0][~hit].any()
    assert not drawn.depth[0][~hit].any()


def grid(cells: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A wavy sheet that fills the picture, without cracks of its own."""
    steps = torch.linspace(-3, 3, cells + 1)
    x, y = torch.meshgrid(steps, steps, indexing="xy")
    verts = torch.stack([x, y, 2 + 0.3 * torch.sin(3 * x + y)], -1).reshape(-1, 3)
    i = (torch.arange(cells)[:, None] * (cells + 1) + torch.arange(cells)).reshape(-1)
    faces = torch.cat(
        [torch.stack([i, i + 1, i + cells + 1], 1), torch.stack([i + 1, i + cells + 2, i + cells + 1], 1)]
    )
    return verts, faces


@pytest.mark.parametrize("orthographic", [False, True])
def test_neighbouring_triangles_leave_no_gaps(orthographic: bool) -> None:
    verts, faces = grid(37)
    drawn = rasterize_mesh(verts, faces, camera(orthographic=orthographic, width=200, height=150, focal=80.0))
    assert bool((drawn.face >= 0).all())


def test_the_number_of_threads_changes_nothing() -> None:
    verts, faces = grid(45)
    # Enough triangles that threads share them out, and each of them again at the same place.
    faces = torch.cat([faces, faces])
    views = orbit(torch.tensor([0.0, 0.0, 2.0]), [0.0, 60.0], extent=4.0, width=330, height=197)
    one, *others = (rasterize_mesh(verts, faces, views, threads=threads) for threads in (1, 2, 3, 7))
    for other in others:
        assert torch.equal(one.depth, other.depth)
        assert torch.equal(one.face, other.face)
        assert torch.equal(one.barycentric, other.barycentric)
    assert int(one.face.max()) < len(faces) // 2, "of equally near triangles the first is seen"


def test_views_come_in_the_order_of_the_cameras() -> None:
    verts, faces = grid(6)
    views = orbit(torch.zeros(3), [0.0, 40.0, 180.0], extent=4.0, width=40, height=40)
    together = rasterize_mesh(verts, faces, views)
    assert together.face.dtype == torch.int32
    for view in range(3):
        assert torch.equal(together.depth[view], rasterize_mesh(verts, faces, views[view]).depth[0])


def test_both_sides_are_drawn_and_the_nearer_wins() -> None:
    square = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    verts = torch.cat([square + torch.tensor([0, 0, 3.0]), square + torch.tensor([0, 0, 2.0])])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]])
    drawn = rasterize_mesh(verts, faces, camera())
    assert set(drawn.face.unique().tolist()) == {-1, 2, 3}
    seen = drawn.depth[drawn.face >= 0]
    assert torch.allclose(seen, torch.full_like(seen, 2.0))


def test_nothing_is_drawn_of_no_faces_or_of_what_lies_behind() -> None:
    verts = torch.tensor([[-1.0, -1, -2], [1, -1, -2], [0, 1, -2]])
    nothing = rasterize_mesh(verts, torch.zeros(0, 3, dtype=torch.long), camera())
    behind = rasterize_mesh(verts, torch.tensor([[0, 1, 2]]), camera())
    assert bool((nothing.face == -1).all())
    assert bool((behind.face == -1).all())
    assert not behind.depth.any()


def test_a_triangle_without_area_is_skipped() -> None:
    verts = torch.tensor([[-1.0, -1, 2], [1, 1, 2], [0, 0, 2]])
    assert bool((rasterize_mesh(verts, torch.tensor([[0, 1, 2], [0, 0, 0]]), camera()).face == -1).all())


def test_interpolation_has_the_gradient_of_its_weights() -> None:
    verts, faces = grid(3)
    drawn = rasterize_mesh(verts, faces, camera(width=9, height=7))
    drawn = MeshBuffers(drawn.depth.double(), drawn.face, drawn.barycentric.double())
    attribute = torch.randn(len(verts), 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: interpolate(drawn, faces, values), (attribute,))


def test_corners_that_are_not_numbers_are_refused() -> None:
    verts = torch.tensor([[0.0, 0, 1], [math.nan, 0, 1], [0, 1, 1]])
    with pytest.raises(BadInputError, match="verts_world.*1 corners"):
        rasterize_mesh(verts, torch.tensor([[0, 1, 2]]), camera())


def test_faces_that_name_missing_corners_are_refused() -> None:
    verts = torch.tensor([[0.0, 0, 1], [1, 0, 1], [0, 1, 1]])
    with pytest.raises(BadInputError, match="corners 0 to 3; there are 0 to 2"):
        rasterize_mesh(verts, torch.tensor([[0, 1, 3]]), camera())
