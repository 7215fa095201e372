"""Closed-form matting against composites of known alpha, and against its own definition."""

import numpy as np
import pytest
from scipy import ndimage

from vivant.perceive.matting import solve_alpha


def known(alpha: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Where alpha is unknown, and a first guess that hides it there."""
    body = alpha > 0.5
    edge = ndimage.binary_dilation(body ^ ndimage.binary_erosion(body), iterations=radius)
    unknown = edge | ((alpha > 0.01) & (alpha < 0.99))
    return unknown, np.where(unknown, 0.5, alpha)


@pytest.fixture
def hair() -> tuple[np.ndarray, np.ndarray]:
    """A soft blob with strands before a gradient; the picture and its true alpha."""
    y, x = np.mgrid[:120, :120]
    alpha = np.clip((34 - np.hypot(x - 60, y - 70)) / 3, 0, 1)
    for strand in range(9):
        along = 60 + 3.5 * (strand - 4) + 3 * np.sin(y / 9 + strand)
        alpha = np.maximum(alpha, np.clip(1.3 - np.abs(x - along), 0, 1) * (y > 20) * (y < 60))
    front = np.stack([0.35 + 0 * x, 0.2 + 0.0005 * y, 0.12 + 0 * x], -1)
    back = np.stack([0.5 + 0.002 * x, 0.7 - 0.001 * y, 0.9 + 0 * x], -1)
    return front * alpha[..., None] + back * (1 - alpha[..., None]), alpha


def test_soft_edges_and_strands_come_back(hair: tuple[np.ndarray, np.ndarray]) -> None:
    image, alpha = hair
    unknown, guess = known(alpha, 4)
    solved = solve_alpha(image, guess, unknown, 0 * alpha, smoothness=1e-7, tolerance=1e-6)
    assert np.abs(solved - alpha)[unknown].mean() < 0.01
    assert np.abs(solved - alpha).max() < 0.15
    np.testing.assert_array_equal(solved[~unknown], guess[~unknown])


def test_noise_is_borne(hair: tuple[np.ndarray, np.ndarray]) -> None:
    image, alpha = hair
    noisy = image + np.random.default_rng(0).normal(0, 0.008, image.shape)
    unknown, guess = known(alpha, 4)
    solved = solve_alpha(noisy, guess, unknown, 0 * alpha, smoothness=1e-5, tolerance=1e-5)
    assert np.abs(solved - alpha)[unknown].mean() < 0.04


def test_it_solves_what_the_paper_defines() -> None:
    """A dense Laplacian, window by window, in plain loops."""
    random = np.random.default_rng(0)
    image, height, width = random.random((7, 8, 3)), 7, 8
    alpha = random.random((7, 8))
    unknown = np.zeros((7, 8), bool)
    unknown[2:6, 1:7] = True
    smoothness = 1e-3
    dense = np.zeros((56, 56))
    for row in range(1, height - 1):
        for column in range(1, width - 1):
            pixels = [(row + dy) * width + column + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            colors = image.reshape(-1, 3)[pixels]
            apart = colors - colors.mean(0)
            inverse = np.linalg.inv(apart.T @ apart / 9 + smoothness / 9 * np.eye(3))
            for a in range(9):
                for b in range(9):
                    affinity = (1 + apart[a] @ inverse @ apart[b]) / 9
                    dense[pixels[a], pixels[b]] += (a == b) - affinity
    weight = np.full((7, 8), 0.02)
    inside, flat = unknown.ravel(), alpha.ravel()
    left = dense[np.ix_(inside, inside)] + np.diag(weight.ravel()[inside] + 1e-6)
    right = (weight.ravel()[inside] + 1e-6) * flat[inside] - dense[np.ix_(inside, ~inside)] @ flat[~inside]
    wanted = np.linalg.solve(left, right).clip(0, 1)
    solved = solve_alpha(image, alpha, unknown, weight, smoothness=smoothness, tolerance=1e-10, max_steps=2000)
    np.testing.assert_allclose(solved[unknown], wanted, atol=1e-6)


def test_unknown_pixels_at_the_pictures_rim_are_solved(hair: tuple[np.ndarray, np.ndarray]) -> None:
    image, alpha = hair[0][60:, 40:], hair[1][60:, 40:]
    unknown, guess = known(alpha, 3)
    unknown[0] = unknown[:, 0] = True
    guess = np.where(unknown, 0.5, alpha)
    solved = solve_alpha(image, guess, unknown, 0 * alpha, smoothness=1e-7, tolerance=1e-6)
    assert np.abs(solved - alpha)[unknown].mean() < 0.02


def test_where_nothing_is_unknown_nothing_changes() -> None:
    alpha = np.eye(9)
    solved = solve_alpha(np.ones((9, 9, 3)), alpha, alpha > 2, alpha, smoothness=1e-5, tolerance=1e-4)
    np.testing.assert_array_equal(solved, alpha)
