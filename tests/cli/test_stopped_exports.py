"""Ctrl-C while an avatar or a film is written: an old file stays whole, and nothing else is left."""

import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import fakes

from vivant.cli import animate
from vivant.export import texture
from vivant.records import save_avatar

Vivant = Callable[..., tuple[int, str, str]]

SMALL = ("--size", 48, 64, "--fps", 4, "--seconds", 1)


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Tests that run in the background of a shell are told to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def avatar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(texture, "AROUND", ((0.0, 2),))
    monkeypatch.setattr(texture, "PICTURE", 64)
    save_avatar(fakes.avatar(), tmp_path / "me.avatar")
    return tmp_path / "me.avatar"


def stopped(vivant: Vivant, avatar: Path, *words: Any) -> None:
    before = {path: path.read_bytes() for path in avatar.parent.rglob("*") if path.is_file()}
    code, _, err = vivant(*words)
    assert code == 130, err
    assert "Stopped" in err and "Traceback" not in err
    assert {path: path.read_bytes() for path in avatar.parent.rglob("*") if path.is_file()} == before
    assert not [path for path in avatar.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("kind", ["ply", "spz", "splat", "splats.glb", "glb", "html"])
def test_ctrl_c_at_the_last_moment_of_an_export_leaves_the_old_file(
    kind: str, vivant: Vivant, avatar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = avatar.parent / f"me.{kind}"
    file.write_bytes(b"old")
    complete = []

    def replace(part: Path, target: Path) -> None:
        complete.append(part.stat().st_size)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Path, "replace", replace)
    stopped(
        vivant,
        avatar,
        "export",
        avatar,
        file,
        "--motion",
        "wave",
        "--frame",
        0,
        "--fps",
        4,
        "--texture-size",
        16,
    )
    assert len(complete) == 1 and complete[0] > 3


@pytest.mark.parametrize("name", ["me.mp4", "me.webp", "me.gif", "me.png"])
@pytest.mark.parametrize("command", ["animate", "export"])
def test_ctrl_c_in_the_middle_of_a_film_leaves_the_old_one(
    name: str, command: str, vivant: Vivant, avatar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(frames: Iterable, *_: object) -> Iterator:
        for index, frame in enumerate(frames):
            if index == 2:
                signal.raise_signal(signal.SIGINT)
            yield frame

    film = avatar.parent / name
    old = film.with_suffix("") / "0000.png" if film.suffix == ".png" else film
    old.parent.mkdir(exist_ok=True)
    old.write_bytes(b"old")
    monkeypatch.setattr(animate, "counted", interrupted)
    stopped(vivant, avatar, command, avatar, *(["-o"] if command == "animate" else []), film, *SMALL)


def test_ctrl_c_amid_a_file_a_frame_leaves_no_folder(
    vivant: Vivant, avatar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vivant.export import splats

    write, written = splats.write_ply, []

    def write_two(*goods: Any, **options: Any) -> None:
        if len(written) == 2:
            signal.raise_signal(signal.SIGINT)
        written.append(write(*goods, **options))

    monkeypatch.setattr(splats, "write_ply", write_two)
    stopped(vivant, avatar, "export", avatar, avatar.parent / "many.ply", "--motion", "wave", "--fps", 4)
    assert len(written) == 2
    assert not (avatar.parent / "many").exists()
