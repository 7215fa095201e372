"""The loss of a picture and its gradient in one sweep over the rows: nothing of the picture's size is kept.

Rows come in at the bottom of a ring. Each is filtered along x once; the window's rows in the ring are filtered
along y, which gives the statistics of one row, SSIM, and its derivatives by mean, squares and product. Those
are filtered in the same way (the window is symmetric), five rows behind, and give the gradient.

Of each row only that part is worked on whose window reaches what either picture covers: elsewhere both are
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
    LANES,
    RADIUS,
    SEEN,
    find_bounds,
    share_rows,
    widen,
)
from vivant.reconstruct.losses import C1 as SSIM_C1
from vivant.reconstruct.losses import C2 as SSIM_C2
from vivant.reconstruct.losses import WINDOW, LossConfig, Target, gaussian_window
from vivant.splat.rasterizer._vectors import load, spread, store, sum_lanes, where_ge

f4 = np.float32
HALF, ONE, TWO = f4(0.5), f4(1), f4(2)
C1, C2 = f4(SSIM_C1), f4(SSIM_C2)
PAD = 3 * RADIUS
"""Numbers that the window reaches past each end of a row; a pixel is three."""

W5, W4, W3, W2, W1, W0 = (f4(weight) for weight in gaussian_window()[: RADIUS + 1].tolist())
"""The window's weights, by the distance from its middle."""

FAST = {"contract", "arcp", "reassoc", "nsz"}
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
        spans = np.empty((height + 4 * RADIUS, 6), np.int64)
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
    size = 3 * (box[3] - box[2])
    room = (size + LANES - 1) // LANES * LANES
    line = room + 2 * PAD + LANES
    raw = np.zeros(4 * line, np.float32)
    ring = np.empty(WINDOW * 4 * room, np.float32)
    slopes = np.zeros(3 * line, np.float32)
    ring_slopes = np.zeros(WINDOW * 3 * room, np.float32)
    filtered = np.empty(4 * room, np.float32)
    weights, insides = np.zeros(room, np.float32), np.zeros(room, np.float32)
    for y in range(first - 2 * RADIUS, last + 2 * RADIUS):
        begin, end = spans[y + 2 * RADIUS, FILTERED], spans[y + 2 * RADIUS, FILTERED + 1]
        if begin < end:
            _fill(picture, truth, y, height, width, box, line, begin, end + 2 * PAD + LANES, raw)
            _along_x(raw, line, 4, room, begin, end, ring, (y + 4 * WINDOW) % WINDOW * 4 * room)
        middle = y - RADIUS
        if middle >= first - RADIUS:
            slot = (middle + 4 * WINDOW) % WINDOW * 3 * room
            begin, end = spans[middle + 2 * RADIUS, SEEN], spans[middle + 2 * RADIUS, SEEN + 1]
            if middle < box[0] or middle >= box[1]:
                ring_slopes[slot : slot + 3 * room] = 0
            elif begin < end:
                _spread(weight, middle, box, begin, end, weights)
                _along_y(ring, _rows(middle, 4 * room), 4, room, begin, end, filtered)
                lost = _compare(filtered, room, begin, end, weights, scales[1], slopes, line)
                if middle >= first and middle < last:
                    sums[middle, STRUCTURE] = lost
                _along_x(slopes, line, 3, room, begin, end, ring_slopes, slot)
        middle = y - 2 * RADIUS
        if middle >= first:
            to_color[3 * middle * width : 3 * (middle + 1) * width] = 0
            to_alpha[middle] = 0
            begin, end = spans[middle + 2 * RADIUS, COVERED], spans[middle + 2 * RADIUS, COVERED + 1]
            if begin < end:
                _along_y(ring_slopes, _rows(middle, 3 * room), 3, room, begin, end, filtered)
                _spread(weight, middle, box, begin, end, weights)
                _spread(truth_cover, middle, box, begin, end, insides)
                start = 3 * (middle * width + box[2])
                sums[middle, ABSOLUTE], sums[middle, SQUARED] = _finish_color(
                    picture, truth, start, begin, min(end, size), weights, insides, scales[0], filtered, room,
                    to_color,
                )  # fmt: skip
                sums[middle, MASK] = _finish_alpha(
                    cover, truth_cover, weight, middle, extents[middle, 0], extents[middle, 1], scales[2],
                    to_alpha,
                )  # fmt: skip


