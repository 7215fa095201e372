"""Kernel that blends the splats of one tile front to back, eight pixels of a row at a time.

Down the rows a Gaussian is not evaluated again: G(y+1) = G(y) R(y) and R(y+1) = R(y) K, because its exponent is
a square in y. The chain starts anew every few rows: else it would stay at 0 once it underflowed (on thin
splats, parts of which then vanish), and rounding would add up.
"""

import math

import numpy as np

from vivant.core.instructions import leading_zeros, prefetch, prefetch_to_write, trailing_zeros
from vivant.core.jit import kernel, part
from vivant.core.tiles import TILE, next_tile, tile_box
from vivant.splat.rasterizer._lanes import COUNT, Memory, traced
from vivant.splat.rasterizer._limits import ALPHA_LEAST, ALPHA_MOST, TRANSMITTANCE_LEAST
from vivant.splat.rasterizer._project import (
    CENTER_X,
    CENTER_Y,
    COLUMNS,
    INVERSE_REST,
    INVERSE_XX,
    LOG2_OPACITY,
    PAYLOAD,
    RECORD,
    REST_SLOPE,
    REST_X,
    REST_Y,
    ROWS,
    SLOPE,
)
from vivant.splat.rasterizer._vectors import (
    align_stack,
    bits_ge,
    exp2,
    iota,
    load,
    maximum,
    minimum,
    spread,
    store,
    where_ge,
)

f32, f64 = np.float32, np.float64
LEAST_ALPHA, MOST_ALPHA, LEAST_LIGHT = f32(ALPHA_LEAST), f32(ALPHA_MOST), f32(TRANSMITTANCE_LEAST)
ONE, TWO, ZERO = f32(1), f32(2), f32(0)
HALF_LOG2_E = f32(0.5 * np.log2(np.e))
EXPONENT_LEAST, EXPONENT_MOST = f32(-125), f32(120)
RESEED_SIGMA_SQUARED, RESEED_ROWS = f32(80), 16
AHEAD = 8
"""Splats, or rows of the picture, that memory is asked for before their turn."""

LINE = 16
"""Numbers in a line of cache."""


STRIPS = TILE // COUNT
PITCH = TILE + COUNT
"""Numbers between rows of a tile's plane: strips may start at any column and overhang."""

PLANE = TILE * PITCH
FORWARD_PLANES, BACKWARD_PLANES = 5, 7
ALL_ROWS = np.uint64(0xFFFFFFFFFFFFFFFF)
BIT = np.uint64(1)
NO_ROW = np.uint64(0)
REFRESH = 64
"""After so many splats a tile looks which of its rows are still open."""


@kernel
def blend_tiles(
    ticket, tile_order, tiles_across, width, height, background, records, integers, tile_starts, tile_splats,
    planes, open_rows, color, depth, alpha, extra, group,
):  # fmt: skip
    """Blend tiles until none is left; threads draw tickets for them.

    Group -1 writes colour, depth and alpha; group 0 and up write four channels of `extra` each.
    """
    while True:
        tile = next_tile(ticket, tile_order)
        if tile < 0:
            break
        left, right, top, bottom = tile_box(tile, tiles_across, width, height)
        begin, end = tile_starts[tile], tile_starts[tile + 1]
        if begin < end:
            planes[: FORWARD_PLANES * PLANE] = ZERO
            open_tile(planes, open_rows, right - left, bottom - top)
            _blend(begin, end, left, top, records, integers, tile_splats, planes, open_rows)
        if group < 0:
            _write_picture(begin < end, left, top, right, bottom, background, planes, color, depth, alpha)
        else:
            _write_extra(begin < end, left, top, right, bottom, planes, extra, group)


@part
def open_tile(planes, open_rows, columns, rows):
    """Full light in the first of a tile's planes, which are empty, where there are pixels."""
    for row in range(rows):
        planes[row * PITCH : row * PITCH + columns] = ONE
    open_rows[:] = NO_ROW
    all_rows = ALL_ROWS if rows >= 64 else (BIT << np.uint64(rows)) - BIT
    open_rows[:STRIPS] = all_rows


@part
def close_rows(planes, open_rows):
    """Strike out rows of strips that take no more light. True while any is open."""
    least, left = spread(LEAST_LIGHT), NO_ROW
    for strip in range(STRIPS):
        waiting, still = open_rows[strip], NO_ROW
        while waiting != NO_ROW:
            row = trailing_zeros(waiting)
            waiting = waiting & (waiting - BIT)
            if bits_ge(load(planes, np.int64(row) * PITCH + strip * COUNT), least) != 0:
                still |= BIT << row
        open_rows[strip] = still
        left |= still
    return left != NO_ROW


