"""The loss of a picture and its gradient in one sweep over the rows: nothing of the picture's size is kept.

Rows come in at the bottom of a ring, four a turn. Each is filtered along x once; the window's rows in the ring
are filtered along y, which gives the statistics of four rows, SSIM, and its derivatives by mean, squares and
product. Those are filtered in the same way (the window is symmetric), five rows behind, and give the gradient.

Of the rows only that part is worked on whose window reaches what either picture covers: elsewhere both are
background, SSIM is 1 and has no slope. Threads take rows of about equal work.

Half is subtracted from all colours: variances stay what they are, and float32 loses a quarter as much to
cancellation. What lies outside the picture is 0, so minus a half.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads, thread_count
from vivant.reconstruct._extents_numba import (
    COVERED,
    FILTERED,
    SEEN,
    count_turns,
    find_bounds,
    share_rows,
    widen,
)
from vivant.reconstruct._window_numba import (
    BLOCK,
    FAST,
    RADIUS,
    RING,
    filter_along_x,
    filter_along_y,
    ring_place,
)
from vivant.reconstruct.losses import C1 as SSIM_C1
from vivant.reconstruct.losses import C2 as SSIM_C2
from vivant.reconstruct.losses import WINDOW, LossConfig, Target
from vivant.splat.rasterizer._lanes import COUNT as LANES
from vivant.splat.rasterizer._lanes import Memory, traced
from vivant.splat.rasterizer._vectors import load, spread, store, sum_lanes, where_ge

f4 = np.float32
HALF, ONE, TWO = f4(0.5), f4(1), f4(2)
C1, C2 = f4(SSIM_C1), f4(SSIM_C2)
PAD = 3 * RADIUS
"""Numbers that the window reaches past each end of a row; a pixel is three."""

CHUNK = 256
"""Numbers of a row that go through all steps together, while they are in the nearest cache."""

LINE = 16
"""Numbers by which rows lie apart beyond their own: else, at some widths, all would share the same places in
the cache."""

PITCH = CHUNK + LINE

ABSOLUTE, STRUCTURE, MASK, SQUARED = range(4)


def loss(
    color: Tensor, alpha: Tensor, target: Target, config: LossConfig, threads: int | None
) -> tuple[Tensor, tuple[float, float, float, float]]:
    """Total with gradient; absolute, structure, mask and squared difference."""
    parts: list[float] = []
    total = _Loss.apply(color, alpha, target, config, threads or thread_count(), parts)
    return total, tuple(parts)  # type: ignore[return-value]


class _Loss(torch.autograd.Function):
    """Both passes at once: the gradient waits until it is asked for."""

    @staticmethod
    def forward(
        context: Any, color: Tensor, alpha: Tensor, target: Target, config: LossConfig, threads: int,
        parts: list[float],
    ) -> Tensor:  # fmt: skip
        """Sweep."""
        picture, cover = (value.detach().contiguous().numpy() for value in (color, alpha))
        truth, truth_cover, weight = (
            value.contiguous().numpy() for value in (target.color, target.alpha, target.weight)
        )
        height = len(cover)
        box, extents = np.empty(4, np.int64), np.empty((height, 2), np.int64)
        find_bounds(cover, truth_cover, box, extents)
        spans = np.empty((count_turns(int(box[1] - box[0])), 6), np.int64)
        widen(extents, box, spans)
        to_color, to_alpha = np.empty_like(picture), np.empty_like(cover)
        sums = np.zeros((height, 4), f4)
        scales = np.array([(1 - config.ssim) / 3, config.ssim / 3, config.mask]) / target.area
        rows = int(box[1] - box[0])
        threads = max(1, min(threads, rows // (4 * WINDOW)))
        ends = share_rows(spans, box, threads)
        # Above and below the box nothing but zeros is told; within, a row is emptied before its turn.
        for gradient in (to_color, to_alpha):
            gradient[: ends[0]], gradient[ends[-1] :] = 0, 0

        def work(thread: int) -> None:
            _sweep(picture.reshape(-1), cover, truth.reshape(-1), truth_cover, weight, box, extents, spans,
                   scales.astype(f4), ends[thread], ends[thread + 1], to_color.reshape(-1), to_alpha,
                   sums)  # fmt: skip

        if rows:
            run_on_threads(work, threads)
        absolute, structure, mask, squared = sums.sum(0, dtype=np.float64) / target.area
        parts[:] = [float(absolute) / 3, float(structure) / 3, float(mask), float(squared) / 3]
        context.gradients = (torch.from_numpy(to_color), torch.from_numpy(to_alpha))
        total = (1 - config.ssim) * parts[0] + config.ssim * parts[1] + config.mask * parts[2]
        return color.new_tensor(total)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Hand out what the sweep found."""
        factor = float(gradient)
        color, alpha = context.gradients
        if factor != 1:
            color, alpha = color * factor, alpha * factor
        return color, alpha, None, None, None, None


