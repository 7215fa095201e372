"""Crops and quarter turns know their way back to the photo."""

import math

import numpy as np
import pytest
import torch

from vivant.engines.jobs import Region
from vivant.perceive.framing import Turn, frame_box, frame_whole


def move(matrix: torch.Tensor, x: float, y: float) -> tuple[float, float]:
    point = matrix @ torch.tensor([float(x), float(y), 1.0])
    return float(point[0]), float(point[1])


def test_a_crop_stays_inside_the_photo_and_is_never_enlarged() -> None:
    frame = frame_box((90.0, -20.0, 130.0, 60.0), (120, 100), 1000, margin=0.1)
    assert frame.scale == 1
    assert frame.box == (82.0, 0.0, 120.0, 68.0)


def test_a_large_person_is_reduced_to_the_extent_asked_for() -> None:
    frame = frame_box((300.0, 400.0, 1100.0, 2800.0), (3000, 4000), 1200, margin=0.1)
    assert frame.scale == 2.0
    assert (frame.width, frame.height) == (640, 1440)
    left, top, right, bottom = frame.box
    assert right <= 3000 and bottom <= 4000


def test_points_of_a_crop_lie_where_the_photo_has_them() -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[236:244, 156:164] = 255
    frame = frame_box((60.0, 120.0, 360.0, 380.0), (600, 400), 150)
    crop = frame.cut(pixels)
    assert crop.shape == (frame.height, frame.width, 3)
    rows, columns = np.nonzero(crop[..., 0] > 127)
    x, y = move(frame.whole_from_crop, columns.mean() + 0.5, rows.mean() + 0.5)
    assert (x, y) == pytest.approx((160, 240), abs=0.6)


def test_a_region_goes_to_a_crop_and_back() -> None:
    frame = frame_box((60.0, 120.0, 360.0, 380.0), (600, 400), 150)
    region = Region((200.0, 250.0), 120.0, 0.3)
    back = frame.whole_region(frame.crop_region(region))
    assert back.center == pytest.approx(region.center)
    assert (back.side, back.angle) == pytest.approx((120.0, 0.3))


def test_a_mask_of_another_resolution_is_cut_at_its_place() -> None:
    mask = np.zeros((40, 60), bool)
    mask[20:30, 10:20] = True
    frame = frame_box((100.0, 200.0, 200.0, 300.0), (600, 400), 100)
    assert frame.cut_mask(mask, (600, 400)).all()
    assert not frame_whole((600, 400), 60).cut_mask(mask, (600, 400))[:, 30:].any()


@pytest.mark.parametrize("quarters", range(4))
def test_a_turned_picture_knows_its_way_back(quarters: int) -> None:
    pixels = np.zeros((30, 50), np.uint8)
    pixels[7, 41] = 255
    turn = Turn(quarters, 50, 30)
    (row,), (column,) = np.nonzero(turn.turn(pixels))
    assert move(turn.photo_from_turned, column + 0.5, row + 0.5) == (41.5, 7.5)
    region = turn.turn_region(Region((41.5, 7.5), 10.0, quarters * math.pi / 2))
    assert region.center == pytest.approx((column + 0.5, row + 0.5), abs=1e-4)
    assert region.angle == pytest.approx(0)
