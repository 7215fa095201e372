"""The Gaussian window of SSIM along x and along y, compiled.

Along y four rows are made together: fourteen rows are read for them, not four times eleven.
"""

import numpy as np

from vivant.core.jit import kernel
from vivant.reconstruct.losses import WINDOW, gaussian_window
from vivant.splat.rasterizer._lanes import COUNT as LANES
from vivant.splat.rasterizer._vectors import load, store

RADIUS = WINDOW // 2
BLOCK = 4
"""Rows that are filtered along y together."""

RING = 16
"""Rows that are kept: a block's and the window's, filled up to a power of two."""

f4 = np.float32
W5, W4, W3, W2, W1, W0 = (f4(weight) for weight in gaussian_window()[: RADIUS + 1].tolist())
"""The window's weights, by the distance from its middle."""

FAST = {"contract", "arcp", "reassoc", "nsz"}


@kernel
def ring_place(y, stride):
    """Where the ring keeps a row; rows may lie above the picture."""
    return ((y + 2 * RING) & (RING - 1)) * stride


@kernel(fastmath=FAST)
def filter_along_x(rows, at, line, count, room, begin, end, out, start):
    """Filter some padded rows of triples, the first of which starts at a place, along x."""
    for row in range(count):
        for k in range(begin, end, LANES):
            i = at + row * line + k
            store(out, start + row * room + k, _weigh(
                load(rows, i), load(rows, i + 3), load(rows, i + 6), load(rows, i + 9), load(rows, i + 12),
                load(rows, i + 15), load(rows, i + 18), load(rows, i + 21), load(rows, i + 24),
                load(rows, i + 27), load(rows, i + 30),
            ))  # fmt: skip


@kernel(fastmath=FAST)
def _weigh(a, b, c, d, e, f, g, h, i, j, k):
    """The window's weighted sum of eleven vectors."""
    return f * W0 + (e + g) * W1 + (d + h) * W2 + (c + i) * W3 + (b + j) * W4 + (a + k) * W5


@kernel(fastmath=FAST)
def filter_along_y(ring, y, stride, count, room, begin, end, out, pitch):
    """Filter columns `begin` to `end` of a block of rows, of which `y` is the first, along y.

    The fields of a row lie one after the other in the ring; `out` gets `pitch` numbers for each row and field.
    """
    top = y - RADIUS
    p0, p1 = ring_place(top, stride), ring_place(top + 1, stride)
    p2, p3 = ring_place(top + 2, stride), ring_place(top + 3, stride)
    p4, p5 = ring_place(top + 4, stride), ring_place(top + 5, stride)
    p6, p7 = ring_place(top + 6, stride), ring_place(top + 7, stride)
    p8, p9 = ring_place(top + 8, stride), ring_place(top + 9, stride)
    p10, p11 = ring_place(top + 10, stride), ring_place(top + 11, stride)
    p12, p13 = ring_place(top + 12, stride), ring_place(top + 13, stride)
    for field in range(count):
        for k in range(begin, end, LANES):
            i, o = field * room + k, field * pitch + k - begin
            r0, r1, r2, r3 = load(ring, p0 + i), load(ring, p1 + i), load(ring, p2 + i), load(ring, p3 + i)
            r4, r5, r6, r7 = load(ring, p4 + i), load(ring, p5 + i), load(ring, p6 + i), load(ring, p7 + i)
            r8, r9, r10, r11 = load(ring, p8 + i), load(ring, p9 + i), load(ring, p10 + i), load(ring, p11 + i)
            r12, r13 = load(ring, p12 + i), load(ring, p13 + i)
            first = _weigh(r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10)
            second = _weigh(r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11)
            third = _weigh(r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12)
            fourth = _weigh(r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13)
            store(out, o, first)
            store(out, o + count * pitch, second)
            store(out, o + 2 * count * pitch, third)
            store(out, o + 3 * count * pitch, fourth)
