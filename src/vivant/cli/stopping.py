"""Ctrl-C and a polite `kill`, heard even where a library swallows them."""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from vivant.core.progress import Event, Listener, Noted

UNSTOPPABLE = ("numba", "llvmlite")
"""Packages that lose exceptions or keep their lock when they are interrupted; then the program would hang."""

AGAIN = 0.05
"""Seconds after which a stop that had to wait is tried again."""


class Stop:
    """Ends the work as Ctrl-C does: nothing half-written, what is finished is kept."""

    def __init__(self) -> None:
        self.asked = False
        """Whether a stop was asked for and nobody is known to have heard it."""
        self._number = signal.SIGINT.value
        self._retry: threading.Timer | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: at once, or as soon as the main thread compiles no kernel."""
        self.asked, self._number = True, number
        if self._retry is not None:
            self._retry.cancel()
        if not _is_within(frame, UNSTOPPABLE):
            raise KeyboardInterrupt
        self.try_again()

    def try_again(self) -> None:
        """Stop a little later, for now nobody hears it."""
        self._retry = threading.Timer(AGAIN, self._again, (self._number,))
        self._retry.daemon = True
        self._retry.start()

    def _again(self, number: int) -> None:
        # Meanwhile the work may have stopped by itself, or ended.
        if self.asked and signal.getsignal(number) is self:
            _thread.interrupt_main(signal.Signals(number))


def _is_within(frame: FrameType | None, packages: tuple[str, ...]) -> bool:
    """Whether a function of some packages is running."""
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in packages:
            return True
        frame = frame.f_back
    return False


@contextmanager
def stoppable() -> Iterator[None]:
    """Stop the work on Ctrl-C and on a polite `kill`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A program started in the background is told to ignore Ctrl-C; it goes on doing so.
    heard = {number for number in before if before[number] is not signal.SIG_IGN}
    tell = sys.unraisablehook

    def lose(lost: Any) -> None:
        # Python has nobody to give an exception to that is raised within a finaliser, and would print it.
        if issubclass(lost.exc_type, KeyboardInterrupt) and stop.asked:
            stop.try_again()
        else:
            tell(lost)

    for number in heard:
        signal.signal(number, stop)
    sys.unraisablehook = lose
    try:
        yield
    finally:
        sys.unraisablehook = tell
        for number in heard:
            signal.signal(number, before[number])


def hearing(listener: Listener) -> Listener:
    """Give a listener that stops the work at its next event, if the stop itself was lost.

    An exception that is raised within a callback from C, as while a model is loaded, is printed and forgotten.
    """

    def hear(event: Event) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if isinstance(handler, Stop) and handler.asked and not isinstance(event, Noted):
            handler.asked = False
            raise KeyboardInterrupt
        listener(event)

    return hear
