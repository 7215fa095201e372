"""Kernel that takes gradients of a tile's pixels back to the splats that were blended there.

It goes front to back a second time, as forward does. What lies behind a splat is known without going back to
front: it is the pixel's final value less what was blended so far. Each splat has a slot of its own for each
tile, so threads never meet.

A slot holds sums over pixels, with v the gradient by the logarithm of alpha, d = dx, and o = dy - slope dx: v,
v d, v d^2, v o, v d o, v o^2, then the gradient of the payload.
"""

import numpy as np

from vivant.core.instructions import leading_zeros, prefetch, trailing_zeros
from vivant.core.jit import kernel, part
from vivant.core.tiles import TILE, next_tile, tile_box
from vivant.splat.rasterizer._blend import (
    AHEAD,
    ALL_ROWS,
    BACKWARD_PLANES,
    EXPONENT_LEAST,
    EXPONENT_MOST,
    HALF_LOG2_E,
    LEAST_ALPHA,
    LEAST_LIGHT,
    MOST_ALPHA,
    NO_ROW,
    ONE,
    PITCH,
    PLANE,
    REFRESH,
    TWO,
    ZERO,
    chain_length,
    close_rows,
    open_tile,
)
from vivant.splat.rasterizer._lanes import COUNT, Memory, traced
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
    exp2,
    iota,
    load,
    maximum,
    minimum,
    spread,
    store,
    sum_lanes,
    where_ge,
)

f32, f64 = np.float32, np.float64
SLOT = 16
"""Numbers in a slot: one line of cache."""


@kernel
def blend_tiles_backward(
    ticket, tile_order, tiles_across, width, height, records, integers, tile_starts, tile_splats, tile_slots,
    planes, open_rows, color, depth, alpha, extra, grad_color, grad_depth, grad_alpha, grad_extra, deep, group,
    slots,
):  # fmt: skip
    """Fill the slots of all splats; threads draw tickets for tiles. `deep` tells that depth has a gradient."""
    while True:
        tile = next_tile(ticket, tile_order)
        if tile < 0:
            break
        begin, end = tile_starts[tile], tile_starts[tile + 1]
        if begin == end:
            continue
        left, right, top, bottom = tile_box(tile, tiles_across, width, height)
        _empty_planes(planes, right - left, bottom - top, group >= 0)
        open_tile(planes, open_rows, right - left, bottom - top)
        if group < 0:
            _read_picture(left, top, right, bottom, planes, color, alpha, grad_color, grad_alpha)
            if deep:
                _read_depth(left, top, right, bottom, planes, depth, grad_depth)
        else:
            _read_extra(left, top, right, bottom, planes, extra, grad_extra, group)
        # Without a gradient of depth the fourth number of the payload gets none: a shorter loop.
        if deep or group >= 0:
            _blend_backward(
                begin, end, left, top, records, integers, tile_splats, tile_slots, planes, open_rows,
                slots, True,
            )  # fmt: skip
        else:
            _blend_backward(
                begin, end, left, top, records, integers, tile_splats, tile_slots, planes, open_rows,
                slots, False,
            )  # fmt: skip


@part
def _empty_planes(planes, columns, rows, all_columns):
    """Empty what the picture does not fill: strips overhang a tile, and nothing there may be NaN."""
    if all_columns or columns < TILE or rows < TILE:
        planes[: BACKWARD_PLANES * PLANE] = ZERO
        return
    nothing = spread(ZERO)
    for place in range(TILE, BACKWARD_PLANES * PLANE, PITCH):
        store(planes, place, nothing)


@part
def _read_picture(left, top, right, bottom, planes, color, alpha, grad_color, grad_alpha):
    """Planes: 1 what is still to come, 2 to 4 gradients of colour, 6 of alpha."""
    whole = left + (right - left) // COUNT * COUNT
    for row in range(top, bottom):
        for column in range(left, whole, COUNT):
            place, pixel = (row - top) * PITCH + column - left, row * color.shape[1] + column
            _read_eight(planes, place, color, grad_color, pixel * 3, alpha, grad_alpha, pixel)
        for column in range(whole, right):
            place = (row - top) * PITCH + column - left
            by_alpha = grad_alpha[row, column]
            total = by_alpha * alpha[row, column]
            for channel in range(3):
                by_color = grad_color[row, column, channel]
                planes[place + (2 + channel) * PLANE] = by_color
                total += by_color * color[row, column, channel]
            planes[place + PLANE] = total
            planes[place + 6 * PLANE] = by_alpha


@traced
def _read_eight(
    planes: Memory, place, color: Memory, grad_color: Memory, triple, alpha: Memory, grad_alpha: Memory, pixel
) -> None:
    planes = planes.part(place)
    by_alpha = grad_alpha.load(pixel)
    total = by_alpha * alpha.load(pixel)
    pairs = zip(grad_color.load_three(triple), color.load_three(triple), strict=True)
    for channel, (by_color, value) in enumerate(pairs):
        planes.store((2 + channel) * PLANE, by_color)
        total = total + by_color * value
    planes.store(PLANE, total)
    planes.store(6 * PLANE, by_alpha)


