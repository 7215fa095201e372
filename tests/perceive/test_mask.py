"""From a coarse, soft mask to alpha."""

import numpy as np
import pytest
from scipy import ndimage
from tests.perceive.figures import overlap

from vivant.perceive.mask import cut_out

SIZE = 420.0


def nothing(shape: tuple[int, ...], scale: float) -> np.ndarray:
    return np.zeros(shape, bool)


def figure(height: int = 500, width: int = 320) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A person of ellipses before an uneven background: picture, true alpha, and what an engine would say.

    The engine's mask is blurred and closes the gap between the legs.
    """
    over = 3
    y, x = np.mgrid[: height * over, : width * over] / over
    body = np.hypot((x - 160) / 70, (y - 190) / 110) < 1
    body |= np.hypot(x - 160, y - 60) < 34
    for side in (-1, 1):
        body |= (np.abs(x - 160 - side * 34) < 26) & (y > 200) & (y < 460)
        body |= (np.abs(x - 160 - side * (60 + 0.25 * (y - 110))) < 15) & (y > 100) & (y < 290)
    alpha = body.reshape(height, over, width, over).mean((1, 3))
    y, x = np.mgrid[:height, :width]
    random = np.random.default_rng(0)
    rough = ndimage.gaussian_filter(random.normal(0, 1, (height, width)), 6)
    front = np.stack([0.6 + 0.3 * rough, 0.15 + 0.2 * rough, 0.2 + 0.0004 * y], -1)
    back = np.stack([0.35 + 0.3 * rough, 0.5 + 0.3 * rough, 0.45 + 0.0005 * x], -1)
    image = front * alpha[..., None] + back * (1 - alpha[..., None]) + random.normal(0, 0.01, front.shape)
    # In the gap it hesitates, as engines do.
    closed = 0.8 * ndimage.binary_closing(alpha > 0.5, iterations=12) + 0.2 * (alpha > 0.5)
    soft = ndimage.gaussian_filter(np.roll(closed, 3, axis=1), 7)
    return (image.clip(0, 1) * 255).astype(np.uint8), alpha, soft


def cut(pixels: np.ndarray, soft: np.ndarray, draw: object = nothing) -> np.ndarray:
    return cut_out(pixels, soft.astype(np.float32), SIZE, draw, np.zeros((0, 2), np.float32))


def test_colors_find_the_edge_that_the_engine_missed() -> None:
    pixels, alpha, soft = figure()
    cut_alpha = cut(pixels, soft)
    before, after = overlap(soft > 0.5, alpha > 0.5), overlap(cut_alpha > 0.5, alpha > 0.5)
    assert before < 0.93
    assert after > 0.985
    band = ndimage.binary_dilation((alpha > 0.02) & (alpha < 0.98), iterations=2)
    assert np.abs(cut_alpha - alpha)[band].mean() < 0.06


def test_the_gap_between_the_legs_is_opened() -> None:
    pixels, alpha, soft = figure()
    assert soft[380, 160] > 0.5 and alpha[380, 160] == 0
    assert cut(pixels, soft)[330:450, 157:163].max() < 0.1


def test_a_larger_picture_keeps_its_sharp_edge() -> None:
    pixels, alpha, soft = figure()
    large = pixels.repeat(3, 0).repeat(3, 1)
    smooth = ndimage.gaussian_filter(large.astype(np.float32), (1, 1, 0)).astype(np.uint8)
    truth = ndimage.gaussian_filter(alpha.repeat(3, 0).repeat(3, 1), 1)
    result = cut_out(smooth, soft.astype(np.float32), 3 * SIZE, nothing, np.zeros((0, 2), np.float32))
    assert result.shape == truth.shape and result.dtype == np.float32
    assert overlap(result > 0.5, truth > 0.5) > 0.985
    band = ndimage.binary_dilation((truth > 0.02) & (truth < 0.98), iterations=3)
    assert np.abs(result - truth)[band].mean() < 0.08


def test_bones_are_never_lost() -> None:
    pixels, _, soft = figure()
    # The engine forgot an arm, which has the background's colour, too.
    soft[90:300, 200:] = 0

    def arm(shape: tuple[int, ...], scale: float) -> np.ndarray:
        mask = np.zeros(shape, bool)
        for y in np.arange(120, 280, 0.5):
            x = 160 + 60 + 0.25 * (y - 110)
            mask[int(y * scale), int((x - 3) * scale) : int((x + 3) * scale)] = True
        return mask

    result = cut(pixels, soft, arm)
    assert result[arm(result.shape, 1.0)].min() == 1
    assert cut(pixels, soft)[arm(result.shape, 1.0)].mean() < 0.6


def test_crumbs_go_and_pieces_with_a_point_stay() -> None:
    pixels, _, soft = figure()
    for left in (20, 290):
        pixels[20:32, left : left + 12] = (150, 40, 60)
        soft[20:32, left : left + 12] = 0.999
    keep = np.array([[26.0, 26.0]], np.float32)
    result = cut_out(pixels, soft.astype(np.float32), SIZE, nothing, keep)
    assert result[24:28, 24:28].min() > 0.5
    assert result[24:28, 294:298].max() == 0


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_mask_that_says_nothing_is_borne(value: float) -> None:
    pixels, _, soft = figure(120, 80)
    result = cut(pixels, np.full_like(soft, value))
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1