@kernel(fastmath=FAST)
def _fill(picture, truth, y, height, width, box, line, begin, end, raw):
    """Part of a row of both pictures, shifted by a half; the sum of their squares and their product."""
    left = 3 * box[2] - PAD
    low, high = max(begin, -left), min(end, 3 * width - left)
    if y < 0 or y >= height or low >= high:
        low = high = end
    for k in range(begin, low):
        raw[k] = -HALF
        raw[line + k] = -HALF
    for k in range(high, end):
        raw[k] = -HALF
        raw[line + k] = -HALF
    start = 3 * y * width + left
    whole = low + (high - low) // LANES * LANES
    for k in range(low, whole, LANES):
        store(raw, k, load(picture, start + k) - HALF)
        store(raw, line + k, load(truth, start + k) - HALF)
    for k in range(whole, high):
        raw[k] = picture[start + k] - HALF
        raw[line + k] = truth[start + k] - HALF
    whole = begin + (end - begin) // LANES * LANES
    for k in range(begin, whole, LANES):
        a, b = load(raw, k), load(raw, line + k)
        store(raw, 2 * line + k, a * a + b * b)
        store(raw, 3 * line + k, a * b)
    for k in range(whole, end):
        a, b = raw[k], raw[line + k]
        raw[2 * line + k] = a * a + b * b
        raw[3 * line + k] = a * b


@kernel(fastmath=FAST)
def _weigh(array, at):
    """The window's weighted sum of eleven vectors, that start at the places `at`."""
    return (
        load(array, at[5]) * W0
        + (load(array, at[4]) + load(array, at[6])) * W1
        + (load(array, at[3]) + load(array, at[7])) * W2
        + (load(array, at[2]) + load(array, at[8])) * W3
        + (load(array, at[1]) + load(array, at[9])) * W4
        + (load(array, at[0]) + load(array, at[10])) * W5
    )


@kernel
def _rows(y, stride):
    """Where the ring keeps the eleven rows round one; rows may lie above the picture."""
    slot = (y - RADIUS + 4 * WINDOW) % WINDOW
    s0 = slot * stride
    s1 = (slot + 1) % WINDOW * stride
    s2 = (slot + 2) % WINDOW * stride
    s3 = (slot + 3) % WINDOW * stride
    s4 = (slot + 4) % WINDOW * stride
    s5 = (slot + 5) % WINDOW * stride
    s6 = (slot + 6) % WINDOW * stride
    s7 = (slot + 7) % WINDOW * stride
    s8 = (slot + 8) % WINDOW * stride
    s9 = (slot + 9) % WINDOW * stride
    s10 = (slot + 10) % WINDOW * stride
    return s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10


@kernel
def _shifted(at, k):
    return (
        at[0] + k, at[1] + k, at[2] + k, at[3] + k, at[4] + k, at[5] + k,
        at[6] + k, at[7] + k, at[8] + k, at[9] + k, at[10] + k,
    )  # fmt: skip


@kernel(fastmath=FAST)
def _along_x(rows, line, count, room, begin, end, out, start):
    """Filter some padded rows along x."""
    taps = (0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)
    for row in range(count):
        for k in range(begin, end, LANES):
            store(out, start + row * room + k, _weigh(rows, _shifted(taps, row * line + k)))


@kernel(fastmath=FAST)
def _along_y(ring, at, count, room, begin, end, out):
    """Filter the ring's rows along y; the fields of a row lie one after the other."""
    for field in range(count):
        for k in range(field * room + begin, field * room + end, LANES):
            store(out, k, _weigh(ring, _shifted(at, k)))


