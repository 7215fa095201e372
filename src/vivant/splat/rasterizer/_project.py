"""Kernel that projects splats to a picture, eight at a time."""

import math

import numpy as np

from vivant.core.jit import kernel, part
from vivant.core.tiles import touched_tiles
from vivant.splat.rasterizer._geometry import (
    ANTIALIASED,
    FOCAL,
    LARGE,
    MIDDLE,
    SIZE,
    TINY,
    camera_rows,
    dot,
    facing_normal,
    log2_opacity,
    project_splats,
    to_camera,
)
from vivant.splat.rasterizer._harmonics import BASIS, write_colors
from vivant.splat.rasterizer._lanes import (
    COUNT,
    Memory,
    Rows,
    ceil,
    floor,
    log2,
    maximum,
    minimum,
    sqrt,
    traced,
    where,
)
from vivant.splat.rasterizer._limits import ALPHA_LEAST, BLUR, NEAR
from vivant.splat.rasterizer._vectors import bits_ge, float_bits, load, pick_rows, spread

LN_4, LOG2_LEAST = math.log(4), math.log2(ALPHA_LEAST)
HUGE = 1e18
ZERO, ONE, LARGEST = np.float32(0), np.float32(1), np.float32(LARGE)

NEVER = np.uint32(0xFFFFFFFF)
"""Sorting key of a splat that is not drawn."""

RECORD = 16
"""Numbers in a splat's record: 64 bytes, one line of cache."""

CENTER_X, CENTER_Y, INVERSE_XX, SLOPE, INVERSE_REST, LOG2_OPACITY, PAYLOAD = range(7)
COLUMNS, ROWS, NUMBER, REST_X, REST_Y, REST_SLOPE = 10, 11, 12, 13, 14, 15
"""Places in a record.

The payload takes four: red, green, blue, depth. Then come integers: first and last column, first and last row
(16 bits each), and the splat's number. Last what float32 cannot hold of the centre and the slope: 0 but for
large splats.
"""

LEFT, RIGHT, TOP, BOTTOM, DRAWN, NORMAL = 10 * COUNT, 11 * COUNT, 12 * COUNT, 13 * COUNT, 14 * COUNT, 15 * COUNT
RESTS, EXTENTS, BASIS_PLACE = 18 * COUNT, 21 * COUNT, 22 * COUNT
SCRATCH = BASIS_PLACE + BASIS
"""Places in a thread's scratch array: first the record's numbers, eight each, then what becomes of them."""


@kernel(fastmath={"contract", "reassoc", "nsz", "arcp"})
def all_finite(values):
    """Infinity times 0 is NaN, as is NaN."""
    total = ZERO
    for i in range(values.shape[0]):
        total += values[i] * ZERO
    return total == ZERO


@kernel
def project(
    begin, end, means, quats, log_scales, logits, sh, camera, normals,
    records, integers, extra, keys, tiles, rows, scratch,
):  # fmt: skip
    """Write the records of splats `begin` to `end`, their sorting keys, and how many tiles each touches.

    `integers` are the same records seen as int32; `rows` (8 int64) and `scratch` are this thread's own.
    """
    colors, basis = scratch[PAYLOAD * COUNT :], scratch[BASIS_PLACE:]
    for first in range(begin, end, COUNT):
        lanes = pick_rows(first, end, rows)
        _find_drawable(means, logits, camera, rows, scratch)
        drawn = _any_drawn(scratch)
        if drawn:
            _project_eight(means, quats, log_scales, logits, camera, rows, scratch)
            if any_large(scratch, DRAWN, EXTENTS):
                _project_eight_large(means, quats, log_scales, logits, camera, rows, scratch)
            drawn = _any_drawn(scratch)
        if drawn:
            write_colors(means, sh, camera, rows, colors, basis)
        for lane in range(lanes):
            splat = first + lane
            keys[splat] = NEVER
            tiles[splat] = 0
            if drawn and scratch[DRAWN + lane] > ZERO:
                _write_record(splat, lane, scratch, records, integers, keys, tiles)
                if normals:
                    for axis in range(3):
                        extra[splat, axis] = scratch[NORMAL + axis * COUNT + lane]


@traced
def _find_drawable(means: Memory, logits: Memory, camera: Memory, rows: Rows, scratch: Memory) -> None:
    """Mark splats that are before the camera and not too faint."""
    near = to_camera(means, camera, rows)[2] > NEAR
    scratch.store(DRAWN, where(near & (log2_opacity(logits, rows) > LOG2_LEAST), 1, 0))


@part
def _any_drawn(scratch):
    total = ZERO
    for lane in range(COUNT):
        total += scratch[DRAWN + lane]
    return total > ZERO


