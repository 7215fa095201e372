"""What a second thread gives: each part of the rasteriser that runs on threads, on one and on two.

    python benchmarks/bench_threads.py [--size 512] [--splats 40000] [--runs 25]

Told is the fastest of several runs. Where a thread's clock is much longer than its processor time, other
programs had its processor: then the ratio says nothing. `outside` is what runs on one thread whatever is asked.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from bench_rasterize import backward, person

from vivant.core.threads import run_on_threads
from vivant.splat.rasterizer import _numba


@dataclass(frozen=True)
class Part:
    """One part of one run, in milliseconds."""

    name: str
    clock: float
    cpu: tuple[float, ...]
    """Of each thread."""


def main() -> None:
    """Print one line a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--splats", type=int, default=40_000)
    parser.add_argument("--runs", type=int, default=25)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scene = person(arguments.splats, arguments.size)
    parts: list[Part] = []
    _numba.run_on_threads = watched(parts)
    best: dict[int, tuple[float, list[Part]]] = {}
    for run in range(arguments.runs + 2):
        for threads in (1, 2):
            parts.clear()
            begun = time.perf_counter()
            backward(*scene, "numba", threads)
            whole = 1e3 * (time.perf_counter() - begun)
            if run >= 2 and whole < best.get(threads, (float("inf"),))[0]:
                best[threads] = whole, list(parts)
    (one, single), (two, double) = best[1], best[2]
    print("part                       one thread   two threads (of its processors)   times as fast")
    for a, b in zip(single, double, strict=True):
        cpu = " + ".join(f"{value:.2f}" for value in b.cpu)
        print(f"{a.name:26} {a.clock:8.2f} ms {b.clock:8.2f} ms ({cpu:13}) {a.clock / b.clock:16.2f}")
    rest = [whole - sum(part.clock for part in found) for whole, found in ((one, single), (two, double))]
    print(f"{'outside':26} {rest[0]:8.2f} ms {rest[1]:8.2f} ms")
    print(f"{'forward + backward':26} {one:8.2f} ms {two:8.2f} ms {'':15} {one / two:16.2f}")


def watched(parts: list[Part]) -> Callable[[Callable[[int], None], int], None]:
    """`run_on_threads` that keeps a record."""

    def run(work: Callable[[int], None], threads: int) -> None:
        cpu = [0.0] * threads

        def timed(thread: int) -> None:
            begun = time.thread_time()
            work(thread)
            cpu[thread] = 1e3 * (time.thread_time() - begun)

        begun = time.perf_counter()
        run_on_threads(timed, threads)
        name = work.__qualname__.split(".")[0].strip("_")
        parts.append(Part(f"{name}, {work.__name__}", 1e3 * (time.perf_counter() - begun), tuple(cpu)))

    return run


if __name__ == "__main__":
    main()
