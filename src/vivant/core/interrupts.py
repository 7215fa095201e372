"""Ctrl-C and a polite `kill` that wait until what is begun is whole."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HELD = (int(signal.SIGINT), int(signal.SIGTERM))


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Let a step end that leaves things half changed on its way: the first interrupt is heard after it.

    A second one is heard at once. Only in the main thread is there something to hold: Python handles signals
    there.

    Raises:
        KeyboardInterrupt: At the end, or what else the handler of before raises.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in HELD}
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        handler = before[number]
        if len(heard) > 1 and callable(handler):
            handler(number, frame)

    # What is ignored, or left to the system, stays so.
    held = [number for number, handler in before.items() if callable(handler)]
    for number in held:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in held:
            signal.signal(number, before[number])
    if heard:
        handler = before[heard[0]]
        assert callable(handler)
        handler(heard[0], None)
