"""Runs that are stopped in the middle, and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE = ["me.avatar", "me.png", "me.preview.webp", "me.report.html"]


def start(tmp_path: Path, photo: Path, wait_at: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.cli.stand_in", tmp_path / "cache", wait_at, tmp_path / "waits"]
    return subprocess.Popen(
        [*map(str, command), "create", str(photo)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process: subprocess.Popen, patience: float) -> tuple[str, str]:
    """Wait for the end. A program that comes to none is killed, so that it cannot disturb other tests."""
    try:
        return process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"the program did not end: {process.communicate()[1]}")


def stop_in_the_middle(tmp_path: Path, photo: Path, wait_at: str, how: int) -> tuple[int, str]:
    """Start, wait until it waits, send a signal. Gives the exit code and stderr."""
    process = start(tmp_path, photo, wait_at)
    patience = time.monotonic() + 100
    while not (tmp_path / "waits").exists():
        if process.poll() is not None or time.monotonic() > patience:
            process.kill()
            pytest.fail(f"the program did not come to wait: {process.communicate()[1]}")
        time.sleep(0.05)
    os.kill(process.pid, how)
    _, err = finish(process, 60)
    return process.returncode, err


def run_again(tmp_path: Path, photo: Path) -> str:
    process = start(tmp_path, photo, "nowhere")
    out, err = finish(process, 120)
    assert process.returncode == 0, err
    return out


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_so_and_leaves_nothing_half_written(
    how: int, tmp_path: Path, photo: Path
) -> None:
    code, err = stop_in_the_middle(tmp_path, photo, "film_preview", how)
    assert code == 130
    assert "Stopped" in err and "Traceback" not in err
    assert names(photo.parent) == ["me.png"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_stop_that_a_library_swallows_ends_the_run_all_the_same(tmp_path: Path, photo: Path) -> None:
    code, err = stop_in_the_middle(tmp_path, photo, "deaf", signal.SIGINT)
    assert code == 130
    assert "Stopped" in err
    assert names(photo.parent) == ["me.png"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_was_killed_goes_on_where_it_was(tmp_path: Path, photo: Path) -> None:
    code, _ = stop_in_the_middle(tmp_path, photo, "fit_body", signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert names(photo.parent) == ["me.png"]
    assert "calls: fit_body lift refine_photo" in run_again(tmp_path, photo)
    assert names(photo.parent) == MADE


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path, photo: Path) -> None:
    stop_in_the_middle(tmp_path, photo, "film_preview", signal.SIGKILL)
    assert any(name.startswith(".") for name in names(photo.parent))
    assert "calls:\n" in run_again(tmp_path, photo)
    assert names(photo.parent) == MADE
