"""Jobs on a Ray cluster. The only file that imports ray."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vivant.core.errors import MissingExtraError, WorkerLostError

J = TypeVar("J")
R = TypeVar("R")


def map_on_ray(work: Callable[[J], R], jobs: Sequence[J], workers: int, attempts: int) -> Iterator[tuple[J, R]]:
    """Do all jobs on the cluster that `RAY_ADDRESS` names, or on a small one of this machine.

    Raises:
        MissingExtraError: If ray is not installed.
        WorkerLostError: If a job's workers are killed again and again, or the cluster goes down.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("The engine `ray` is not installed. Run `pip install vivant[ray]`.") from error
    own = not ray.is_initialized()
    if own:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    try:
        remote = ray.remote(max_retries=attempts - 1, num_cpus=1)(work)
        queue = list(reversed(range(len(jobs))))
        running: dict[object, int] = {}
        while queue or running:
            while queue and len(running) < workers:
                number = queue.pop()
                running[remote.remote(jobs[number])] = number
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                number = running.pop(reference)
                yield jobs[number], ray.get(reference)
    except ray.exceptions.RayTaskError:
        # The job itself failed: this is its own error, too.
        raise
    except ray.exceptions.RayError as error:
        raise WorkerLostError(
            f"The Ray cluster lost its workers ({type(error).__name__}): too little memory, or a machine down? "
            "Give the same command again: what is finished is kept."
        ) from error
    finally:
        if own:
            ray.shutdown()
