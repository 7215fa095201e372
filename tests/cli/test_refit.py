"""`vivant refit`: three files or none, words for what went wrong. Stand-ins look and pose."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import fakes
from tests.recipes.captures import Rooms, write_studio

from vivant.core import store
from vivant.records import load_avatar, save_avatar

Vivant = Callable[..., tuple[int, str, str]]
FAST = ("--refit.iterations", "5", "--refit.max-side", "64", "--refit.threads", "1")


@pytest.fixture
def here(stages: fakes.Stages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with an avatar, a photo and a studio; nothing else is in it."""
    from vivant.evaluate import Section
    from vivant.recipes import deliver_capture

    Rooms(monkeypatch)
    monkeypatch.setattr(deliver_capture, "avatar_sections", lambda avatar: (Section("The avatar", "", ()),))
    work = tmp_path / "work"
    write_studio(work / "studio")
    save_avatar(fakes.avatar(), work / "me.avatar")
    return work


def test_three_files_and_their_decibels(here: Path, vivant: Vivant) -> None:
    code, out, err = vivant("refit", here / "me.avatar", here / "studio", "--timings", *FAST)
    assert code == 0, err
    assert "PSNR before, fitted:" in out and "PSNR after, fitted:" in out and "me.refit.avatar" in out
    assert {path.name for path in here.iterdir()} == {
        "studio", "me.avatar", "me.refit.avatar", "me.refit.jpg", "me.refit.report.html",
    }  # fmt: skip
    page = (here / "me.refit.report.html").read_text()
    assert "left.png" in page and "An avatar fitted to 4 real pictures." in page
    assert load_avatar(here / "me.refit.avatar").origin.recipe.endswith("+ capture")


def test_a_photo_becomes_an_avatar_first_and_counts_as_a_picture(
    here: Path, vivant: Vivant, photo: Path
) -> None:
    code, out, err = vivant("refit", photo, here / "studio", "-o", here / "out", "--json", *FAST)
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    measured = next(event for event in events if event["event"] == "Measured")
    assert {score["view"] for score in measured["scores"]} >= {"front.png", "the photo"}
    assert events[-1]["event"] == "Made" and len(events[-1]["files"]) == 3
    assert (here / "out" / "me.refit.avatar").is_file()


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (("gone.avatar", "studio"), 2, "does not exist"),
        (("me.avatar", "gone"), 2, "does not exist"),
        (("me.avatar", "empty"), 2, "no cameras file"),
        (("me.avatar", "studio", "-o", "me.avatar"), 5, "is a file"),
        (("me.avatar", "studio", "--pictures", "1"), 2, "pictures"),
        (("me.avatar", "studio", "--hold-out", "a.png"), 2, "a.png"),
    ],
)
def test_what_cannot_be_done_leaves_nothing(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    here: Path,
    vivant: Vivant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (here / "empty").mkdir()
    monkeypatch.chdir(here)
    before = sorted(path.name for path in here.rglob("*"))
    got, out, err = vivant("refit", *arguments, *FAST)
    assert got == code, err
    assert said in err and "Traceback" not in err and "bug" not in err
    assert out == "" and sorted(path.name for path in here.rglob("*")) == before


def test_an_error_while_writing_leaves_nothing(
    here: Path, vivant: Vivant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*goods: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save_file", full)
    code, _, err = vivant("refit", here / "me.avatar", here / "studio", "--fresh", *FAST)
    assert code == 5 and "Free some room" in err
    assert {path.name for path in here.iterdir()} == {"studio", "me.avatar"}
