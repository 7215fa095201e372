"""Where pictures of a person are not bare, so that a loss need not look elsewhere."""

import numpy as np

from vivant.core.jit import kernel
from vivant.reconstruct._window_numba import BLOCK, RADIUS
from vivant.splat.rasterizer._lanes import COUNT as LANES
from vivant.splat.rasterizer._vectors import bits_ge, load, spread

f4 = np.float32
ALL_LANES = np.uint32(0xFF)
COVERED, SEEN, FILTERED = 0, 2, 4
"""Places in a row of spans."""

ROW_COST = 64
"""What a row costs beside its numbers, in numbers."""


def count_turns(rows: int) -> int:
    """Turns of so many rows: the last blocks wait until the window's rows below them have come."""
    return -(-(rows + 4 * RADIUS) // BLOCK)


def share_rows(spans: np.ndarray, box: np.ndarray, threads: int) -> list[int]:
    """Rows between which each thread works, so that all have as much to do; whole blocks."""
    blocks = -(-int(box[1] - box[0]) // BLOCK)
    # A block is finished so many turns after the first row of its windows' windows came.
    seen = spans[4 * RADIUS // BLOCK :][:blocks]
    done = np.cumsum(seen[:, SEEN + 1] - seen[:, SEEN] + ROW_COST)
    if not len(done):
        return [int(box[0])] * (threads + 1)
    between = np.searchsorted(done, done[-1] * np.arange(1, threads) / threads)
    return [int(box[0]), *(int(box[0] + BLOCK * block) for block in between), int(box[1])]


@kernel
def _is_bare(cover, truth_cover, place):
    """Whether eight pixels are 0 in both."""
    zero, a, b = spread(f4(0)), load(cover, place), load(truth_cover, place)
    return bits_ge(zero, a) & bits_ge(a, zero) & bits_ge(zero, b) & bits_ge(b, zero) == ALL_LANES


@kernel
def find_bounds(cover, truth_cover, box, extents):
    """First and last column (exclusive) that either picture covers in each row; of all, a radius around."""
    height, width = cover.shape
    top, bottom, left, right = height, 0, width, 0
    for y in range(height):
        # Whole vectors of background are passed over, from both sides.
        first, last = 0, width - 1
        while first + LANES <= width and _is_bare(cover, truth_cover, y * width + first):
            first += LANES
        while first < width and cover[y, first] == 0 and truth_cover[y, first] == 0:
            first += 1
        if first < width:
            while last - LANES >= first and _is_bare(cover, truth_cover, y * width + last - LANES + 1):
                last -= LANES
            while cover[y, last] == 0 and truth_cover[y, last] == 0:
                last -= 1
        else:
            last = -1
        extents[y, 0], extents[y, 1] = first, last + 1
        if last >= 0:
            top, bottom = min(top, y), y + 1
            left, right = min(left, first), max(right, last + 1)
    if bottom == 0:
        box[:] = 0
        return
    box[0], box[1] = max(top - RADIUS, 0), min(bottom + RADIUS, height)
    box[2], box[3] = max(left - RADIUS, 0), min(right + RADIUS, width)


@kernel
def widen(extents, box, spans):
    """What each turn of the sweep works on, in numbers from the box's left side; ends are whole vectors.

    A turn filters rows `y` to `y + BLOCK` along x, compares those a radius above, and finishes those two radii
    above. Compared is where the window of a covered pixel reaches, and filtered where a compared row's window
    does; both in whole blocks of rows.
    """
    height, width = extents.shape[0], box[3] - box[2]
    for turn in range(spans.shape[0]):
        y = box[0] - 2 * RADIUS + turn * BLOCK
        # Rows below whose windows, from block to block, reach the first one.
        below = (2 * RADIUS + BLOCK - 1) // BLOCK * BLOCK
        for field in range(3):
            start, stop = y - 2 * RADIUS, y - 2 * RADIUS + BLOCK + field * below
            columns = RADIUS if field > 0 else 0
            left, right = box[3], box[2]
            for row in range(max(start, 0), min(stop, height)):
                if extents[row, 0] < extents[row, 1]:
                    left = min(left, extents[row, 0] - columns)
                    right = max(right, extents[row, 1] + columns)
            left, right = max(left - box[2], 0), min(right - box[2], width)
            if left >= right:
                left = right = 0
            spans[turn, 2 * field] = 3 * left // LANES * LANES
            spans[turn, 2 * field + 1] = (3 * right + LANES - 1) // LANES * LANES
