"""An avatar fitted to captures: what is measured, held out, kept, told and refused. Stand-ins look and pose."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.recipes.captures import NAMES, Rooms, cameras, true_avatar, write_studio

import vivant
from vivant.animate import pose_avatar
from vivant.core.errors import BadFileError, BadInputError, NoPersonError
from vivant.core.images import write_image
from vivant.core.progress import Advanced, Event, Noted
from vivant.core.run import Context, Run
from vivant.core.video import write_mp4
from vivant.recipes import capture, quick
from vivant.recipes.capture import CaptureConfig, Refit, refit_in
from vivant.reconstruct import AlignConfig, ReconstructConfig, ReconstructionCancelledError
from vivant.reconstruct.adam import Rates
from vivant.reconstruct.densify import DensifyConfig
from vivant.records import Avatar, Photo, Pose, Views
from vivant.splat import rasterize

QUICK = CaptureConfig(refit=ReconstructConfig(iterations=24, max_side=64, threads=1, rates=Rates(sh=0.25)))


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> Rooms:
    return Rooms(monkeypatch)


def fitted(
    capture: Path, config: CaptureConfig = QUICK, folder: Path | None = None
) -> tuple[Refit, list[str], Run]:
    events: list[Event] = []
    run = Run(folder, Context(listener=events.append))
    found = refit_in(run, fakes.avatar(), capture, config)
    return found, [event.text for event in events if isinstance(event, Noted)], run


def decibels(found: Refit, when: str, name: str) -> float:
    (value,) = (s.value for s in found.scores.per_view if s.name == f"PSNR {when}" and s.view == name)
    return value


def test_a_red_avatar_becomes_blue_as_the_pictures_are(rooms: Rooms, tmp_path: Path) -> None:
    found, notes, _ = fitted(write_studio(tmp_path / "studio"))
    assert found.names == NAMES
    for name in NAMES:
        assert decibels(found, "after", name) > decibels(found, "before", name) + 8
    assert "A note of the studio's." in notes
    assert float(found.avatar.trust[fakes.avatar().trust == 0].mean()) > 0.3
    origin = found.avatar.origin
    assert origin.recipe.endswith("+ capture") and origin.notes[-1] == "Fitted again to 4 pictures of studio."
    assert [score.name for score in found.scores.summary] == ["PSNR before, fitted", "PSNR after, fitted"]


def test_pictures_held_out_are_measured_and_tell_nothing(rooms: Rooms, tmp_path: Path) -> None:
    config = replace(QUICK, hold_out=("back.png",))
    found, _, _ = fitted(write_studio(tmp_path / "studio"), config)
    assert found.names == ("front.png", "left.png", "right.png", "back.png")
    assert rooms.told[2] == 0.0 and min(rooms.told[0], rooms.told[1], rooms.told[3]) > 0
    assert {s.name for s in found.scores.summary} >= {"PSNR after, fitted", "PSNR after, held out"}
    assert decibels(found, "after", "back.png") < decibels(found, "after", "front.png") - 2
    with pytest.raises(BadInputError, match=r"gone\.png"):
        fitted(tmp_path / "studio", replace(QUICK, hold_out=("gone.png",)))


def test_a_picture_that_does_not_fit_is_left_out_and_told(rooms: Rooms, tmp_path: Path) -> None:
    rooms.strays = (1,)
    found, notes, _ = fitted(write_studio(tmp_path / "studio"))
    assert found.names == ("front.png", "back.png", "right.png")
    assert any(note.startswith("left.png is left out") and "9.0 %" in note for note in notes)


def test_a_stopped_fit_goes_on_and_leaves_nothing_behind(rooms: Rooms, tmp_path: Path) -> None:
    studio, cache = write_studio(tmp_path / "studio"), tmp_path / "cache"
    whole, _, _ = fitted(studio)

    def stop(event: Event) -> None:
        if isinstance(event, Advanced) and event.note.startswith("loss"):
            raise KeyboardInterrupt

    with pytest.raises(ReconstructionCancelledError, match=r"unfinished-\w+\.safetensors keeps the state"):
        refit_in(Run(cache, Context(listener=stop)), fakes.avatar(), studio, QUICK)
    assert len(list(cache.glob("unfinished-*"))) == 1
    again, notes, _ = fitted(studio, folder=cache)
    assert any("goes on after step 10" in note for note in notes)
    assert torch.equal(again.avatar.splats.means, whole.avatar.splats.means)
    assert not list(cache.glob("unfinished-*"))


def test_splats_that_were_moved_about_are_not_taken_for_others(rooms: Rooms, tmp_path: Path) -> None:
    densify = DensifyConfig(mode="relocate", every=5, begin=0.0, end=1.0)
    config = replace(QUICK, refit=replace(QUICK.refit, densify=densify))
    _, notes, run = fitted(write_studio(tmp_path / "studio"), config)
    assert any(note.startswith("Splats were made or moved") for note in notes)
    assert "vouched" not in {timing.stage for timing in run.timings}


def test_a_second_run_looks_at_nothing_again(rooms: Rooms, tmp_path: Path) -> None:
    studio = write_studio(tmp_path / "studio")
    first, _, _ = fitted(studio, folder=tmp_path / "cache")
    assert len(rooms.looked) == 4
    second, _, run = fitted(studio, folder=tmp_path / "cache")
    assert len(rooms.looked) == 4
    assert {t.stage for t in run.timings if t.reused} == {"fit_studio", "reconstruct", "vouched"}
    assert torch.equal(first.avatar.splats.means, second.avatar.splats.means)


def test_of_many_pictures_some_are_taken_evenly(rooms: Rooms, tmp_path: Path) -> None:
    found, notes, _ = fitted(write_studio(tmp_path / "studio"), replace(QUICK, pictures=2))
    assert found.names == ("front.png", "back.png")
    assert any("Of 4 pictures 2" in note for note in notes)


def test_masks_stand_in_where_nobody_is_recognised_and_without_them_it_is_refused(
    rooms: Rooms, tmp_path: Path
) -> None:
    rooms.sees = False
    found, _, _ = fitted(write_studio(tmp_path / "studio"))
    assert rooms.told == [0.0] * 4 and len(found.names) == 4
    for name in NAMES:
        noise = torch.rand(64, 48, 3, generator=torch.Generator().manual_seed(0))
        write_image(noise, tmp_path / "studio" / name)
    with pytest.raises(NoPersonError, match="None of the 4 pictures"):
        fitted(tmp_path / "studio")


def test_of_several_people_the_largest_is_meant(rooms: Rooms, tmp_path: Path) -> None:
    rooms.crowd = True
    fitted(write_studio(tmp_path / "studio"))
    assert rooms.heights == pytest.approx([fakes.person().height_px] * 4)
    assert len(rooms.looked) == 8


def test_a_film_s_pictures_are_taken_evenly(rooms: Rooms, tmp_path: Path) -> None:
    shades = (torch.full((64, 48, 3), (i + 1) / 14) for i in range(12))
    write_mp4(shades, tmp_path / "walk.mp4", 10.0)
    found, notes, _ = fitted(tmp_path / "walk.mp4", replace(QUICK, film_pictures=3))
    assert found.names == tuple(f"walk.mp4 at {t} s" for t in (0.2, 0.6, 1.0))
    assert "A note of the film's." in notes
    with pytest.raises(BadInputError, match="--film-held-out"):
        fitted(tmp_path / "walk.mp4", replace(QUICK, hold_out=("a",)))
    (tmp_path / "no.mp4").write_bytes(b"no film")
    with pytest.raises(BadFileError, match=r"no\.mp4"):
        fitted(tmp_path / "no.mp4")


def filmed(path: Path, moments: int = 6) -> Path:
    """The blue avatar sways before one camera; the stand-in for posing says that it stands still."""
    pose, frames = fakes.body().pose, []
    for number in range(moments):
        moved = Pose(pose.local_quats, pose.root + torch.tensor([0.02 * (-1) ** number, 0.0, 0.0]))
        drawn = rasterize(pose_avatar(true_avatar(), moved), cameras()[0], background=torch.ones(3))
        frames.append(drawn.color[0, ..., :3].clamp(0, 1))
    write_mp4(frames, path, 10.0, crf=0)
    return path


def test_a_film_is_fitted_in_turns_splats_to_poses_and_poses_to_splats(rooms: Rooms, tmp_path: Path) -> None:
    rooms.cuts_white = True
    film = filmed(tmp_path / "sway.mp4")
    config = replace(QUICK, film_turns=2, align=AlignConfig(steps=12, max_side=64, threads=1))
    found, notes, run = fitted(film, config, tmp_path / "cache")
    stages = [timing.stage for timing in run.timings]
    assert [stages.count(name) for name in ("reconstruct", "align_poses", "vouched")] == [2, 3, 1]
    assert any("aligned" in note and "moved by" in note for note in notes)
    aside = found.views.poses.root[:, 0] - fakes.body().pose.root[0]
    assert bool((aside[0::2] > 0.008).all()) and bool((aside[1::2] < -0.008).all())
    stays = fitted(film, replace(config, align=replace(config.align, turns=1e-9, shifts=0.0)))[0]
    (gained, less) = (one.scores.summary[1].value for one in (found, stays))
    assert gained > less + 0.5
    # What was done is not done again.
    again = fitted(film, config, tmp_path / "cache")[2]
    kept = {timing.stage for timing in again.timings if timing.reused}
    assert kept >= {"reconstruct", "align_poses", "vouched"}
    assert not list((tmp_path / "cache").glob("unfinished-*"))


def test_pictures_of_a_film_that_are_held_out_are_posed_and_measured_only(
    rooms: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms.cuts_white = True
    film, counts = filmed(tmp_path / "sway.mp4"), []
    real = capture.reconstruct

    def reconstruct(context: Context, avatar: Avatar, views: Views, config: ReconstructConfig) -> Avatar:
        counts.append(len(views.images))
        return real(context, avatar, views, config)

    aligned: list[tuple[int, int]] = []
    real_align = capture.align_poses

    def align_poses(
        context: Context, avatar: Avatar, views: Views, config: AlignConfig, still: tuple[int, ...] = ()
    ) -> Pose:
        aligned.append((len(views.images), len(still)))
        return real_align(context, avatar, views, config, still)

    monkeypatch.setattr(capture, "reconstruct", reconstruct)
    monkeypatch.setattr(capture, "align_poses", align_poses)
    config = replace(QUICK, film_turns=1, film_pictures=4, film_held_out=2)
    found, _, _ = fitted(film, replace(config, align=AlignConfig(steps=8, max_side=64, threads=1)))
    assert counts == [4]
    # First those fitted to, alone; then the others, while those stay. Once after the turn, once for before.
    assert aligned == [(4, 0), (6, 4)] * 2
    assert len(found.names) == 6 and len(set(found.names)) == 6 and found.fitted == 4
    assert found.avatar.origin.notes[-1] == "Fitted again to 4 pictures of sway.mp4."
    assert sorted(found.names[:4]) == list(found.names[:4])
    told = {score.name: score.definition for score in found.scores.summary}
    assert "2 pictures (held out)" in told["PSNR after, held out"]
    # Their poses were found, too: to and fro like the others'.
    assert float(found.views.poses.root[4:, 0].diff().abs()) > 0.01


def test_at_most_half_of_a_film_is_held_out_and_that_is_told(rooms: Rooms, tmp_path: Path) -> None:
    rooms.cuts_white = True
    short = AlignConfig(steps=1, max_side=64, threads=1)
    config = replace(QUICK, film_turns=1, film_held_out=99, align=short)
    found, notes, _ = fitted(filmed(tmp_path / "sway.mp4"), config)
    assert (found.fitted, len(found.names)) == (3, 6)
    assert "The film has 6 pictures; 3 are held out, the others fitted to." in notes


def test_the_avatar_before_is_measured_in_poses_that_suit_it(rooms: Rooms, tmp_path: Path) -> None:
    rooms.cuts_white = True
    film = filmed(tmp_path / "sway.mp4")
    config = replace(QUICK, film_turns=1, align=AlignConfig(steps=12, max_side=64, threads=1))
    stays = replace(config, align=replace(config.align, turns=1e-9, shifts=0.0))
    outlines = [
        sum(s.value for s in fitted(film, one)[0].scores.per_view if s.name == "outline before")
        for one in (config, stays)
    ]
    assert outlines[0] > outlines[1] + 0.05


def test_one_of_several_people_in_the_photo_is_chosen_by_number(
    rooms: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def build(run: Run, recipe: str, photo: Photo, config: quick.Config) -> Avatar:
        asked.append(config.perceive.person)
        return fakes.avatar()

    monkeypatch.setattr(capture, "build_signed", build)
    write_image(torch.rand(64, 48, 3), tmp_path / "two.png")
    for number in (None, 2):
        capture.avatar_of(Run(None, Context()), tmp_path / "two.png", number)
    assert asked == [None, 2]


def test_six_lines_of_python_do_it(rooms: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_studio(tmp_path / "studio")
    vivant.save_avatar(fakes.avatar(), tmp_path / "photo.avatar")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vivant.recipes.capture.results_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("vivant.recipes.capture.CaptureConfig", lambda: QUICK)
    page = (Path(__file__).parents[2] / "docs" / "reconstruct.md").read_text()
    (example,) = [b.split("```")[0] for b in page.split("```python\n")[1:] if "vivant.refit" in b]
    exec(example, {})  # noqa: S102
    assert (tmp_path / "better.avatar").is_file()
