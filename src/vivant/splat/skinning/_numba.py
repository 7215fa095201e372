"""Skinning of splats on the CPU: compiled, on threads, in blocks whose numbers lie lane by lane.

Forward: the joints' transforms are blended, the rotation nearest to the blend is found by Newton's iteration
for the polar decomposition (Higham 1986), and centre, axes and harmonics are carried. Backward: with A = P R (P
symmetric), a change dA turns R by w = (tr P - P)^-1 vee(dA R^T - R dA^T), so a gradient g on the turn becomes
[(tr P - P)^-1 g]x R on A.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads, thread_count
from vivant.records import Binding, Splats
from vivant.splat.harmonics import BAND_2, BAND_3
from vivant.splat.rasterizer._vectors import load, store
from vivant.splat.skinning._reference import dual_quats_from_transforms
from vivant.splat.skinning.turning import probe_directions, solve_matrices

ROW = 16
"""Numbers of a blended matrix in memory: twelve, filled up to two vectors."""

BLOCK = 128
CHUNKS = 8
"""Splats are divided into so many parts whatever the number of threads, so sums do not depend on it."""

NEWTON_STEPS = 9
FAST = {"contract", "arcp", "reassoc", "nsz"}
"""Liberties with rounding; NaN and infinity stay what they are."""

f4 = np.float32
ONE, TWO, HALF = f4(1), f4(2), f4(0.5)
Y2A, Y2B, Y2C = (f4(value) for value in BAND_2)
Y3A, Y3B, Y3C, Y3D, Y3E = (f4(value) for value in BAND_3)


def pose(splats: Splats, binding: Binding, world_from_rest: Tensor, blend: str, threads: int | None) -> Splats:
    """Carry splats to a pose."""
    means, quats, sh = _Pose.apply(
        splats.means, splats.quats, splats.sh, world_from_rest, binding, blend, threads or thread_count()
    )  # type: ignore[misc]
    return Splats(means, quats, splats.log_scales, splats.opacity_logits, sh)


class _Pose(torch.autograd.Function):
    """Skinning as one node of the graph."""

    @staticmethod
    def forward(
        context: Any, means: Tensor, quats: Tensor, sh: Tensor, transforms: Tensor,
        binding: Binding, blend: str, threads: int,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Blend, find the turns, carry."""
        arrays = [_array(value) for value in (means, quats, sh)]
        joints = _array(binding.skin_joints, torch.int64)
        weights = _array(binding.skin_weights)
        dual = blend == "dual_quaternion"
        table = _table(transforms, dual)
        count = len(means)
        affine, turns = np.empty((count, ROW), f4), np.empty((count, 4), f4)
        posed = [np.empty_like(array) for array in arrays]
        solve, probes = _turning(sh.shape[1])

        def work(first: int, last: int, chunk: int) -> None:
            if dual:
                _blend_dual(joints, weights, table, first, last, affine, turns)
            else:
                _blend_linear(joints, weights, table, first, last, affine, turns)
            _carry(arrays[0], arrays[1], first, last, affine, turns, posed[0], posed[1])
            if sh.shape[1] > 1:
                _turn_sh(arrays[2], first, last, turns, probes, *solve, False, posed[2])

        _in_chunks(work, count, threads)
        if sh.shape[1] == 1:
            posed[2] = arrays[2]
        context.kept = (arrays, joints, weights, affine, turns, len(transforms), threads)
        return tuple(map(torch.from_numpy, posed))  # type: ignore[return-value]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Carry gradients back to rest, and to the joints if they are asked for."""
        arrays, joints, weights, affine, turns, num_joints, threads = context.kept
        means, quats, sh = arrays
        g_means, g_quats, g_sh = (_array(gradient) for gradient in gradients)
        count, bands = len(means), sh.shape[1]
        to_means, to_quats = np.empty_like(means), np.empty_like(quats)
        to_sh = g_sh if bands == 1 else np.empty_like(sh)
        to_joints = np.zeros((CHUNKS, num_joints, 12), f4)
        wants_joints = context.needs_input_grad[3]
        solve, probes = _turning(bands)

        def work(first: int, last: int, chunk: int) -> None:
            _carry_back(g_means, g_quats, first, last, affine, turns, to_means, to_quats)
            if bands > 1:
                _turn_sh(g_sh, first, last, turns, probes, *solve, True, to_sh)
            if wants_joints:
                _gather_joints(means, quats, g_means, g_quats, first, last, affine, turns, joints, weights,
                               to_joints[chunk])  # fmt: skip

        _in_chunks(work, count, threads)
        to_transforms = None
        if wants_joints:
            to_transforms = torch.zeros(num_joints, 4, 4)
            summed = to_joints.sum(0, dtype=np.float64).astype(f4).reshape(-1, 3, 4)
            to_transforms[:, :3] = torch.from_numpy(summed)
        return (
            torch.from_numpy(to_means), torch.from_numpy(to_quats), torch.from_numpy(to_sh), to_transforms,
            None, None, None,
        )  # fmt: skip


