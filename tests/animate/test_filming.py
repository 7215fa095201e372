import pytest
import torch
from tests import fakes

from vivant.animate import Shot, builtin_motion, draw, picture, play, showreel, turntable
from vivant.core.errors import BadInputError

SMALL = Shot(width=60, height=80, background="transparent")


def bounds(alpha: torch.Tensor) -> tuple[float, float, float, float]:
    """Left, right, top, bottom of what is there, as parts of the picture."""
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    height, width = alpha.shape
    return (
        float(columns[0]) / width,
        float(columns[-1] + 1) / width,
        float(rows[0]) / height,
        float(rows[-1] + 1) / height,
    )


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 180.0, -45.0])
@pytest.mark.parametrize("size", [(60, 80), (120, 60), (40, 100)])
def test_the_whole_person_is_in_the_picture_and_fills_it(azimuth: float, size: tuple[int, int]) -> None:
    shot = Shot(*size, azimuth=azimuth, background="transparent")
    left, right, top, bottom = bounds(picture(fakes.avatar(), shot)[..., 3])
    assert left > 0 and top > 0 and right < 1 and bottom < 1
    assert max(bottom - top, right - left) > 0.75


def test_azimuth_90_shows_the_left_side() -> None:
    avatar = fakes.avatar()
    left_only = avatar.splats.means[:, 0] > 0
    painted = torch.where(left_only[:, None, None], torch.tensor(1.7), torch.tensor(-1.7)).expand(-1, 1, 3)
    from dataclasses import replace

    two_toned = replace(avatar, splats=replace(avatar.splats, sh=painted.contiguous()))
    for azimuth, bright in ((90.0, True), (270.0, False)):
        image = picture(two_toned, Shot(60, 80, azimuth=azimuth, background="transparent"))
        inside = image[..., 3] > 0.9
        assert (float(image[..., :3][inside].mean()) > 0.6) is bright


def test_the_face_fills_a_closeup() -> None:
    image = picture(fakes.avatar(), Shot(64, 64, closeup="face", background="transparent"))
    assert float(image[24:40, 24:40, 3].mean()) > 0.8
    assert float(image[..., 3].mean()) > 0.3


def test_a_drawing_is_premultiplied_and_a_picture_is_straight() -> None:
    drawn, shown = draw(fakes.avatar(), SMALL), picture(fakes.avatar(), SMALL)
    torch.testing.assert_close(drawn.alpha[0], shown[..., 3])
    edge = (shown[..., 3] > 0.1) & (shown[..., 3] < 0.7)
    assert int(edge.sum()) > 20
    red = shown[..., 0][edge]
    assert float((red - 0.8).abs().max()) < 0.02
    torch.testing.assert_close(drawn.color[0, ..., 0][edge], red * shown[..., 3][edge])


def test_a_studio_fills_the_picture_and_has_a_shadow_under_the_feet() -> None:
    image = picture(fakes.avatar(), Shot(60, 80, elevation=15.0))
    assert torch.equal(image[..., 3], torch.ones(80, 60))
    alone = picture(fakes.avatar(), Shot(60, 80, elevation=15.0, background="transparent"))
    empty = alone[..., 3] < 0.01
    floor = image[66:76, 15:45][empty[66:76, 15:45]][..., :3].min()
    wall = image[30:40][empty[30:40]][..., :3].min()
    assert float(floor) < float(wall) - 0.08


@pytest.mark.parametrize("background, level", [("white", 1.0), ("black", 0.0)])
def test_plain_backgrounds_are_plain(background: str, level: float) -> None:
    image = picture(fakes.avatar(), Shot(60, 80, background=background))  # type: ignore[arg-type]
    assert torch.equal(image[:40, :4, :3], torch.full((40, 4, 3), level))


def test_no_shadow_falls_upwards() -> None:
    seen_from_below = picture(fakes.avatar(), Shot(60, 80, elevation=-20.0))
    assert bool(torch.isfinite(seen_from_below).all())


def test_a_motion_gives_as_many_pictures_as_moments_from_one_camera() -> None:
    motion = builtin_motion("wave", fakes.rig(), fps=2.0)
    frames = list(play(fakes.avatar(), motion, SMALL))
    assert len(frames) == len(motion) == 8
    lowest = [bounds(frame[..., 3])[3] for frame in frames]
    # Feet stand; only the hand moves.
    assert max(lowest) - min(lowest) < 0.03
    assert float((frames[0] - frames[4]).abs().max()) > 0.3


def test_hands_raised_for_a_moment_stay_in_the_picture() -> None:
    motion = builtin_motion("range_of_motion", fakes.rig(), fps=3.0)
    for frame in play(fakes.avatar(), motion, SMALL):
        rim = torch.cat([frame[0], frame[-1], frame[:, 0], frame[:, -1]])[:, 3]
        assert float(rim.max()) < 0.5


def test_a_turntable_ends_where_it_began() -> None:
    frames = list(turntable(fakes.avatar(), 4, SMALL))
    assert len(frames) == 4
    assert float((frames[0] - frames[2]).abs().mean()) > 1e-3
    sizes = [bounds(frame[..., 3]) for frame in frames]
    assert all(left >= 0 and right <= 1 for left, right, _, _ in sizes)


def test_a_showreel_turns_and_then_moves_without_a_cut() -> None:
    motion = builtin_motion("wave", fakes.rig(), fps=10.0)
    frames = list(showreel(fakes.avatar(), motion, 24, SMALL))
    assert len(frames) == 24 + len(motion)
    changes = [float((a - b).abs().mean()) for a, b in zip(frames[:-1], frames[1:], strict=True)]
    assert changes[23] <= max(changes[:23])


@pytest.mark.parametrize("size", [(0, 80), (60, 9000)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadInputError, match="px"):
        Shot(*size)


def test_a_camera_cannot_stand_on_its_head() -> None:
    with pytest.raises(BadInputError, match="elevation of 90"):
        Shot(elevation=90.0)


def test_the_number_of_threads_changes_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    avatar = fakes.avatar()
    motion = builtin_motion("wave", avatar.rig, fps=2.0)
    films = []
    for threads in ("1", "3"):
        monkeypatch.setenv("VIVANT_THREADS", threads)
        films.append(torch.stack(list(showreel(avatar, motion, 4, SMALL))))
    assert len(films[0]) == 4 + len(motion) and torch.equal(*films)
