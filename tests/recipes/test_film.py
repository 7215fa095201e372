"""A film drives an avatar: what is done once, told, kept and refused. Stand-ins look at the pictures."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.animate import builtin_motion
from vivant.core.errors import BadFileError, NoPersonError
from vivant.core.progress import Advanced, Event, Noted
from vivant.core.run import Context, Run
from vivant.core.video import write_mp4
from vivant.fit import FilmFitConfig
from vivant.perceive import PerceiveConfig
from vivant.recipes import film
from vivant.recipes.film import FilmConfig, motion_from_film
from vivant.records import Acted, Footage, Sightings

FRAMES, FPS = 9, 10.0


class Killed(Exception):
    """What stops a run in these tests."""


class Lookers:
    """Stand-ins for the two rooms; they count their work, and one dies when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.watched: list[int] = []
        self.fitted: list[Sightings] = []
        self.dies_at = 99
        self.sees = True

        def watch(context: Context, footage: Footage, config: PerceiveConfig) -> Sightings:
            if len(self.watched) == self.dies_at:
                raise Killed
            frames = len(footage.images)
            self.watched.append(frames)
            context.advance(1.0)
            context.note("A note of the looker's.")
            brightness = footage.images.float().mean(dim=(1, 2, 3)) / 255
            keypoints = brightness[:, None, None].expand(frames, 33, 2).contiguous()
            hands = torch.zeros(frames, 2, 21, 3)
            return Sightings(
                torch.full((frames,), self.sees), keypoints, torch.zeros(frames, 33, 3), torch.ones(frames, 33),
                torch.ones(frames, 33), hands[..., :2].contiguous(), hands, hands[:, :, 0, 0].contiguous(),
                footage.images.shape[2], footage.images.shape[1], footage.fps,
            )  # fmt: skip

        def fit_film(context: Context, sightings: Sightings, config: FilmFitConfig) -> Acted:
            self.fitted.append(sightings)
            motion = builtin_motion("wave", fakes.rig(), fps=sightings.fps).cut(len(sightings))
            return Acted(fakes.rig(), replace(motion, loops=False), ("A note of the fitter's.",))

        monkeypatch.setattr(film, "CHUNK", 4)
        monkeypatch.setattr(film, "watch", watch)
        self.real_fit_film = film.fit_film
        monkeypatch.setattr(film, "fit_film", fit_film)


@pytest.fixture
def lookers(monkeypatch: pytest.MonkeyPatch) -> Lookers:
    return Lookers(monkeypatch)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine pictures that grow brighter."""
    path = tmp_path_factory.mktemp("film") / "dance.mp4"
    write_mp4((torch.full((32, 24, 3), (i + 1) / 10) for i in range(FRAMES)), path, FPS)
    return path


def listening(folder: Path | None) -> tuple[Run, list[Event]]:
    events: list[Event] = []
    return Run(folder, Context(listener=events.append)), events


def test_all_pictures_are_looked_at_in_order_and_a_motion_comes_out(lookers: Lookers, footage: Path) -> None:
    run, events = listening(None)
    motion = motion_from_film(run, footage, fakes.rig(), FilmConfig(fps=FPS))
    assert lookers.watched == [4, 4, 1]
    seen = lookers.fitted[0]
    assert seen.keypoints[:, 0, 0].tolist() == pytest.approx([(i + 1) / 10 for i in range(FRAMES)], abs=0.03)
    assert (motion.name, motion.fps) == ("dance", 30.0)
    assert len(motion) / motion.fps == pytest.approx(FRAMES / FPS, abs=0.15)
    notes = [event.text for event in events if isinstance(event, Noted)]
    assert "A note of the fitter's." in notes
    assert any("9 pictures" in note and "s a picture" in note for note in notes)


def test_progress_only_grows_and_reaches_the_end(lookers: Lookers, footage: Path) -> None:
    run, events = listening(None)
    motion_from_film(run, footage, fakes.rig(), FilmConfig(fps=FPS))
    told = [e.fraction for e in events if isinstance(e, Advanced) and e.stage == "watch_film"]
    assert told == sorted(told)
    assert told[0] == pytest.approx(4 / 9) and told[-1] == 1.0


def test_a_killed_run_does_not_do_again_what_was_kept(lookers: Lookers, footage: Path, tmp_path: Path) -> None:
    lookers.dies_at = 2
    with pytest.raises(Killed):
        motion_from_film(listening(tmp_path)[0], footage, fakes.rig(), FilmConfig(fps=FPS))
    assert lookers.watched == [4, 4]
    lookers.watched, lookers.dies_at = [], 99
    run, events = listening(tmp_path)
    resumed = motion_from_film(run, footage, fakes.rig(), FilmConfig(fps=FPS))
    assert lookers.watched == [1]
    assert any("8 of them kept from before" in e.text for e in events if isinstance(e, Noted))
    lookers.watched = []
    again = motion_from_film(listening(tmp_path)[0], footage, fakes.rig(), FilmConfig(fps=FPS))
    assert lookers.watched == [] and len(lookers.fitted) == 1
    assert torch.equal(resumed.pose.local_quats, again.pose.local_quats)


def test_other_settings_are_not_taken_from_what_was_kept(
    lookers: Lookers, footage: Path, tmp_path: Path
) -> None:
    for fps in (FPS, FPS / 2):
        motion_from_film(listening(tmp_path)[0], footage, fakes.rig(), FilmConfig(fps=fps))
    assert sum(lookers.watched) == pytest.approx(FRAMES + FRAMES / 2, abs=1)


def test_a_long_film_is_cut_and_that_is_told(lookers: Lookers, footage: Path) -> None:
    run, events = listening(None)
    motion_from_film(run, footage, fakes.rig(), FilmConfig(fps=FPS, max_frames=6))
    assert sum(lookers.watched) == 6
    assert any("first 6 pictures" in e.text for e in events if isinstance(e, Noted))


def test_a_film_without_a_person_is_refused(
    lookers: Lookers, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "fit_film", lookers.real_fit_film)
    lookers.sees = False
    with pytest.raises(NoPersonError, match="0 of the film's 9 pictures"):
        motion_from_film(listening(None)[0], footage, fakes.rig(), FilmConfig(fps=FPS))


@pytest.mark.parametrize("content", [b"", b"no film at all", b"\0\0\0\x18ftypmp42" + b"\0" * 500])
def test_what_is_no_film_is_refused(lookers: Lookers, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadFileError, match=r"a\.mp4"):
        motion_from_film(listening(None)[0], tmp_path / "a.mp4", fakes.rig(), FilmConfig())
    with pytest.raises(BadFileError, match="does not exist"):
        motion_from_film(listening(None)[0], tmp_path / "b.mp4", fakes.rig(), FilmConfig())
    assert lookers.watched == []
