"""Kernels that blend the joints' transforms for each splat, and find the turn that comes nearest to the blend.

That turn is the rotation of the polar decomposition, found by Newton's iteration (Higham 1986). Splats go in
blocks whose numbers lie lane by lane.
"""

import numpy as np

from vivant.core.jit import kernel
from vivant.splat.rasterizer._vectors import load, store

ROW = 16
"""Numbers of a blended matrix in memory: twelve, filled up to two vectors."""

BLOCK = 128
NEWTON_STEPS = 9
"""At most: a block of splats that ride on one bone each needs two, round joints four."""

NEARLY = np.float32(1e-3)
"""By how much squared lengths of matrices may be too long before a block's last step, which squares errors."""

FAST = {"contract", "arcp", "reassoc", "nsz"}
"""Liberties with rounding; NaN and infinity stay what they are."""

f4 = np.float32
ONE, TWO, HALF = f4(1), f4(2), f4(0.5)


@kernel
def joints_exist(joints, first, last, count):
    """Whether all that these splats name are below a count."""
    flat = joints[first:last].reshape(-1)
    wrong = 0
    for i in range(flat.shape[0]):
        wrong += (flat[i] < 0) + (flat[i] >= count)
    return wrong == 0


@kernel(fastmath=FAST)
def blend_linear(joints, weights, table, first, last, affine, turns):
    """Blended matrices, and the quaternions of the rotations nearest to them."""
    a = np.zeros((9, BLOCK), np.float32)
    q = np.empty((4, BLOCK), np.float32)
    for start in range(first, last, BLOCK):
        count = min(BLOCK, last - start)
        for lane in range(count):
            i = start + lane
            low, high = load(table, ROW * joints[i, 0]), load(table, ROW * joints[i, 0] + 8)
            low, high = low * weights[i, 0], high * weights[i, 0]
            for influence in range(1, joints.shape[1]):
                weight, at = weights[i, influence], ROW * joints[i, influence]
                low = low + load(table, at) * weight
                high = high + load(table, at + 8) * weight
            store(affine, ROW * i, low)
            store(affine, ROW * i + 8, high)
            a[0, lane], a[1, lane], a[2, lane] = affine[i, 0], affine[i, 1], affine[i, 2]
            a[3, lane], a[4, lane], a[5, lane] = affine[i, 4], affine[i, 5], affine[i, 6]
            a[6, lane], a[7, lane], a[8, lane] = affine[i, 8], affine[i, 9], affine[i, 10]
        for lane in range(count, BLOCK):
            for k in range(9):
                a[k, lane] = ONE if k % 4 == 0 else f4(0)
        _polar(a)
        _quats_from_matrices(a, q)
        for lane in range(count):
            for k in range(4):
                turns[start + lane, k] = q[k, lane]


@kernel(fastmath=FAST)
def _polar(a):
    """Rotation part of each lane's matrix, in place.

    After a step no singular value is below 1: the squared length falls to 3, and tells how far there is to go.
    """
    for step in range(NEWTON_STEPS):
        excess = f4(0)
        for l in range(BLOCK):
            c0 = a[4, l] * a[8, l] - a[5, l] * a[7, l]
            c1 = a[5, l] * a[6, l] - a[3, l] * a[8, l]
            c2 = a[3, l] * a[7, l] - a[4, l] * a[6, l]
            c3 = a[2, l] * a[7, l] - a[1, l] * a[8, l]
            c4 = a[0, l] * a[8, l] - a[2, l] * a[6, l]
            c5 = a[1, l] * a[6, l] - a[0, l] * a[7, l]
            c6 = a[1, l] * a[5, l] - a[2, l] * a[4, l]
            c7 = a[2, l] * a[3, l] - a[0, l] * a[5, l]
            c8 = a[0, l] * a[4, l] - a[1, l] * a[3, l]
            s = HALF / (a[0, l] * c0 + a[1, l] * c1 + a[2, l] * c2)
            excess += (
                a[0, l] * a[0, l] + a[1, l] * a[1, l] + a[2, l] * a[2, l]
                + a[3, l] * a[3, l] + a[4, l] * a[4, l] + a[5, l] * a[5, l]
                + a[6, l] * a[6, l] + a[7, l] * a[7, l] + a[8, l] * a[8, l] - f4(3)
            )  # fmt: skip
            a[0, l] = HALF * a[0, l] + s * c0
            a[1, l] = HALF * a[1, l] + s * c1
            a[2, l] = HALF * a[2, l] + s * c2
            a[3, l] = HALF * a[3, l] + s * c3
            a[4, l] = HALF * a[4, l] + s * c4
            a[5, l] = HALF * a[5, l] + s * c5
            a[6, l] = HALF * a[6, l] + s * c6
            a[7, l] = HALF * a[7, l] + s * c7
            a[8, l] = HALF * a[8, l] + s * c8
        if step > 0 and excess <= NEARLY:
            break


