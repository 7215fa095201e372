"""Threads for compiled kernels: how many, and one pool that carries them.

Kernels release the GIL, so plain Python threads run them side by side. Torch keeps threads of its own, and its
OpenMP workers spin for a while after each operation: beside busy kernels a 14 ms step was seen to take 430 ms.
Where both work in turn, set `GOMP_SPINCOUNT=0` in the environment before torch is imported, or call
`torch.set_num_threads(1)`.
"""

import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from vivant.core.errors import BadInputError

THREADS_VARIABLE = "VIVANT_THREADS"
"""Environment variable that limits the threads of compiled kernels."""

WORKER = "vivant-kernel"
"""How the pool's threads are called."""


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
    # The process id is part of the key because a forked child inherits the pool but not its threads.
    pool = _pool(os.getpid(), threads - 1)
    others = [pool.submit(work, thread) for thread in range(1, threads)]
    try:
        work(0)
    finally:
        for other in others:
            other.exception()
    for other in others:
        other.result()


@functools.cache
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix=WORKER)


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
