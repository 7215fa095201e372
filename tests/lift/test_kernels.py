"""Loops against their plain numpy and scipy twins."""

import numpy as np
import pytest
from scipy import ndimage

from vivant.lift import _kernels


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def test_bilinear_values_are_those_of_scipy_inside_and_beyond_the_border(random: np.random.Generator) -> None:
    picture = random.random((7, 9, 2))
    pixels = random.uniform(-3, 12, (200, 2))
    wanted = [
        ndimage.map_coordinates(picture[..., k], pixels.T[::-1] - 0.5, order=1, mode="nearest") for k in (0, 1)
    ]
    np.testing.assert_allclose(_kernels.sample(picture, pixels), np.stack(wanted, 1), atol=1e-12)


@pytest.mark.parametrize("radius", [1, 4])
def test_the_least_value_around_is_that_of_a_minimum_filter(random: np.random.Generator, radius: int) -> None:
    picture = random.random((11, 8))
    row, column = random.integers(0, 11, 50), random.integers(0, 8, 50)
    wanted = ndimage.minimum_filter(picture, 2 * radius + 1)[row, column]
    np.testing.assert_array_equal(_kernels.least_around(picture, row, column, radius), wanted)


def test_normals_are_sums_of_cross_products(random: np.random.Generator) -> None:
    verts, faces = random.random((12, 3)), random.integers(0, 12, (30, 3))
    a, b, c = verts[faces[:, 0]], verts[faces[:, 1]], verts[faces[:, 2]]
    sums = np.zeros_like(verts)
    np.add.at(sums, faces.ravel(), np.repeat(np.cross(b - a, c - a), 3, axis=0))
    wanted = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(_kernels.corner_normals(verts, faces), wanted, atol=1e-9)


def test_values_on_triangles_are_means_of_the_corners(random: np.random.Generator) -> None:
    values, faces = random.random((12, 4)), random.integers(0, 12, (30, 3))
    face, barycentric = random.integers(0, 30, 20), random.dirichlet((1, 1, 1), 20)
    wanted = np.einsum("pk,pkc->pc", barycentric, values[faces[face]])
    np.testing.assert_allclose(_kernels.interpolate(faces, face, barycentric, values), wanted, atol=1e-12)


def test_the_four_largest_are_named_in_order(random: np.random.Generator) -> None:
    values = random.random((40, 9))
    wanted = np.sort(np.argsort(-values, axis=1)[:, :4], axis=1)
    np.testing.assert_array_equal(_kernels.largest_four(values), wanted)


def test_a_dart_sticks_where_no_earlier_one_is_near(random: np.random.Generator) -> None:
    points, radius = random.random((300, 3)), random.uniform(0.02, 0.2, 300)
    kept: list[int] = []
    for i in range(300):
        away = np.linalg.norm(points[kept] - points[i], axis=1)
        if (away >= 0.5 * (radius[kept] + radius[i])).all():
            kept.append(i)
    found = np.flatnonzero(_kernels.throw_darts(points, radius, float(radius.max())))
    np.testing.assert_array_equal(found, kept)
