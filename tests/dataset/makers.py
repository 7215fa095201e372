"""What workers of other processes are given in tests: functions of a module."""

import os
import signal
from pathlib import Path

from vivant.dataset import PeopleConfig


def small(config: PeopleConfig, seed: int, number: int) -> dict[str, bytes]:
    """Bytes that depend on seed and number alone."""
    return {"txt": f"{seed} {number} {config.size}".encode(), "bin": bytes([number % 256]) * 600}


def square(number: int) -> int:
    return number * number


def fatal_once(job: tuple[str, int]) -> int:
    """Be killed, the first time, at number 3."""
    folder, number = job
    marker = Path(folder) / "killed"
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10
