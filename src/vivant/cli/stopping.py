"""Ctrl-C and a polite `kill`, heard even where a library swallows them."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vivant.core.progress import Event, Listener, Noted


class Stop:
    """Ends the work as Ctrl-C does: nothing half-written, what is finished is kept."""

    def __init__(self) -> None:
        self.asked = False
        """Whether a stop was asked for and nobody is known to have heard it."""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.asked = True
        raise KeyboardInterrupt


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
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
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
