"""Kernels that turn harmonics with their splats, in blocks whose numbers lie lane by lane."""

import numpy as np

from vivant.core.jit import kernel
from vivant.splat.harmonics import BAND_2, BAND_3
from vivant.splat.skinning._blending import BLOCK, FAST, ONE, TWO

f4 = np.float32
Y2A, Y2B, Y2C = (f4(value) for value in BAND_2)
Y3A, Y3B, Y3C, Y3D, Y3E = (f4(value) for value in BAND_3)


@kernel(fastmath=FAST)
def turn_sh(sh, first, last, turns, probes, solve_2, solve_3, back, sh_out):
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
