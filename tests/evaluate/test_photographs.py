import math
from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.evaluate import flicker, photograph_rows
from vivant.records import Rendering
from vivant.splat import rasterize


def rendering_of(color: torch.Tensor, alpha: torch.Tensor) -> Rendering:
    return Rendering((color * alpha[..., None])[None], alpha[None], 0 * alpha[None], 0 * color[None])


@pytest.fixture(scope="module")
def cameras() -> Cameras:
    return orbit(torch.tensor([0.0, 0.85, 0.0]), [45.0 * i for i in range(8)], extent=2.0, width=64, height=64)


@pytest.fixture(scope="module")
def turn(cameras: Cameras) -> Rendering:
    """A turn round red splats: any view shows the same colour."""
    return rasterize(fakes.avatar().splats, cameras)


def wall(shift_px: float, step: float = 0.0) -> tuple[Rendering, Cameras]:
    """Two views of a painted wall 2 m away; the second camera stands beside the first."""
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = -shift_px * 2.0 / 50.0
    intrinsics = torch.tensor([[50.0, 0, 32], [0, 50.0, 32], [0, 0, 1]]).repeat(2, 1, 1)
    columns = torch.arange(64) + 0.5
    ramps = torch.stack([columns, columns + shift_px + step]) / 80
    color = ramps[:, None, :, None].expand(2, 64, 64, 3).contiguous()
    planes = (color, torch.ones(2, 64, 64), torch.full((2, 64, 64), 2.0), torch.zeros(2, 64, 64, 3))
    return Rendering(*planes), Cameras(poses, intrinsics, 64, 64)


def test_a_wall_that_only_shifts_does_not_flicker() -> None:
    assert flicker(*wall(6.0)) == pytest.approx(0, abs=1e-5)


def test_a_wall_that_changes_flickers_by_the_square_of_the_change() -> None:
    # Every value differs by 4 / 80.
    assert flicker(*wall(6.0, step=4.0)) == pytest.approx(1e3 * (4 / 80) ** 2, rel=1e-3)


def test_an_avatar_of_one_colour_flickers_less_than_one_that_changes(turn: Rendering, cameras: Cameras) -> None:
    still = flicker(turn, cameras)
    color = turn.color.clone()
    color[::2] *= 0.7
    assert flicker(replace(turn, color=color), cameras) > still + 5


def test_what_nobody_sees_twice_gives_no_number(turn: Rendering, cameras: Cameras) -> None:
    assert math.isnan(flicker(replace(turn, alpha=0 * turn.alpha), cameras))
    with pytest.raises(BadInputError, match="two views or more"):
        flicker(turn, cameras[:1])


def test_an_avatar_that_is_the_photo_scores_best_and_a_shifted_one_worse(
    turn: Rendering, cameras: Cameras
) -> None:
    person = fakes.person()
    found = []
    for shift in (0, 9):
        drawn = rendering_of(person.foreground.roll(shift, 1), person.alpha.roll(shift, 1))
        rows = photograph_rows("me.jpg", person, drawn, turn, cameras, 1.5)
        assert {(row.person, row.region, row.aligned) for row in rows} == {("me.jpg", "photo", False)}
        found.append({row.metric: row.value for row in rows})
    assert found[0]["photo_psnr"] == 99
    assert found[0]["photo_iou"] == 1
    assert found[0]["reprojection"] == 1.5
    assert found[1]["photo_iou"] < 0.8
    assert found[1]["photo_psnr"] < 20


def test_a_rendering_of_another_size_is_refused(turn: Rendering, cameras: Cameras) -> None:
    person = fakes.person()
    drawn = rendering_of(person.foreground[:50], person.alpha[:50])
    with pytest.raises(BadInputError, match="50"):
        photograph_rows("me.jpg", person, drawn, turn, cameras, 1.5)
