"""Ctrl-C while a library works that must not be interrupted."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import CellType, FunctionType

import pytest

from vivant.cli.stopping import hearing, stoppable
from vivant.core.progress import Advanced


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Tests that run in the background of a shell are told to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def library(name: str) -> Callable[[Callable[[], bool]], None]:
    """A function of some module: within it Ctrl-C is pressed, and it tells whether it came to its end."""

    def work(until: Callable[[], bool]) -> None:
        signal.raise_signal(signal.SIGINT)
        while not until():
            time.sleep(0.01)
        finished.append(True)

    finished: list[bool] = []
    return FunctionType(work.__code__, {**globals(), "__name__": name}, closure=work.__closure__)


def finished(work: Callable) -> bool:
    cells: tuple[CellType, ...] | None = work.__closure__
    assert cells
    return bool(cells[0].cell_contents)


@pytest.mark.parametrize(("name", "finishes"), [("numba.core.compiler", True), ("numbat.core", False)])
def test_ctrl_c_waits_until_a_compiler_has_finished(name: str, finishes: bool) -> None:
    work, after = library(name), time.monotonic() + 0.2
    with pytest.raises(KeyboardInterrupt), stoppable():
        work(lambda: time.monotonic() > after)
        assert finished(work)
        # It comes by itself, without a second press.
        time.sleep(60)
        pytest.fail("nobody stopped the work")
    assert finished(work) == finishes


def test_a_stop_that_was_heard_meanwhile_is_not_repeated() -> None:
    work = library("llvmlite.binding")
    with stoppable():
        work(lambda: True)
        with pytest.raises(KeyboardInterrupt):
            hearing(lambda event: None)(Advanced("film", 0.5))
        for waiting in [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]:
            waiting.join()
        time.sleep(0.02)


def test_a_stop_that_falls_into_a_finaliser_is_tried_again_and_not_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Buffer:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), stoppable():
        buffer = Buffer()
        del buffer
        time.sleep(60)
        pytest.fail("nobody stopped the work")
    assert capfd.readouterr().err == ""


def test_what_else_a_finaliser_loses_is_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Buffer:
        def __del__(self) -> None:
            raise ValueError("a bug")

    lost: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda args: lost.append(str(args.exc_value)))
    with stoppable():
        buffer = Buffer()
        del buffer
    assert lost == ["a bug"]
