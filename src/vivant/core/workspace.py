"""Memory for kernels that is used again from call to call: fresh pages cost more than the work done in them."""

import functools
import math
from collections import deque

import numpy as np
from numpy.typing import DTypeLike

KEPT = 8
"""So many workspaces wait for their next use; more are given back to the system."""


Held = tuple[tuple[tuple[int, ...], DTypeLike], np.ndarray, np.ndarray]
"""What an array was asked for as, its bytes, and the array in them."""


class Workspace:
    """Named arrays. What they hold goes to the next user when nobody holds the workspace any more."""

    def __init__(self) -> None:
        try:
            self._held = _waiting().pop()
        except IndexError:
            self._held: dict[str, Held] = {}

    def __del__(self) -> None:
        _waiting().append(self._held)

    def take(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> np.ndarray:
        """Give an array that starts at a line of cache; its values are arbitrary."""
        held = self._held.get(name)
        if held is not None and held[0] == (shape, kind):
            # As most are from call to call; laying out an array takes longer than a small one is used.
            return held[2]
        size = math.prod(shape) * np.dtype(kind).itemsize
        room = held[1] if held is not None and len(held[1]) >= size + 64 else None
        if room is None:
            room = np.empty(size + size // 4 + 64, np.uint8)
        start = -room.ctypes.data % 64
        array = room[start : start + size].view(kind).reshape(shape)
        self._held[name] = (shape, kind), room, array
        return array


@functools.lru_cache(maxsize=1)
def _waiting() -> deque[dict[str, Held]]:
    return deque(maxlen=KEPT)