@part
def any_large(scratch, drawn, extents):
    """Whether one of the eight is to be projected in float64."""
    large = bits_ge(load(scratch, extents), spread(LARGEST)) & bits_ge(load(scratch, drawn), spread(ONE))
    return large != 0


@traced
def _project_eight(
    means: Memory,
    quats: Memory,
    log_scales: Memory,
    logits: Memory,
    camera: Memory,
    rows: Rows,
    scratch: Memory,
) -> None:
    _fill_scratch(means, quats, log_scales, logits, camera, rows, scratch)


@traced
def _project_eight_large(
    means: Memory,
    quats: Memory,
    log_scales: Memory,
    logits: Memory,
    camera: Memory,
    rows: Rows,
    scratch: Memory,
) -> None:
    """Put what float64 gives in the place of what is there of large splats; others keep their bits."""
    _fill_scratch(
        means.widened(), quats.widened(), log_scales.widened(), logits.widened(), camera.widened(), rows,
        scratch.widened(),
    )  # fmt: skip


def _fill_scratch(
    means: Memory,
    quats: Memory,
    log_scales: Memory,
    logits: Memory,
    camera: Memory,
    rows: Rows,
    scratch: Memory,
) -> None:
    """Fill `scratch` with the records' columns, the box in the picture, and 1 for each splat that is drawn."""
    seen = project_splats(means, quats, log_scales, camera, rows)
    opacity = log2_opacity(logits, rows)
    fading = 0.5 * log2(maximum(dot(seen.area, seen.area), TINY) * seen.inverse_xx * seen.inverse_rest)
    opacity = opacity + camera.number(ANTIALIASED) * fading
    x, y, z = seen.center_cam
    column = camera.number(FOCAL) * (x * seen.inverse_z) + camera.number(MIDDLE)
    row = camera.number(FOCAL + 1) * (y * seen.inverse_z) + camera.number(MIDDLE + 1)
    values = [column, row, seen.inverse_xx, seen.slope, seen.inverse_rest, opacity]
    places = [place * COUNT for place in range(PAYLOAD)]

    # Where the splat is fainter than it may be, it is not drawn: an ellipse, here the box round it.
    reach = sqrt(maximum(LN_4 * (opacity - LOG2_LEAST), 0))
    wide, high = reach * sqrt(dot(seen.u, seen.u) + BLUR), reach * sqrt(dot(seen.v, seen.v) + BLUR)
    left, right = (
        maximum(ceil(column - wide - 0.5), 0),
        minimum(floor(column + wide - 0.5), camera.number(SIZE) - 1),
    )
    top, bottom = (
        maximum(ceil(row - high - 0.5), 0),
        minimum(floor(row + high - 0.5), camera.number(SIZE + 1) - 1),
    )
    # Comparisons with NaN are false, so a splat whose projection overflows is not drawn.
    sound = (wide < HUGE) & (high < HUGE) & (column * column + row * row < HUGE)
    drawn = (scratch.load(DRAWN) > 0) & (reach > 0) & (left <= right) & (top <= bottom) & sound
    normal, _, sign = facing_normal(seen, camera)
    values += [z, left, right, top, bottom, where(drawn, 1, 0)]
    values += [sign * dot(normal, axis) for axis in camera_rows(camera)]
    values += [value.beyond_float32() for value in (column, row, seen.slope)]
    places += [(PAYLOAD + 3) * COUNT, LEFT, RIGHT, TOP, BOTTOM, DRAWN]
    places += [place + axis * COUNT for place in (NORMAL, RESTS) for axis in range(3)]
    if scratch.wide:
        large = scratch.load(EXTENTS) >= LARGE
        values = [where(large, value, scratch.load(place)) for value, place in zip(values, places, strict=True)]
    else:
        scratch.store(EXTENTS, seen.size)
    for value, place in zip(values, places, strict=True):
        scratch.store(place, value)


@part
def _write_record(splat, lane, scratch, records, integers, keys, tiles):
    for place in range(PAYLOAD + 4):
        records[splat, place] = scratch[place * COUNT + lane]
    left, right = np.int32(scratch[LEFT + lane]), np.int32(scratch[RIGHT + lane])
    top, bottom = np.int32(scratch[TOP + lane]), np.int32(scratch[BOTTOM + lane])
    integers[splat, COLUMNS] = left | (right << 16)
    integers[splat, ROWS] = top | (bottom << 16)
    integers[splat, NUMBER] = splat
    for place in range(3):
        records[splat, REST_X + place] = scratch[RESTS + place * COUNT + lane]
    keys[splat] = float_bits(records[splat, PAYLOAD + 3])
    tiles[splat] = touched_tiles(left, right + 1, top, bottom + 1)