@kernel(fastmath=FAST)
def _sweep(
    picture, cover, truth, truth_cover, weight, box, extents, spans, scales, first, last,
    to_color, to_alpha, sums,
):  # fmt: skip
    """Losses and gradients of rows `first` to `last`."""
    height, width = cover.shape
    # A row of work holds the box's columns, filled up to whole vectors, and the window's reach at both ends.
    room = (3 * (box[3] - box[2]) + LANES - 1) // LANES * LANES
    line = room + 2 * PAD + LANES
    raw = np.empty(4 * line, np.float32)
    ring = np.zeros(RING * (4 * room + LINE), np.float32)
    slopes = np.empty(BLOCK * 3 * line, np.float32)
    ring_slopes = np.empty(RING * (3 * room + LINE), np.float32)
    filtered = np.empty(BLOCK * 4 * PITCH, np.float32)
    weights, insides = np.zeros(BLOCK * room, np.float32), np.zeros(BLOCK * room, np.float32)
    for y in range(first - 2 * RADIUS, last + 2 * RADIUS, BLOCK):
        turn = (y + 2 * RADIUS - box[0]) // BLOCK
        begin, end = spans[turn, FILTERED], spans[turn, FILTERED + 1]
        for row in range(y, y + BLOCK):
            if begin < end:
                _fill(picture, truth, row, height, width, box, line, begin, end + 2 * PAD + LANES, raw)
                place = ring_place(row, 4 * room + LINE)
                filter_along_x(raw, 0, line, 4, room, begin, end, ring, place)
        begin, end = spans[turn, SEEN], spans[turn, SEEN + 1]
        # The topmost rows of the first such block are wrong, for lack of rows above, and never read.
        if y > first - BLOCK and begin < end:
            _compare_rows(
                ring, y - RADIUS, room, begin, end, box, weight, scales[1], weights, filtered, slopes, line,
                ring_slopes, first, last, sums,
            )  # fmt: skip
        if y >= first + 2 * RADIUS:
            begin, end = spans[turn, COVERED], spans[turn, COVERED + 1]
            _finish_rows(
                ring_slopes, y - 2 * RADIUS, room, begin, end, last, picture, truth, cover, truth_cover, weight,
                box, extents, scales, weights, insides, filtered, to_color, to_alpha, sums,
            )  # fmt: skip


@kernel(fastmath=FAST)
def _fill(picture, truth, y, height, width, box, line, begin, end, raw):
    """Part of a row of both pictures, shifted by a half; the sum of their squares and their product."""
    left = 3 * box[2] - PAD
    low, high = max(begin, -left), min(end, 3 * width - left)
    if y < 0 or y >= height or low >= high:
        low = high = end
    for k in range(begin, low):
        _put(raw, line, k, -HALF, -HALF)
    for k in range(high, end):
        _put(raw, line, k, -HALF, -HALF)
    start = 3 * y * width + left
    whole = low + (high - low) // LANES * LANES
    for k in range(low, whole, LANES):
        a, b = load(picture, start + k) - HALF, load(truth, start + k) - HALF
        store(raw, k, a)
        store(raw, line + k, b)
        store(raw, 2 * line + k, a * a + b * b)
        store(raw, 3 * line + k, a * b)
    for k in range(whole, high):
        _put(raw, line, k, picture[start + k] - HALF, truth[start + k] - HALF)


@kernel(fastmath=FAST)
def _put(raw, line, k, a, b):
    raw[k] = a
    raw[line + k] = b
    raw[2 * line + k] = a * a + b * b
    raw[3 * line + k] = a * b


