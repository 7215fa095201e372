"""The person's own colour comes back from a composite."""

import numpy as np
import pytest
from scipy import ndimage

from vivant.perceive.foreground import estimate_foreground


def composite(height: int = 160, width: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A dark person before a bright, uneven background: the picture, alpha, foreground, background."""
    y, x = np.mgrid[:height, :width]
    alpha = np.clip((0.32 * width - np.hypot(x - width / 2, 0.7 * (y - height / 2))) / 6 + 0.5, 0, 1)
    front = np.stack([0.25 + 0.1 * y / height, 0.1 + 0 * x, 0.3 - 0.1 * x / width], -1)
    back = np.stack([0.9 - 0.2 * x / width, 0.8 + 0.1 * y / height, 0.6 + 0 * x], -1)
    image = front * alpha[..., None] + back * (1 - alpha[..., None])
    return tuple(part.astype(np.float32) for part in (image, alpha, front, back))


def test_the_background_leaves_the_rim() -> None:
    image, alpha, front, _ = composite()
    foreground = estimate_foreground(image, alpha)
    rim = (alpha > 0.1) & (alpha < 0.95)
    assert np.abs(image - front)[rim].mean() > 0.2
    assert np.abs(foreground - front)[rim].mean() < 0.02


def test_the_inside_is_the_photo_itself() -> None:
    image, alpha, _, _ = composite()
    foreground = estimate_foreground(image, alpha)
    np.testing.assert_array_equal(foreground[alpha >= 0.995], image[alpha >= 0.995])


def test_colors_are_carried_on_beyond_the_mask() -> None:
    image, alpha, front, back = composite()
    foreground = estimate_foreground(image, alpha)
    near = (alpha == 0) & ndimage.binary_dilation(alpha > 0.01, iterations=5)
    assert np.abs(foreground - front)[near].mean() < 0.3 * np.abs(back - front)[near].mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (33, 5), (64, 64), (97, 131)])
def test_any_size_is_possible(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image, alpha = random.random((*shape, 3), np.float32), random.random(shape, np.float32)
    foreground = estimate_foreground(image, alpha)
    assert foreground.shape == image.shape and foreground.dtype == np.float32
    assert np.isfinite(foreground).all() and foreground.min() >= 0 and foreground.max() <= 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_that_is_empty_or_full_is_borne(value: float) -> None:
    image = np.random.default_rng(0).random((40, 30, 3), np.float32)
    foreground = estimate_foreground(image, np.full((40, 30), value, np.float32))
    assert np.isfinite(foreground).all()
    if value == 1:
        np.testing.assert_array_equal(foreground, image)
