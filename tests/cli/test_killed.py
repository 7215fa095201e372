"""Runs that are stopped in the middle, and started again."""

import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from tests.cli.stand_in import WAITING, begin

from vivant.records import load_avatar

MADE = ["me.avatar", "me.png", "me.preview.webp", "me.report.html"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


def finish(process: BaseProcess, patience: float) -> int:
    """Wait for the end, and give the exit code. A program that comes to none is killed."""
    process.join(patience)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
        pytest.fail("the program did not end")
    return code


def stop_in_the_middle(folder: Path, photo: Path, wait_at: str, how: int) -> tuple[int, str]:
    """Start, wait until it waits, send a signal. Gives the exit code and stderr."""
    (folder / "waits").unlink(missing_ok=True)
    process = begin(folder, wait_at, ["create", str(photo)])
    patience = time.monotonic() + 100
    while not (folder / "waits").exists():
        if process.exitcode is not None or time.monotonic() > patience:
            process.kill()
            pytest.fail(f"the program did not come to wait: {(folder / 'err').read_text()}")
        time.sleep(0.02)
    assert process.pid
    os.kill(process.pid, how)
    return finish(process, 60), (folder / "err").read_text()


def run_again(folder: Path, photo: Path) -> str:
    code = finish(begin(folder, "nowhere", ["create", str(photo)]), 120)
    assert code == 0, (folder / "err").read_text()
    return (folder / "out").read_text()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait_at", [moment for moment in WAITING if moment not in ("deaf", "half renamed")])
def test_a_run_that_is_stopped_says_so_and_leaves_nothing_half_written(
    wait_at: str, how: int, tmp_path: Path, photo: Path
) -> None:
    code, err = stop_in_the_middle(tmp_path, photo, wait_at, how)
    assert code == 130
    assert "Stopped" in err and "Traceback" not in err
    assert names(photo.parent) == ["me.png"]
    cache = tmp_path / "cache"
    assert not cache.exists() or not any(name.startswith(".") for name in names(cache))


def test_a_stop_that_a_library_swallows_ends_the_run_all_the_same(tmp_path: Path, photo: Path) -> None:
    code, err = stop_in_the_middle(tmp_path, photo, "deaf", signal.SIGINT)
    assert code == 130
    assert "Stopped" in err
    assert names(photo.parent) == ["me.png"]


def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path, photo: Path) -> None:
    code, _ = stop_in_the_middle(tmp_path, photo, "fit_body", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert names(photo.parent) == ["me.png"]
    assert "calls: fit_body lift refine_photo" in run_again(tmp_path, photo)
    assert names(photo.parent) == MADE


def test_a_run_that_is_killed_again_and_again_ends_right(tmp_path: Path, photo: Path) -> None:
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    run_again(undisturbed, photo)
    wanted = {path.name: path.read_bytes() for path in photo.parent.iterdir()}
    for name in set(MADE) - {photo.name}:
        (photo.parent / name).unlink()

    for moment in WAITING:
        assert stop_in_the_middle(tmp_path, photo, moment, signal.SIGKILL)[0] == -signal.SIGKILL
        whole = [name for name in names(photo.parent) if not name.startswith(".")]
        # The three files get their names one right after the other, the report first.
        assert whole == (["me.png", "me.report.html"] if moment == "half renamed" else ["me.png"]), moment
    run_again(tmp_path, photo)
    assert names(photo.parent) == MADE
    assert (photo.parent / "me.avatar").read_bytes() == wanted["me.avatar"]
    assert load_avatar(photo.parent / "me.avatar")
    assert not any(name.startswith(".") for name in names(tmp_path / "cache"))


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path, photo: Path) -> None:
    stop_in_the_middle(tmp_path, photo, "film_preview", signal.SIGKILL)
    assert any(name.startswith(".") for name in names(photo.parent))
    assert "calls:\n" in run_again(tmp_path, photo)
    assert names(photo.parent) == MADE