@kernel(fastmath=FAST)
def _compare_rows(
    ring, y, room, begin, end, box, weight, scale, weights, filtered, slopes, line, ring_slopes, first, last,
    sums,
):  # fmt: skip
    """SSIM of a block of rows, and its derivatives filtered along x."""
    for row in range(BLOCK):
        if y + row < box[0] or y + row >= box[1]:
            weights[row * room + begin : row * room + end] = 0
        else:
            _spread_row(weight, y + row, box, begin, end, weights, row * room)
        for field in range(3):
            # What another row left here is no slope of this one.
            start = (3 * row + field) * line
            slopes[start + begin : start + begin + PAD] = 0
            slopes[start + end + PAD : start + end + 2 * PAD + LANES] = 0
    lost = np.zeros(BLOCK, np.float32)
    for k in range(begin, end, CHUNK):
        stop = min(k + CHUNK, end)
        filter_along_y(ring, y, 4 * room + LINE, 4, room, k, stop, filtered, PITCH)
        for row in range(BLOCK):
            lost[row] += _compare(
                filtered, 4 * row * PITCH, stop - k, weights, row * room + k, scale,
                slopes, 3 * row * line + PAD + k, line,
            )  # fmt: skip
    for row in range(BLOCK):
        if y + row >= first and y + row < last:
            sums[y + row, STRUCTURE] = lost[row]
        place = ring_place(y + row, 3 * room + LINE)
        filter_along_x(slopes, 3 * row * line, line, 3, room, begin, end, ring_slopes, place)


@kernel(fastmath=FAST)
def _compare(filtered, at, count, weights, weights_at, scale, slopes, slopes_at, line):
    """SSIM of a part of a row: gives the weighted sum of 1 - SSIM, and writes its derivatives.

    With m the means (n the shifted ones), q the mean of squares and r that of products: SSIM = (2 m1 m2 + C1)
    (2 (r - n1 n2) + C2) / ((m1^2 + m2^2 + C1) (q - n1^2 - n2^2 + C2)). What fills the last vector up has weight
    0.
    """
    zero = spread(f4(0))
    lost = zero
    for k in range(0, count, LANES):
        n1, n2 = load(filtered, at + k), load(filtered, at + PITCH + k)
        q, r = load(filtered, at + 2 * PITCH + k), load(filtered, at + 3 * PITCH + k)
        m1, m2 = n1 + HALF, n2 + HALF
        a1 = m1 * m2 * TWO + C1
        a2 = (r - n1 * n2) * TWO + C2
        b1 = m1 * m1 + m2 * m2 + C1
        b2 = q - n1 * n1 - n2 * n2 + C2
        both = ONE / (b1 * b2)
        i1, i2 = both * b2, both * b1
        ssim = a1 * a2 * both
        weight = load(weights, weights_at + k)
        lost = lost + weight * (ONE - ssim)
        # Negative slopes of SSIM, because 1 - SSIM is what costs.
        up = weight * (scale * TWO)
        down = zero - up
        to_mean = (m2 * a2 - n2 * a1) * both + ssim * (n1 * i2 - m1 * i1)
        store(slopes, slopes_at + k, down * to_mean)
        store(slopes, slopes_at + line + k, up * (ssim * i2))
        store(slopes, slopes_at + 2 * line + k, down * (a1 * both))
    return sum_lanes(lost)


@kernel(fastmath=FAST)
def _finish_rows(
    ring_slopes, y, room, begin, end, last, picture, truth, cover, truth_cover, weight, box, extents, scales,
    weights, insides, filtered, to_color, to_alpha, sums,
):  # fmt: skip
    """Gradient of a block of rows, and the sums that need no window; nothing for rows from `last` on."""
    width = cover.shape[1]
    rows = min(BLOCK, last - y)
    for row in range(rows):
        left, right = _ends(extents, y + row, box)
        start = 3 * ((y + row) * width + box[2])
        to_color[start - 3 * box[2] : start + left] = 0
        to_color[start + right : start + 3 * (width - box[2])] = 0
        if left < right:
            _spread_row(weight, y + row, box, left, right, weights, row * room)
            _spread_row(truth_cover, y + row, box, left, right, insides, row * room)
            sums[y + row, MASK] = _finish_alpha(
                cover,
                truth_cover,
                weight,
                y + row,
                extents[y + row, 0],
                extents[y + row, 1],
                scales[2],
                to_alpha,
            )
        else:
            to_alpha[y + row] = 0
    for k in range(begin, end, CHUNK):
        stop = min(k + CHUNK, end)
        filter_along_y(ring_slopes, y, 3 * room + LINE, 3, room, k, stop, filtered, PITCH)
        for row in range(rows):
            left, right = _ends(extents, y + row, box)
            left, right = max(left, k), min(right, stop)
            if left < right:
                absolute, squared = _finish_color(
                    picture, truth, 3 * ((y + row) * width + box[2]), left, right, weights, insides, row * room,
                    scales[0], filtered, 3 * row * PITCH - k, to_color,
                )  # fmt: skip
                sums[y + row, ABSOLUTE] += absolute
                sums[y + row, SQUARED] += squared