@kernel(fastmath=FAST)
def _quats_from_matrices(a, q):
    """Of the four algebraic forms the one with the largest divisor, chosen without branches; w >= 0."""
    for l in range(BLOCK):
        d0, d1, d2 = a[0, l], a[4, l], a[8, l]
        x, y, z = a[7, l] - a[5, l], a[2, l] - a[6, l], a[3, l] - a[1, l]
        xy, xz, yz = a[1, l] + a[3, l], a[2, l] + a[6, l], a[5, l] + a[7, l]
        sw, sx, sy, sz = ONE + d0 + d1 + d2, ONE + d0 - d1 - d2, ONE - d0 + d1 - d2, ONE - d0 - d1 + d2
        best = sw
        q0, q1, q2, q3 = sw, x, y, z
        better = sx > best
        best = sx if better else best
        q0, q1, q2, q3 = (
            (x if better else q0),
            (sx if better else q1),
            (xy if better else q2),
            (xz if better else q3),
        )
        better = sy > best
        best = sy if better else best
        q0, q1, q2, q3 = (
            (y if better else q0),
            (xy if better else q1),
            (sy if better else q2),
            (yz if better else q3),
        )
        better = sz > best
        q0, q1, q2, q3 = (
            (z if better else q0),
            (xz if better else q1),
            (yz if better else q2),
            (sz if better else q3),
        )
        scale = ONE / np.sqrt(q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3)
        scale = -scale if q0 < 0 else scale
        q[0, l] = q0 * scale
        q[1, l] = q1 * scale
        q[2, l] = q2 * scale
        q[3, l] = q3 * scale


@kernel(fastmath=FAST)
def blend_dual(joints, weights, table, first, last, affine, turns):
    """Normalised sums of dual quaternions: the same two outputs as linear blending."""
    b = np.empty(8, np.float32)
    for i in range(first, last):
        heaviest = 0
        for influence in range(1, joints.shape[1]):
            if weights[i, influence] > weights[i, heaviest]:
                heaviest = influence
        pivot = joints[i, heaviest]
        b[:] = 0
        for influence in range(joints.shape[1]):
            weight, j = weights[i, influence], joints[i, influence]
            agreement = (
                table[j, 0] * table[pivot, 0] + table[j, 1] * table[pivot, 1]
                + table[j, 2] * table[pivot, 2] + table[j, 3] * table[pivot, 3]
            )  # fmt: skip
            if agreement < 0:
                weight = -weight
            for k in range(8):
                b[k] += weight * table[j, k]
        scale = ONE / np.sqrt(b[0] * b[0] + b[1] * b[1] + b[2] * b[2] + b[3] * b[3])
        for k in range(8):
            b[k] *= scale
        w, x, y, z = b[0], b[1], b[2], b[3]
        turns[i, 0], turns[i, 1], turns[i, 2], turns[i, 3] = w, x, y, z
        affine[i, 0], affine[i, 1], affine[i, 2] = (
            ONE - TWO * (y * y + z * z),
            TWO * (x * y - w * z),
            TWO * (x * z + w * y),
        )
        affine[i, 4], affine[i, 5], affine[i, 6] = (
            TWO * (x * y + w * z),
            ONE - TWO * (x * x + z * z),
            TWO * (y * z - w * x),
        )
        affine[i, 8], affine[i, 9], affine[i, 10] = (
            TWO * (x * z - w * y),
            TWO * (y * z + w * x),
            ONE - TWO * (x * x + y * y),
        )
        # Vector part of 2 dual conj(real).
        affine[i, 3] = TWO * (-b[4] * x + b[5] * w - b[6] * z + b[7] * y)
        affine[i, 7] = TWO * (-b[4] * y + b[5] * z + b[6] * w - b[7] * x)
        affine[i, 11] = TWO * (-b[4] * z - b[5] * y + b[6] * x + b[7] * w)
