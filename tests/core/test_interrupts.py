"""An interrupt waits for the end of a step, and is not lost."""

import os
import signal
import threading

import pytest

from vivant.core.interrupts import HELD, held_interrupts


def interrupt(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def test_what_is_begun_ends_before_the_interrupt_is_heard() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):
        with held_interrupts():
            interrupt()
            done.append("first")
        done.append("after")
    assert done == ["first"]


def test_a_second_one_is_heard_at_once() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_interrupts():  # noqa: PT012
        interrupt()
        done.append("first")
        interrupt()
        done.append("second")
    assert done == ["first"]


def test_handlers_of_before_are_asked_and_put_back() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    mine = signal.getsignal(signal.SIGTERM)
    try:
        with held_interrupts():
            interrupt(signal.SIGTERM)
            assert told == []
        assert told == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_goes_wrong_is_told_and_what_is_ignored_stays_ignored() -> None:
    handlers = [signal.getsignal(number) for number in HELD]
    with pytest.raises(ValueError, match="mine"), held_interrupts():
        raise ValueError("mine")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with held_interrupts():
            interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
    assert [signal.getsignal(number) for number in HELD] == handlers


def test_other_threads_hold_nothing() -> None:
    seen: list[object] = []

    def work() -> None:
        with held_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]
