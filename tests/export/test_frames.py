import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from vivant.core.errors import BadInputError
from vivant.export import expect_film, write_frames


def frames(count: int = 3, alpha: float = 1.0) -> list[torch.Tensor]:
    made = []
    for i in range(count):
        frame = torch.full((20, 16, 4), i / max(count - 1, 1))
        frame[..., 3] = alpha
        made.append(frame)
    return made


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animations_hold_every_frame_and_never_end(suffix: str, tmp_path: Path) -> None:
    write_frames(iter(frames()), tmp_path / f"a{suffix}", 20.0)
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.n_frames == 3
        assert image.info["loop"] == 0
        assert image.info.get("duration", 50) == 50
        levels = []
        for index in range(3):
            image.seek(index)
            levels.append(image.convert("RGB").getpixel((8, 8))[0])
    assert levels == pytest.approx([0, 128, 255], abs=3)


def test_a_transparent_animation_stays_transparent(tmp_path: Path) -> None:
    write_frames(frames(alpha=0.0), tmp_path / "a.webp", 10.0)
    with Image.open(tmp_path / "a.webp") as image:
        assert image.convert("RGBA").getpixel((8, 8))[3] == 0


@pytest.mark.parametrize("name", ["film.png", "film"])
def test_png_makes_a_folder_of_numbered_pictures(name: str, tmp_path: Path) -> None:
    write_frames(frames(), tmp_path / name, 10.0)
    assert sorted(p.name for p in (tmp_path / "film").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    with Image.open(tmp_path / "film" / "0002.png") as image:
        assert image.getpixel((3, 3)) == (255, 255, 255)


def test_a_shorter_film_leaves_no_frames_of_the_longer_one(tmp_path: Path) -> None:
    write_frames(frames(3), tmp_path / "film.png", 10.0)
    write_frames(frames(2), tmp_path / "film.png", 10.0)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["0000.png", "0001.png", "film"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "letter.txt").write_text("dear")
    with pytest.raises(BadInputError, match=r"letter\.txt"):
        write_frames(frames(), tmp_path / "film.png", 10.0)
    assert (tmp_path / "film" / "letter.txt").read_text() == "dear"


def test_an_error_on_the_way_leaves_the_old_pictures(tmp_path: Path) -> None:
    write_frames(frames(2), tmp_path / "film.png", 10.0)

    def broken():
        yield frames()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_frames(broken(), tmp_path / "film.png", 10.0)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["0000.png", "0001.png", "film"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing tells whether a process runs")
def test_pictures_that_a_killed_run_left_are_swept_by_the_next(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getpid()):
        part = tmp_path / f".film.{process}.part"
        part.mkdir()
        (part / "0000.png").write_bytes(b"half")
    expect_film(tmp_path / "film.png")
    assert [path.name for path in tmp_path.iterdir()] == [f".film.{os.getpid()}.part"]


def test_another_suffix_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    def never():
        raise AssertionError("drawn")
        yield

    with pytest.raises(BadInputError, match=r"\.avi.*\.mp4"):
        write_frames(never(), tmp_path / "a.avi", 10.0)


@pytest.mark.parametrize("name", ["a.webp", "a.gif", "a.mp4"])
@pytest.mark.parametrize("fps", [0.0, -3.0, float("nan")])
def test_an_impossible_rate_is_refused(name: str, fps: float, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="frames a second"):
        write_frames(frames(), tmp_path / name, fps)
    assert not any(tmp_path.iterdir())


def test_no_frames_are_refused(tmp_path: Path) -> None:
    for name in ("a.webp", "a.png"):
        with pytest.raises(BadInputError, match="at least one frame"):
            write_frames([], tmp_path / name, 10.0)
    assert list(tmp_path.iterdir()) == []
