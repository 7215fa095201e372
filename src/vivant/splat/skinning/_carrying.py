"""Kernels that carry centres and axes to a pose, and gradients back to rest and to the joints.

With A = P R (P symmetric), a change dA turns R by w = (tr P - P)^-1 vee(dA R^T - R dA^T), so a gradient g on
the turn becomes [(tr P - P)^-1 g]x R on A.
"""

import numpy as np

from vivant.core.jit import kernel
from vivant.splat.skinning._blending import FAST, HALF, ONE, TWO


@kernel(fastmath=FAST)
def carry(means, quats, first, last, affine, turns, means_out, quats_out):
    for i in range(first, last):
        m0, m1, m2 = means[i, 0], means[i, 1], means[i, 2]
        means_out[i, 0] = affine[i, 0] * m0 + affine[i, 1] * m1 + affine[i, 2] * m2 + affine[i, 3]
        means_out[i, 1] = affine[i, 4] * m0 + affine[i, 5] * m1 + affine[i, 6] * m2 + affine[i, 7]
        means_out[i, 2] = affine[i, 8] * m0 + affine[i, 9] * m1 + affine[i, 10] * m2 + affine[i, 11]
        a0, a1, a2, a3 = turns[i, 0], turns[i, 1], turns[i, 2], turns[i, 3]
        b0, b1, b2, b3 = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
        quats_out[i, 0] = a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3
        quats_out[i, 1] = a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2
        quats_out[i, 2] = a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1
        quats_out[i, 3] = a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0


@kernel(fastmath=FAST)
def carry_back(g_means, g_quats, first, last, affine, turns, to_means, to_quats):
    for i in range(first, last):
        g0, g1, g2 = g_means[i, 0], g_means[i, 1], g_means[i, 2]
        to_means[i, 0] = affine[i, 0] * g0 + affine[i, 4] * g1 + affine[i, 8] * g2
        to_means[i, 1] = affine[i, 1] * g0 + affine[i, 5] * g1 + affine[i, 9] * g2
        to_means[i, 2] = affine[i, 2] * g0 + affine[i, 6] * g1 + affine[i, 10] * g2
        a0, a1, a2, a3 = turns[i, 0], -turns[i, 1], -turns[i, 2], -turns[i, 3]
        b0, b1, b2, b3 = g_quats[i, 0], g_quats[i, 1], g_quats[i, 2], g_quats[i, 3]
        to_quats[i, 0] = a0 * b0 - a1 * b1 - a2 * b2 - a3 * b3
        to_quats[i, 1] = a0 * b1 + a1 * b0 + a2 * b3 - a3 * b2
        to_quats[i, 2] = a0 * b2 - a1 * b3 + a2 * b0 + a3 * b1
        to_quats[i, 3] = a0 * b3 + a1 * b2 - a2 * b1 + a3 * b0


@kernel(fastmath=FAST)
def gather_joints(means, quats, g_means, g_quats, first, last, affine, turns, joints, weights, to_joints):
    """Gradients to the linear blend's transforms, summed over this chunk's splats."""
    g = np.empty(12, np.float32)
    r = np.empty((3, 3), np.float32)
    for i in range(first, last):
        w, x, y, z = turns[i, 0], turns[i, 1], turns[i, 2], turns[i, 3]
        r[0, 0], r[0, 1], r[0, 2] = ONE - TWO * (y * y + z * z), TWO * (x * y - w * z), TWO * (x * z + w * y)
        r[1, 0], r[1, 1], r[1, 2] = TWO * (x * y + w * z), ONE - TWO * (x * x + z * z), TWO * (y * z - w * x)
        r[2, 0], r[2, 1], r[2, 2] = TWO * (x * z - w * y), TWO * (y * z + w * x), ONE - TWO * (x * x + y * y)
        # The posed quaternion is t q; its gradient on t is g conj(q), on a small turn of t half the vector part
        # of that times conj(t): together g conj(t q), and t q is what was put out.
        b0, b1, b2, b3 = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
        p0 = w * b0 - x * b1 - y * b2 - z * b3
        p1 = w * b1 + x * b0 + y * b3 - z * b2
        p2 = w * b2 - x * b3 + y * b0 + z * b1
        p3 = w * b3 + x * b2 - y * b1 + z * b0
        h0, h1, h2, h3 = g_quats[i, 0], g_quats[i, 1], g_quats[i, 2], g_quats[i, 3]
        v0 = HALF * (-h0 * p1 + h1 * p0 - h2 * p3 + h3 * p2)
        v1 = HALF * (-h0 * p2 + h1 * p3 + h2 * p0 - h3 * p1)
        v2 = HALF * (-h0 * p3 - h1 * p2 + h2 * p1 + h3 * p0)
        # P = A R^T is symmetric up to rounding; M = tr P - P.
        s00 = affine[i, 0] * r[0, 0] + affine[i, 1] * r[0, 1] + affine[i, 2] * r[0, 2]
        s01 = affine[i, 0] * r[1, 0] + affine[i, 1] * r[1, 1] + affine[i, 2] * r[1, 2]
        s02 = affine[i, 0] * r[2, 0] + affine[i, 1] * r[2, 1] + affine[i, 2] * r[2, 2]
        s11 = affine[i, 4] * r[1, 0] + affine[i, 5] * r[1, 1] + affine[i, 6] * r[1, 2]
        s12 = affine[i, 4] * r[2, 0] + affine[i, 5] * r[2, 1] + affine[i, 6] * r[2, 2]
        s22 = affine[i, 8] * r[2, 0] + affine[i, 9] * r[2, 1] + affine[i, 10] * r[2, 2]
        m00, m11, m22 = s11 + s22, s00 + s22, s00 + s11
        c00, c01, c02 = m11 * m22 - s12 * s12, s01 * m22 + s02 * s12, s01 * s12 + s02 * m11
        c11, c12, c22 = m00 * m22 - s02 * s02, m00 * s12 + s01 * s02, m00 * m11 - s01 * s01
        scale = ONE / (m00 * c00 - s01 * c01 - s02 * c02)
        y0 = scale * (c00 * v0 + c01 * v1 + c02 * v2)
        y1 = scale * (c01 * v0 + c11 * v1 + c12 * v2)
        y2 = scale * (c02 * v0 + c12 * v1 + c22 * v2)
        for k in range(3):
            g[k] = y1 * r[2, k] - y2 * r[1, k] + g_means[i, 0] * means[i, k]
            g[4 + k] = y2 * r[0, k] - y0 * r[2, k] + g_means[i, 1] * means[i, k]
            g[8 + k] = y0 * r[1, k] - y1 * r[0, k] + g_means[i, 2] * means[i, k]
        g[3], g[7], g[11] = g_means[i, 0], g_means[i, 1], g_means[i, 2]
        for influence in range(joints.shape[1]):
            weight = weights[i, influence]
            if weight != 0:
                for k in range(12):
                    to_joints[joints[i, influence], k] += weight * g[k]