@part
def _read_depth(left, top, right, bottom, planes, depth, grad_depth):
    """Plane 5 gets the gradient of depth, and plane 1 what is still to come of it."""
    for row in range(top, bottom):
        for column in range(left, right):
            place = (row - top) * PITCH + column - left
            by_depth = grad_depth[row, column]
            planes[place + 5 * PLANE] = by_depth
            planes[place + PLANE] += by_depth * depth[row, column]


@part
def _read_extra(left, top, right, bottom, planes, extra, grad_extra, group):
    for row in range(top, bottom):
        for column in range(left, right):
            place = (row - top) * PITCH + column - left
            total = ZERO
            for channel in range(min(4, extra.shape[2] - group * 4)):
                by_extra = grad_extra[row, column, group * 4 + channel]
                planes[place + (2 + channel) * PLANE] = by_extra
                total += by_extra * extra[row, column, group * 4 + channel]
            planes[place + PLANE] = total


@part
def _blend_backward(
    begin, end, left, top, records, integers, tile_splats, tile_slots, planes, open_rows, slots, fourth
):
    """Fill the slots of a tile's splats. `fourth` is known when this is compiled, once for either value."""
    align_stack()
    zero, one, lanes = spread(ZERO), spread(ONE), iota()
    least_light, least_alpha, most_alpha = spread(LEAST_LIGHT), spread(LEAST_ALPHA), spread(MOST_ALPHA)
    least, most = spread(EXPONENT_LEAST), spread(EXPONENT_MOST)
    entry = begin
    while entry < end:
        if (entry - begin) % REFRESH == REFRESH - 1 and not close_rows(planes, open_rows):
            break
        i = tile_splats[entry]
        if entry + AHEAD < end:
            prefetch(records, tile_splats[entry + AHEAD] * RECORD)
            prefetch(slots, tile_slots[entry + AHEAD] * SLOT)
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
        by_p0, by_p1, by_p2, by_p3 = zero, zero, zero, zero
        sum_v, sum_d, sum_dd, sum_o, sum_do, sum_oo = zero, zero, zero, zero, zero, zero
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
                    # Sums of sums: after the loop they give the moments of v over the rows.
                    once, twice, thrice = zero, zero, zero
                    for _ in range(row, stop):
                        light = load(planes, place)
                        full = where_ge(gauss, least_alpha, where_ge(light, least_light, gauss, zero), zero)
                        gauss = gauss * ratio
                        ratio = ratio * bend
                        alpha = minimum(full, most_alpha)
                        weight = alpha * light
                        store(planes, place, light - weight)
                        g0, g1 = load(planes, place + 2 * PLANE), load(planes, place + 3 * PLANE)
                        g2, value = load(planes, place + 4 * PLANE), load(planes, place + 6 * PLANE)
                        if fourth:
                            g3 = load(planes, place + 5 * PLANE)
                            value = g3 * p3 + value
                            by_p3 = weight * g3 + by_p3
                        value = g0 * p0 + (g1 * p1 + (g2 * p2 + value))
                        added = weight * value
                        behind = load(planes, place + PLANE) - added
                        store(planes, place + PLANE, behind)
                        v = where_ge(most_alpha, full, added - alpha / (one - alpha) * behind, zero)
                        by_p0 = weight * g0 + by_p0
                        by_p1 = weight * g1 + by_p1
                        by_p2 = weight * g2 + by_p2
                        once = once + v
                        twice = twice + once
                        thrice = thrice + twice
                        place += PITCH
                    off = spread(f32(stop - ridge)) - lean
                    sum_oo = sum_oo + (off * off * once - (TWO * off + ONE) * twice + TWO * thrice)
                    twice = off * once - twice
                    over = once * dx
                    sum_v = sum_v + once
                    sum_d = sum_d + over
                    sum_dd = over * dx + sum_dd
                    sum_o = sum_o + twice
                    sum_do = twice * dx + sum_do
                    row = stop
            column += COUNT
            away += COUNT
            ridge += rise
        slot = tile_slots[entry]
        slots[slot, 0], slots[slot, 1], slots[slot, 2] = sum_lanes(sum_v), sum_lanes(sum_d), sum_lanes(sum_dd)
        slots[slot, 3], slots[slot, 4], slots[slot, 5] = sum_lanes(sum_o), sum_lanes(sum_do), sum_lanes(sum_oo)
        slots[slot, 6], slots[slot, 7] = sum_lanes(by_p0), sum_lanes(by_p1)
        slots[slot, 8], slots[slot, 9] = sum_lanes(by_p2), sum_lanes(by_p3)
        entry += 1
    while entry < end:
        slot = tile_slots[entry]
        for place in range(10):
            slots[slot, place] = ZERO
        entry += 1
