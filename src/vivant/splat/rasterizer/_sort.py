"""Kernels that sort splats by depth and hand them to the tiles they touch, in that order."""

import numpy as np

from vivant.core.instructions import prefetch
from vivant.core.jit import kernel, part
from vivant.core.tiles import count_box, list_box
from vivant.splat.rasterizer._lanes import COUNT
from vivant.splat.rasterizer._project import COLUMNS, NEVER, NUMBER, PAYLOAD, RECORD, ROWS
from vivant.splat.rasterizer._vectors import load, store

DIGIT = 12
"""Bits that one pass sorts by."""

AHEAD = 8


@kernel
def sort_by_depth(keys, order, other_keys, other_order):
    """Radix sort of what is drawn, stable: splats of equal depth keep their order.

    Works to and fro between two pairs of arrays. The least key is subtracted from all: depths that differ by
    less than a factor of two are told apart by 24 bits, which takes two passes.

    Returns:
        How many are drawn, and whether the order ended in `other_order`.
    """
    drawn, least, most = 0, NEVER, np.uint32(0)
    for splat in range(keys.shape[0]):
        key = keys[splat]
        if key != NEVER:
            keys[drawn], order[drawn] = key, splat
            least, most = min(least, key), max(most, key)
            drawn += 1
    if drawn == 0:
        return drawn, False
    span, passes = np.int64(most - least), 0
    while span >> (passes * DIGIT) > 0:
        passes += 1
    buckets = 1 << DIGIT
    counts = np.zeros((3, buckets), np.int32)
    for i in range(drawn):
        key = keys[i] - least
        keys[i] = key
        counts[0, key & (buckets - 1)] += 1
        counts[1, (key >> DIGIT) & (buckets - 1)] += 1
        if passes == 3:
            counts[2, key >> (2 * DIGIT)] += 1
    swapped = False
    for digit in range(passes):
        if _start_buckets(counts[digit], drawn):
            continue
        if swapped:
            _move(other_keys, other_order, keys, order, drawn, digit * DIGIT, counts[digit])
        else:
            _move(keys, order, other_keys, other_order, drawn, digit * DIGIT, counts[digit])
        swapped = not swapped
    return drawn, swapped


@part
def _start_buckets(counts, drawn):
    """Turn counts into first places. True if all keys share this digit and nothing needs to move."""
    total, shared = 0, False
    for bucket in range(counts.shape[0]):
        count = counts[bucket]
        shared |= count == drawn
        counts[bucket] = total
        total += count
    return shared


@part
def _move(keys, order, to_keys, to_order, drawn, shift, places):
    for i in range(drawn):
        key = keys[i]
        bucket = (key >> shift) & ((1 << DIGIT) - 1)
        place = places[bucket]
        places[bucket] = place + 1
        to_keys[place], to_order[place] = key, order[i]


@kernel
def start_slots(tiles, slots):
    """Where each splat's gradients begin: it has one slot for every tile it touches."""
    total = 0
    for splat in range(tiles.shape[0]):
        slots[splat] = total
        total += tiles[splat]
    slots[tiles.shape[0]] = total
    return total


@kernel
def copy_and_count(begin, end, records, order, sorted_records, sorted_integers, tiles_across, counts):
    """Copy records into depth order, and count how many go into each tile."""
    counts[:] = 0
    for i in range(begin, end):
        if i + AHEAD < end:
            prefetch(records, order[i + AHEAD] * RECORD)
        store(sorted_records, i * RECORD, load(records, order[i] * RECORD))
        store(sorted_records, i * RECORD + COUNT, load(records, order[i] * RECORD + COUNT))
        left, right, top, bottom = _pixel_box(sorted_integers, i)
        count_box(left, right, top, bottom, tiles_across, counts)


@kernel
def list_splats(begin, end, sorted_integers, slots, tiles_across, places, tile_splats, tile_slots):
    """List for each tile its splats, nearest first, and the slots of their gradients."""
    for i in range(begin, end):
        left, right, top, bottom = _pixel_box(sorted_integers, i)
        slot = slots[sorted_integers[i, NUMBER]]
        list_box(left, right, top, bottom, tiles_across, places, tile_splats, i, tile_slots, slot)


@part
def _pixel_box(integers, i):
    columns, rows = integers[i, COLUMNS], integers[i, ROWS]
    return columns & 0xFFFF, (columns >> 16) + 1, rows & 0xFFFF, (rows >> 16) + 1


@kernel
def copy_payload(begin, end, sorted_records, sorted_integers, extra, group, target):
    """Make records that carry four of the extra channels instead of colour and depth."""
    for i in range(begin, end):
        store(target, i * RECORD, load(sorted_records, i * RECORD))
        store(target, i * RECORD + COUNT, load(sorted_records, i * RECORD + COUNT))
        splat = sorted_integers[i, NUMBER]
        for channel in range(4):
            target[i, PAYLOAD + channel] = extra[splat, group * 4 + channel]
