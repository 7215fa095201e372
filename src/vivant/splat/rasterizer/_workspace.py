"""Memory that is used again from call to call: fresh pages cost more than the work done in them."""

import functools
from collections import deque

import numpy as np

KEPT = 8
"""So many workspaces wait for their next use; more are given back to the system."""


class Workspace:
    """Named arrays of one view."""

    def __init__(self) -> None:
        self._bytes: dict[str, np.ndarray] = {}

    def take(self, name: str, shape: tuple[int, ...], kind: type) -> np.ndarray:
        """Give an array that starts at a line of cache; what it holds is arbitrary."""
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        held = self._bytes.get(name)
        if held is None or len(held) < size + 64:
            held = self._bytes[name] = np.empty(size + size // 4 + 64, np.uint8)
        start = -held.ctypes.data % 64
        return held[start : start + size].view(kind).reshape(shape)


class Lease(Workspace):
    """A workspace that goes back to the waiting ones when nobody holds it any more."""

    def __init__(self) -> None:
        super().__init__()
        waiting = _waiting()
        try:
            self._bytes = waiting.pop()
        except IndexError:
            self._bytes = {}

    def __del__(self) -> None:
        _waiting().append(self._bytes)


def lease_workspace() -> Lease:
    """Give a workspace that nobody else uses."""
    return Lease()


@functools.lru_cache(maxsize=1)
def _waiting() -> deque[dict[str, np.ndarray]]:
    return deque(maxlen=KEPT)