@kernel(fastmath=FAST)
def _compare(filtered, room, begin, end, weights, scale, slopes, line):
    """SSIM of one row: gives the weighted sum of 1 - SSIM, and writes its derivatives.

    With m the means (n the shifted ones), q the mean of squares and r that of products: SSIM = (2 m1 m2 + C1)
    (2 (r - n1 n2) + C2) / ((m1^2 + m2^2 + C1) (q - n1^2 - n2^2 + C2)). What fills the last vector up has weight
    0.
    """
    zero = spread(f4(0))
    lost = zero
    for row in range(3):
        # What another row left here is no slope of this one.
        slopes[row * line + begin : row * line + begin + PAD] = 0
        slopes[row * line + end + PAD : row * line + end + 2 * PAD + LANES] = 0
    for k in range(begin, end, LANES):
        n1, n2 = load(filtered, k), load(filtered, room + k)
        q, r = load(filtered, 2 * room + k), load(filtered, 3 * room + k)
        m1, m2 = n1 + HALF, n2 + HALF
        a1 = m1 * m2 * TWO + C1
        a2 = (r - n1 * n2) * TWO + C2
        b1 = m1 * m1 + m2 * m2 + C1
        b2 = q - n1 * n1 - n2 * n2 + C2
        both = ONE / (b1 * b2)
        i1, i2 = both * b2, both * b1
        ssim = a1 * a2 * both
        weight = load(weights, k)
        lost = lost + weight * (ONE - ssim)
        # Negative slopes of SSIM, because 1 - SSIM is what costs.
        up = weight * (scale * TWO)
        down = zero - up
        to_mean = (m2 * a2 - n2 * a1) * both + ssim * (n1 * i2 - m1 * i1)
        store(slopes, PAD + k, down * to_mean)
        store(slopes, line + PAD + k, up * (ssim * i2))
        store(slopes, 2 * line + PAD + k, down * (a1 * both))
    return sum_lanes(lost)


@kernel
def _spread(values, y, box, begin, end, out):
    """One pixel's value for its three channels."""
    for x in range(begin // 3, min((end + 2) // 3, box[3] - box[2])):
        value = values[y, box[2] + x]
        out[3 * x] = value
        out[3 * x + 1] = value
        out[3 * x + 2] = value


@kernel(fastmath=FAST)
def _finish_color(
    picture, truth, start, begin, end, weights, insides, scale, filtered, room, to_color
):  # fmt: skip
    """Gradient of one row of colours, and the sums that need no window."""
    zero, one = spread(f4(0)), spread(ONE)
    absolute, squared = zero, zero
    whole = begin + (end - begin) // LANES * LANES
    for k in range(begin, whole, LANES):
        a, b, w = load(picture, start + k), load(truth, start + k), load(weights, k)
        difference = a - b
        sign = where_ge(difference, zero, where_ge(zero, difference, zero, one), zero - one)
        absolute = absolute + w * difference * sign
        squared = squared + load(insides, k) * difference * difference
        by_window = (a - HALF) * load(filtered, room + k) + (b - HALF) * load(filtered, 2 * room + k)
        store(to_color, start + k, w * sign * scale + load(filtered, k) + by_window)
    sum_absolute, sum_squared = sum_lanes(absolute), sum_lanes(squared)
    for k in range(whole, end):
        a, b, w = picture[start + k], truth[start + k], weights[k]
        difference = a - b
        sign = f4(difference > 0) - f4(difference < 0)
        sum_absolute += w * difference * sign
        sum_squared += insides[k] * difference * difference
        by_window = (a - HALF) * filtered[room + k] + (b - HALF) * filtered[2 * room + k]
        to_color[start + k] = w * sign * scale + filtered[k] + by_window
    return sum_absolute, sum_squared


@kernel(fastmath=FAST)
def _finish_alpha(cover, truth_cover, weight, y, left, right, scale, to_alpha):
    """Gradient of one row of alpha, and its weighted difference."""
    zero, one = spread(f4(0)), spread(ONE)
    total, start = zero, y * cover.shape[1] + left
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
