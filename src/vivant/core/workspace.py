"""Memory for kernels that is used again from call to call: fresh pages cost more than the work done in them."""

import functools
import math
from collections import deque

import numpy as np
from numpy.typing import DTypeLike

KEPT = 8
"""So many workspaces wait for their next use; more are given back to the system."""


class Workspace:
    """Named arrays. What they hold goes to the next user when nobody holds the workspace any more."""

    def __init__(self) -> None:
        try:
            self._bytes = _waiting().pop()
        except IndexError:
            self._bytes: dict[str, np.ndarray] = {}

    def __del__(self) -> None:
        _waiting().append(self._bytes)

    def take(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> np.ndarray:
        """Give an array that starts at a line of cache; its values are arbitrary."""
        size = math.prod(shape) * np.dtype(kind).itemsize
        held = self._bytes.get(name)
        if held is None or len(held) < size + 64:
            held = self._bytes[name] = np.empty(size + size // 4 + 64, np.uint8)
        start = -held.ctypes.data % 64
        return held[start : start + size].view(kind).reshape(shape)


@functools.lru_cache(maxsize=1)
def _waiting() -> deque[dict[str, np.ndarray]]:
    return deque(maxlen=KEPT)