def _array(tensor: Tensor, dtype: torch.dtype = torch.float32) -> np.ndarray:
    return tensor.detach().to(dtype).contiguous().numpy()


def _table(transforms: Tensor, dual: bool) -> np.ndarray:
    """What is blended, one row a joint: 12 numbers of the matrix, or 8 of the dual quaternion."""
    if dual:
        return _array(torch.cat(dual_quats_from_transforms(transforms.detach().double()), dim=1))
    # Filled up to two vectors a row.
    return _array(torch.nn.functional.pad(transforms[:, :3].reshape(-1, 12), (0, ROW - 12)))


def _turning(bands: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    if bands == 1:
        return (), np.empty((0, 3), f4)
    return tuple(map(_array, solve_matrices())), _array(probe_directions())


def _in_chunks(work: Any, count: int, threads: int) -> None:
    def on_thread(thread: int) -> None:
        for chunk in range(thread, CHUNKS, threads):
            work(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS, chunk)

    run_on_threads(on_thread, min(threads, CHUNKS))


@kernel(fastmath=FAST)
def _blend_linear(joints, weights, table, first, last, affine, turns):
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
    """Rotation part of each lane's matrix, in place."""
    for _ in range(NEWTON_STEPS):
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
            a[0, l] = HALF * a[0, l] + s * c0
            a[1, l] = HALF * a[1, l] + s * c1
            a[2, l] = HALF * a[2, l] + s * c2
            a[3, l] = HALF * a[3, l] + s * c3
            a[4, l] = HALF * a[4, l] + s * c4
            a[5, l] = HALF * a[5, l] + s * c5
            a[6, l] = HALF * a[6, l] + s * c6
            a[7, l] = HALF * a[7, l] + s * c7
            a[8, l] = HALF * a[8, l] + s * c8


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
def _blend_dual(joints, weights, table, first, last, affine, turns):
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


@kernel(fastmath=FAST)
def _carry(means, quats, first, last, affine, turns, means_out, quats_out):
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
def _carry_back(g_means, g_quats, first, last, affine, turns, to_means, to_quats):
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
def _gather_joints(means, quats, g_means, g_quats, first, last, affine, turns, joints, weights, to_joints):
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


@kernel(fastmath=FAST)
def _turn_sh(sh, first, last, turns, probes, solve_2, solve_3, back, sh_out):
    """Harmonics turned with the splats; `back` gives the transpose, which carries gradients."""
    for i in range(first, last):
        for channel in range(3):
            sh_out[i, 0, channel] = sh[i, 0, channel]
    _turn_vectors(sh, first, last, turns, -ONE if back else ONE, sh_out)
    if sh.shape[1] > 4:
        _turn_higher(sh, first, last, turns, probes, solve_2, solve_3, back, sh_out)


@kernel(fastmath=FAST)
def _turn_vectors(sh, first, last, turns, sign, sh_out):
    """Degree 1 is a vector field: bands 1, 2, 3 are its -y, z, -x."""
    for i in range(first, last):
        w, x, y, z = turns[i, 0], sign * turns[i, 1], sign * turns[i, 2], sign * turns[i, 3]
        r00, r01, r02 = ONE - TWO * (y * y + z * z), TWO * (x * y - w * z), TWO * (x * z + w * y)
        r10, r11, r12 = TWO * (x * y + w * z), ONE - TWO * (x * x + z * z), TWO * (y * z - w * x)
        r20, r21, r22 = TWO * (x * z - w * y), TWO * (y * z + w * x), ONE - TWO * (x * x + y * y)
        for channel in range(3):
            vx, vy, vz = -sh[i, 3, channel], -sh[i, 1, channel], sh[i, 2, channel]
            sh_out[i, 1, channel] = -(r10 * vx + r11 * vy + r12 * vz)
            sh_out[i, 2, channel] = r20 * vx + r21 * vy + r22 * vz
            sh_out[i, 3, channel] = -(r00 * vx + r01 * vy + r02 * vz)


@kernel(fastmath=FAST)
def _turn_higher(sh, first, last, turns, probes, solve_2, solve_3, back, sh_out):
    """Degrees 2 and 3, through values along the probes."""
    bands = sh.shape[1]
    r = np.zeros((9, BLOCK), np.float32)
    basis = np.empty((7, 16, BLOCK), np.float32)
    lanes_in = np.empty((16, BLOCK), np.float32)
    lanes_out = np.empty((16, BLOCK), np.float32)
    values = np.empty((7, BLOCK), np.float32)
    for start in range(first, last, BLOCK):
        count = min(BLOCK, last - start)
        for l in range(count):
            w, x, y, z = turns[start + l, 0], turns[start + l, 1], turns[start + l, 2], turns[start + l, 3]
            r[0, l], r[1, l], r[2, l] = (
                ONE - TWO * (y * y + z * z),
                TWO * (x * y - w * z),
                TWO * (x * z + w * y),
            )
            r[3, l], r[4, l], r[5, l] = (
                TWO * (x * y + w * z),
                ONE - TWO * (x * x + z * z),
                TWO * (y * z - w * x),
            )
            r[6, l], r[7, l], r[8, l] = (
                TWO * (x * z - w * y),
                TWO * (y * z + w * x),
                ONE - TWO * (x * x + y * y),
            )
        for k in range(5 if bands == 9 else 7):
            _evaluate(probes[k, 0], probes[k, 1], probes[k, 2], r, bands, basis[k])
        for channel in range(3):
            for l in range(count):
                for band in range(4, bands):
                    lanes_in[band, l] = sh[start + l, band, channel]
            if back:
                _apply_back(basis, solve_2, 4, 5, lanes_in, values, lanes_out)
                if bands > 9:
                    _apply_back(basis, solve_3, 9, 7, lanes_in, values, lanes_out)
            else:
                _apply(basis, solve_2, 4, 5, lanes_in, values, lanes_out)
                if bands > 9:
                    _apply(basis, solve_3, 9, 7, lanes_in, values, lanes_out)
            for l in range(count):
                for band in range(4, bands):
                    sh_out[start + l, band, channel] = lanes_out[band, l]


@kernel(fastmath=FAST)
def _evaluate(px, py, pz, r, bands, basis):
    """Values of the functions along one probe, turned back by each lane's rotation."""
    for l in range(BLOCK):
        x = px * r[0, l] + py * r[3, l] + pz * r[6, l]
        y = px * r[1, l] + py * r[4, l] + pz * r[7, l]
        z = px * r[2, l] + py * r[5, l] + pz * r[8, l]
        xx, yy, zz = x * x, y * y, z * z
        basis[4, l], basis[5, l] = Y2A * x * y, -Y2A * y * z
        basis[6, l] = Y2B * (TWO * zz - xx - yy)
        basis[7, l], basis[8, l] = -Y2A * x * z, Y2C * (xx - yy)
        if bands > 9:
            basis[9, l], basis[10, l] = -Y3A * y * (f4(3) * xx - yy), Y3B * x * y * z
            basis[11, l] = -Y3C * y * (f4(4) * zz - xx - yy)
            basis[12, l] = Y3D * z * (TWO * zz - f4(3) * xx - f4(3) * yy)
            basis[13, l] = -Y3C * x * (f4(4) * zz - xx - yy)
            basis[14, l], basis[15, l] = Y3E * z * (xx - yy), -Y3A * x * (xx - f4(3) * yy)


@kernel(fastmath=FAST)
def _apply(basis, solve, first, size, lanes_in, values, lanes_out):
    """One degree: values along the probes, then coefficients."""
    for k in range(size):
        for l in range(BLOCK):
            values[k, l] = basis[k, first, l] * lanes_in[first, l]
        for m in range(1, size):
            for l in range(BLOCK):
                values[k, l] += basis[k, first + m, l] * lanes_in[first + m, l]
    for m in range(size):
        for l in range(BLOCK):
            lanes_out[first + m, l] = solve[m, 0] * values[0, l]
        for k in range(1, size):
            for l in range(BLOCK):
                lanes_out[first + m, l] += solve[m, k] * values[k, l]


@kernel(fastmath=FAST)
def _apply_back(basis, solve, first, size, lanes_in, values, lanes_out):
    """The transpose of `_apply`."""
    for k in range(size):
        for l in range(BLOCK):
            values[k, l] = solve[0, k] * lanes_in[first, l]
        for m in range(1, size):
            for l in range(BLOCK):
                values[k, l] += solve[m, k] * lanes_in[first + m, l]
    for m in range(size):
        for l in range(BLOCK):
            lanes_out[first + m, l] = basis[0, first + m, l] * values[0, l]
        for k in range(1, size):
            for l in range(BLOCK):
                lanes_out[first + m, l] += basis[k, first + m, l] * values[k, l]
