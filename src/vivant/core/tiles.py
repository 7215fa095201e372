"""Pictures cut into square tiles, and lists of the items that touch each tile: what both rasterisers share.

Each thread has a range of the items. It counts how many of them touch each tile; the counts of all threads
become places; then it writes its items to its places. So each tile's list has the items' order, whatever the
number of threads. Then threads draw tickets for tiles, the fullest first, so that none starts a long one last.

Boxes are left, right, top, bottom in pixels: the first column or row, and the one after the last.
"""

import numpy as np

from vivant.core.instructions import take_ticket
from vivant.core.jit import kernel, part

TILE_BITS = 6
TILE = 1 << TILE_BITS
"""Pixels along a side of a tile. 64, so that a tile's rows fit one integer's bits."""


def tiles_along(pixels: int) -> int:
    """How many tiles cover so many pixels in a row or column."""
    return -(-pixels // TILE)


def fullest_first(tile_starts: np.ndarray) -> np.ndarray:
    """Numbers of the tiles, those with the longest lists first."""
    return np.argsort(tile_starts[:-1] - tile_starts[1:], kind="stable").astype(np.int32)


@kernel
def start_tiles(counts, tile_starts):
    """Turn counts (threads, tiles) into first places: a tile has thread 0's items first, which are the first.

    The last of `tile_starts` is the number of all entries.
    """
    total = 0
    for tile in range(counts.shape[1]):
        tile_starts[tile] = total
        for thread in range(counts.shape[0]):
            count = counts[thread, tile]
            counts[thread, tile] = total
            total += count
    tile_starts[counts.shape[1]] = total


@kernel
def fill_tiles(begin, end, boxes, tiles_across, places, tile_items):
    """List for each tile which of the boxes `begin` to `end` touch it, in their order."""
    for item in range(begin, end):
        left, right, top, bottom = boxes[item, 0], boxes[item, 1], boxes[item, 2], boxes[item, 3]
        if left < right and top < bottom:
            list_box(left, right, top, bottom, tiles_across, places, tile_items, item, None, 0)


@part
def touched_tiles(left, right, top, bottom):
    """How many tiles a box touches that is not empty."""
    across = ((right - 1) >> TILE_BITS) - (left >> TILE_BITS) + 1
    return across * (((bottom - 1) >> TILE_BITS) - (top >> TILE_BITS) + 1)


@part
def count_box(left, right, top, bottom, tiles_across, counts):
    """Count an item for each tile that its box touches, which is not empty."""
    for row in range(top >> TILE_BITS, ((bottom - 1) >> TILE_BITS) + 1):
        for column in range(left >> TILE_BITS, ((right - 1) >> TILE_BITS) + 1):
            counts[np.uintp(row * tiles_across + column)] += 1


@part
def list_box(left, right, top, bottom, tiles_across, places, tile_items, item, tile_slots, slot):
    """Write an item to the list of each tile that its box touches, which is not empty.

    `places` of the tiles move on. Unless `tile_slots` is None, `slot` is written there beside the item, and one
    more for each further tile.
    """
    for row in range(top >> TILE_BITS, ((bottom - 1) >> TILE_BITS) + 1):
        for column in range(left >> TILE_BITS, ((right - 1) >> TILE_BITS) + 1):
            tile = np.uintp(row * tiles_across + column)
            place = np.uintp(places[tile])
            places[tile] = place + 1
            tile_items[place] = item
            if tile_slots is not None:
                tile_slots[place] = slot
                slot += 1


@part
def next_tile(ticket, tile_order):
    """The next tile that no thread has drawn; -1 if none is left. `ticket` (1 int64) begins at 0."""
    turn = take_ticket(ticket)
    return tile_order[turn] if turn < tile_order.shape[0] else -1


@part
def tile_box(tile, tiles_across, width, height):
    """What of the picture lies in a tile."""
    left, top = (tile % tiles_across) * TILE, (tile // tiles_across) * TILE
    return left, min(left + TILE, width), top, min(top + TILE, height)
