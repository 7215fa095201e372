"""Many equal jobs on several processes of one machine, or on a Ray cluster: one interface, the same results."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Literal, TypeVar

from vivant.core.errors import BadInputError, WorkerLostError

J = TypeVar("J")
R = TypeVar("R")

Engine = Literal["processes", "ray"]

ATTEMPTS = 4
"""So often a job is begun whose worker was killed."""


def map_jobs(
    work: Callable[[J], R], jobs: Sequence[J], *, workers: int = 1, engine: Engine = "processes"
) -> Iterator[tuple[J, R]]:
    """Do all jobs and give each with its result, in the order in which they end.

    A job must be a function of what it is given: when a worker is killed, its jobs are done again elsewhere.

    Args:
        work: A function of a module, for it is found by its name in other processes.
        jobs: What it is given, one at a time.
        workers: How many at once; 1 works in this process.
        engine: Where.

    Raises:
        BadInputError: If the number of workers is not 1 to 4096.
        MissingExtraError: If Ray is asked for and not installed.
        WorkerLostError: If a job's workers are killed again and again.
    """
    if not 1 <= workers <= 4096:
        raise BadInputError(f"{workers} workers; 1 to 4096 are possible.")
    if engine == "ray":
        from vivant.dataset.ray_cluster import map_on_ray

        yield from map_on_ray(work, jobs, workers, ATTEMPTS)
    elif workers == 1:
        for job in jobs:
            yield job, work(job)
    else:
        yield from _on_processes(work, jobs, workers)


def _on_processes(work: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[tuple[J, R]]:
    waiting = list(range(len(jobs)))
    attempts = [0] * len(jobs)
    while waiting:
        lost: list[int] = []
        # Spawned, not forked: threads of torch and of compiled kernels do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(waiting)), context) as pool:
            queue = list(reversed(waiting))
            running: dict[Future[R], int] = {}
            broken = False
            while queue or running:
                while queue and len(running) < workers and not broken:
                    number = queue.pop()
                    attempts[number] += 1
                    try:
                        running[pool.submit(work, jobs[number])] = number
                    except BrokenProcessPool:
                        broken = True
                        lost.append(number)
                if broken:
                    lost += [*running.values(), *queue]
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    number = running.pop(future)
                    try:
                        yield jobs[number], future.result()
                    except BrokenProcessPool:
                        broken = True
                        lost.append(number)
        waiting = sorted(lost)
        if any(attempts[number] >= ATTEMPTS for number in waiting):
            raise WorkerLostError(
                f"Workers were killed {ATTEMPTS} times with the same jobs: too little memory for {workers}? "
                "Use fewer --workers. What is finished is kept."
            )