@part
def _blend(begin, end, left, top, records, integers, tile_splats, planes, open_rows):
    align_stack()
    zero, lanes = spread(ZERO), iota()
    least_light, least_alpha, most_alpha = spread(LEAST_LIGHT), spread(LEAST_ALPHA), spread(MOST_ALPHA)
    least, most = spread(EXPONENT_LEAST), spread(EXPONENT_MOST)
    for entry in range(begin, end):
        if (entry - begin) % REFRESH == REFRESH - 1 and not close_rows(planes, open_rows):
            break
        i = tile_splats[entry]
        if entry + AHEAD < end:
            prefetch(records, tile_splats[entry + AHEAD] * RECORD)
        columns, rows = integers[i, COLUMNS], integers[i, ROWS]
        first_column, last_column = max((columns & 0xFFFF) - left, 0), min((columns >> 16) - left, TILE - 1)
        first_row, last_row = max((rows & 0xFFFF) - top, 0), min((rows >> 16) - top, TILE - 1)
        in_box = (ALL_ROWS >> np.uint64(63 - (last_row - first_row))) << np.uint64(first_row)
        x = f64(records[i, CENTER_X]) + f64(records[i, REST_X]) - (left + 0.5)
        y = f64(records[i, CENTER_Y]) + f64(records[i, REST_Y]) - (top + 0.5)
        slope = f64(records[i, SLOPE]) + f64(records[i, REST_SLOPE])
        lean = records[i, SLOPE] * lanes
        across, down = -HALF_LOG2_E * records[i, INVERSE_XX], -HALF_LOG2_E * records[i, INVERSE_REST]
        opacity = spread(records[i, LOG2_OPACITY])
        p0, p1 = spread(records[i, PAYLOAD]), spread(records[i, PAYLOAD + 1])
        p2, p3 = spread(records[i, PAYLOAD + 2]), spread(records[i, PAYLOAD + 3])
        bend = exp2(spread(TWO * down))
        chain = chain_length(records[i, INVERSE_REST], last_row - first_row)
        column, away = first_column, first_column - x
        # A row less a needle's ridge is a small difference of large numbers: float64 until it is taken.
        ridge, rise = y + slope * away, COUNT * slope
        while column <= last_column:
            seen = (open_rows[column >> 3] | open_rows[(column >> 3) + 1]) & in_box
            if seen != NO_ROW:
                row, last = np.int64(trailing_zeros(seen)), 63 - np.int64(leading_zeros(seen))
                dx = lanes + spread(f32(away))
                peak = across * dx * dx + opacity
                while row <= last:
                    off = spread(f32(row - ridge)) - lean
                    power = down * off * off + peak
                    gauss = where_ge(power, least, exp2(maximum(power, least)), zero)
                    ratio = exp2(minimum(maximum(down * (TWO * off + ONE), least), most))
                    stop = min(last + 1, row + chain)
                    place = row * PITCH + column
                    for _ in range(row, stop):
                        light = load(planes, place)
                        alpha = where_ge(gauss, least_alpha, minimum(gauss, most_alpha), zero)
                        weight = where_ge(light, least_light, alpha, zero) * light
                        gauss = gauss * ratio
                        ratio = ratio * bend
                        store(planes, place, light - weight)
                        store(planes, place + PLANE, weight * p0 + load(planes, place + PLANE))
                        store(planes, place + 2 * PLANE, weight * p1 + load(planes, place + 2 * PLANE))
                        store(planes, place + 3 * PLANE, weight * p2 + load(planes, place + 3 * PLANE))
                        store(planes, place + 4 * PLANE, weight * p3 + load(planes, place + 4 * PLANE))
                        place += PITCH
                    row = stop
            column += COUNT
            away += COUNT
            ridge += rise


@part
def chain_length(inverse_rest, rows):
    """For how many rows the recurrence may run.

    Within 9 standard deviations nothing can have underflowed that would be seen again.
    """
    if inverse_rest * f32(rows * rows) > RESEED_SIGMA_SQUARED:
        return min(RESEED_ROWS, np.int64(math.sqrt(RESEED_SIGMA_SQUARED / inverse_rest)))
    return RESEED_ROWS


@part
def _write_picture(filled, left, top, right, bottom, background, planes, color, depth, alpha):
    """Put colour on the background. Eight pixels at a time; at the picture's right rim one by one."""
    whole = left + (right - left) // COUNT * COUNT
    for row in range(top, bottom):
        if row + AHEAD < bottom:
            pixel = (row + AHEAD) * color.shape[1] + left
            for place in range(0, right - left, LINE):
                prefetch_to_write(depth, pixel + place)
                prefetch_to_write(alpha, pixel + place)
                for third in range(3):
                    prefetch_to_write(color, 3 * (pixel + place) + third * LINE)
        for column in range(left, whole, COUNT):
            place, pixel = (row - top) * PITCH + column - left, row * color.shape[1] + column
            if filled:
                _write_eight(planes, place, background, color, pixel * 3, depth, alpha, pixel)
            else:
                _write_background(background, color, pixel * 3, depth, alpha, pixel)
        for column in range(whole, right):
            place = (row - top) * PITCH + column - left
            light = planes[place] if filled else ONE
            for channel in range(3):
                own = planes[place + (channel + 1) * PLANE] if filled else ZERO
                color[row, column, channel] = light * background[channel] + own
            depth[row, column] = planes[place + 4 * PLANE] if filled else ZERO
            alpha[row, column] = ONE - light


@traced
def _write_eight(
    planes: Memory, place, background: Memory, color: Memory, triple, depth: Memory, alpha: Memory, pixel
) -> None:
    planes = planes.part(place)
    light = planes.load(0)
    red, green, blue = (
        light * background.number(channel) + planes.load((channel + 1) * PLANE) for channel in range(3)
    )
    color.store_three(triple, (red, green, blue))
    depth.store(pixel, planes.load(4 * PLANE))
    alpha.store(pixel, 1 - light)


@traced
def _write_background(background: Memory, color: Memory, triple, depth: Memory, alpha: Memory, pixel) -> None:
    red, green, blue = (background.number(channel) for channel in range(3))
    color.store_three(triple, (red, green, blue))
    depth.fill(pixel, 0)
    alpha.fill(pixel, 0)


@part
def _write_extra(filled, left, top, right, bottom, planes, extra, group):
    for row in range(top, bottom):
        place = (row - top) * PITCH - left
        for column in range(left, right):
            for channel in range(min(4, extra.shape[2] - group * 4)):
                value = planes[place + column + (channel + 1) * PLANE] if filled else ZERO
                extra[row, column, group * 4 + channel] = value
