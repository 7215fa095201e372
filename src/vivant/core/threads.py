"""Threads for compiled kernels: how many, and those that carry them.

Kernels release the GIL, so plain Python threads run them side by side. Torch keeps threads of its own, and its
OpenMP workers spin for a while after each operation: beside busy kernels a 14 ms step was seen to take 430 ms.
Where both work in turn, set `GOMP_SPINCOUNT=0` in the environment before torch is imported, or call
`torch.set_num_threads(1)`.
"""

import functools
import importlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from vivant.core.errors import BadInputError

T = TypeVar("T")

THREADS_VARIABLE = "VIVANT_THREADS"
"""Environment variable that limits the threads of compiled kernels."""

MOST_AT_ONCE = 4
"""Of works that are computed ahead."""

WORKER = "vivant-kernel"
"""How such threads are called."""


def thread_count() -> int:
    """How many threads kernels use when the caller does not say: the processors this process may run on.

    Raises:
        BadInputError: If `VIVANT_THREADS` is set to something that is no positive number.
    """
    wanted = os.environ.get(THREADS_VARIABLE, "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) < 1:
            raise BadInputError(f"{THREADS_VARIABLE} is {wanted!r}; a whole number of at least 1 is needed.")
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def run_on_threads(work: Callable[[int], None], threads: int) -> None:
    """Call `work` with 0 to `threads - 1` side by side, and return when all are done.

    An exception in any of them is raised here, after the others have ended.
    """
    if threads == 1 or threading.current_thread().name.startswith(WORKER):
        # A worker that waited for other workers could wait for ever.
        for thread in range(threads):
            work(thread)
        return
    others = [_claim_worker() for _ in range(1, threads)]
    for thread, other in enumerate(others, start=1):
        other.begin(work, thread)
    try:
        work(0)
    finally:
        errors = [other.end() for other in others]
    for error in errors:
        if error is not None:
            raise error


class _Worker:
    """A thread that waits for work: two locks hand it over, which takes half the time a pool's queue does."""

    def __init__(self) -> None:
        self._begun, self._ended = threading.Lock(), threading.Lock()
        self._begun.acquire()
        self._ended.acquire()
        self._work: tuple[Callable[[int], None], int] | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._serve, name=WORKER, daemon=True).start()

    def begin(self, work: Callable[[int], None], thread: int) -> None:
        """Let the thread begin."""
        self._work = work, thread
        self._begun.release()

    def end(self) -> BaseException | None:
        """Wait until the work is done; its exception, if there was one."""
        self._ended.acquire()
        error, self._error = self._error, None
        _idle(os.getpid()).append(self)
        return error

    def _serve(self) -> None:
        while True:
            self._begun.acquire()
            assert self._work is not None
            work, thread = self._work
            try:
                work(thread)
            except BaseException as error:  # Whatever it is, the caller gets it.
                self._error = error
            # What the work holds must not live until the next one comes.
            self._work = work = None
            self._ended.release()


def _claim_worker() -> _Worker:
    try:
        return _idle(os.getpid()).pop()
    except IndexError:
        return _Worker()


@functools.cache
def _idle(process: int) -> deque[_Worker]:
    """Workers that wait. Of this process only: a forked child inherits memory but no threads."""
    return deque()


def take_turns(work: Callable[[int], None], turns: int, threads: int) -> None:
    """Call `work` with 0 to `turns - 1`; each thread takes the next turn when it is free."""
    waiting = iter(range(turns))
    lock = threading.Lock()

    def serve(_: int) -> None:
        while True:
            with lock:
                turn = next(waiting, None)
            if turn is None:
                return
            work(turn)

    run_on_threads(serve, min(threads, max(turns, 1)))


def run_together(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call functions side by side, as many at once as there are threads, and give their results in order."""
    results: list[Any] = [None] * len(works)

    def work(turn: int) -> None:
        results[turn] = works[turn]()

    take_turns(work, len(works), thread_count())
    return results


def in_turn(work: Callable[[int], T], count: int) -> Iterator[T]:
    """Give `work(0)` to `work(count - 1)` in order, as many computed at once as there are threads, up to four.

    For work that does much between its kernels, which run on one thread each on all but the calling thread.
    More at once would hold many large results, such as pictures. Torch keeps for each thread whether gradients
    are wanted; the caller's wish goes with the work.
    """
    import torch

    size = min(thread_count(), MOST_AT_ONCE)
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def as_the_caller(number: int) -> T:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return work(number)

    for begin in range(0, count, size):
        numbers = range(begin, min(begin + size, count))
        yield from run_together([partial(as_the_caller, number) for number in numbers])


def load_ahead(module: str) -> None:
    """Import a module on a thread of its own, while this one mostly waits for code outside Python."""
    threading.Thread(target=importlib.import_module, args=(module,), name=f"load {module}").start()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Keep torch to the calling thread: its workers slow down small work, and kernels up to thirtyfold."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