@kernel
def _ends(extents, y, box):
    """What is covered of a row, in whole vectors from the box's left side, but not beyond the box."""
    if extents[y, 0] >= extents[y, 1]:
        return 0, 0
    left = 3 * (extents[y, 0] - box[2]) // LANES * LANES
    right = (3 * (extents[y, 1] - box[2]) + LANES - 1) // LANES * LANES
    return left, min(right, 3 * (box[3] - box[2]))


@kernel
def _spread_row(values, y, box, begin, end, out, start):
    """One pixel's value for its three channels."""
    x, last = begin // 3, min((end + 2) // 3, box[3] - box[2])
    place = y * values.shape[1] + box[2]
    while x + LANES <= last:
        _spread_eight(values, place + x, out, start + 3 * x)
        x += LANES
    while x < last:
        value = values[y, box[2] + x]
        out[start + 3 * x] = value
        out[start + 3 * x + 1] = value
        out[start + 3 * x + 2] = value
        x += 1


@traced
def _spread_eight(values: Memory, place, out: Memory, start) -> None:
    value = values.load(place)
    out.store_three(start, (value, value, value))


@kernel(fastmath=FAST)
def _finish_color(
    picture, truth, start, begin, end, weights, insides, spread_at, scale, filtered, at, to_color
):  # fmt: skip
    """Gradient of a part of a row of colours, and the sums that need no window."""
    zero, one = spread(f4(0)), spread(ONE)
    absolute, squared = zero, zero
    whole = begin + (end - begin) // LANES * LANES
    for k in range(begin, whole, LANES):
        a, b, w = load(picture, start + k), load(truth, start + k), load(weights, spread_at + k)
        difference = a - b
        sign = where_ge(difference, zero, where_ge(zero, difference, zero, one), zero - one)
        absolute = absolute + w * difference * sign
        squared = squared + load(insides, spread_at + k) * difference * difference
        by_square, by_product = load(filtered, at + PITCH + k), load(filtered, at + 2 * PITCH + k)
        by_window = load(filtered, at + k) + (a - HALF) * by_square + (b - HALF) * by_product
        store(to_color, start + k, w * sign * scale + by_window)
    sum_absolute, sum_squared = sum_lanes(absolute), sum_lanes(squared)
    for k in range(whole, end):
        a, b, w = picture[start + k], truth[start + k], weights[spread_at + k]
        difference = a - b
        sign = f4(difference > 0) - f4(difference < 0)
        sum_absolute += w * difference * sign
        sum_squared += insides[spread_at + k] * difference * difference
        by_square, by_product = filtered[at + PITCH + k], filtered[at + 2 * PITCH + k]
        by_window = filtered[at + k] + (a - HALF) * by_square + (b - HALF) * by_product
        to_color[start + k] = w * sign * scale + by_window
    return sum_absolute, sum_squared


@kernel(fastmath=FAST)
def _finish_alpha(cover, truth_cover, weight, y, left, right, scale, to_alpha):
    """Gradient of one row of alpha, and its weighted difference."""
    zero, one = spread(f4(0)), spread(ONE)
    total, start = zero, y * cover.shape[1] + left
    to_alpha[y, :left] = 0
    to_alpha[y, right:] = 0
    whole = (right - left) // LANES * LANES
    for k in range(start, start + whole, LANES):
        w, difference = load(weight, k), load(cover, k) - load(truth_cover, k)
        sign = where_ge(difference, zero, where_ge(zero, difference, zero, one), zero - one)
        total = total + w * difference * sign
        store(to_alpha, k, w * sign * scale)
    summed = sum_lanes(total)
    for x in range(left + whole, right):
        w, difference = weight[y, x], cover[y, x] - truth_cover[y, x]
        sign = f4(difference > 0) - f4(difference < 0)
        summed += w * difference * sign
        to_alpha[y, x] = w * sign * scale
    return summed
