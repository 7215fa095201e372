"""Spherical harmonics inside kernels; `vivant.splat.harmonics` is their readable twin."""

import numpy as np

from vivant.core.jit import kernel
from vivant.splat.harmonics import BAND_0, BAND_1, BAND_2, BAND_3
from vivant.splat.rasterizer._geometry import EYE, HALF, ONE, PERSPECTIVE, TINY, TWO, ZERO, dot
from vivant.splat.rasterizer._vectors import gather, load, maximum, spread, sqrt, store

f32 = np.float32
C0, C1 = f32(BAND_0), f32(BAND_1)
D0, D1, D2 = (f32(number) for number in BAND_2)
E0, E1, E2, E3, E4 = (f32(number) for number in BAND_3)
THREE, FOUR, SIX, EIGHT, TEN, TWELVE = f32(3), f32(4), f32(6), f32(8), f32(10), f32(12)


@kernel
def directions(means, camera, rows):
    """Unit vectors from the eye to eight splats, and the inverse of the distance."""
    if camera[PERSPECTIVE] == ZERO:
        return spread(camera[6]), spread(camera[7]), spread(camera[8]), spread(ONE)
    x = gather(means, rows, 3, 0) - camera[EYE]
    y = gather(means, rows, 3, 1) - camera[EYE + 1]
    z = gather(means, rows, 3, 2) - camera[EYE + 2]
    inverse = ONE / sqrt(maximum(dot(x, y, z, x, y, z), spread(TINY)))
    return x * inverse, y * inverse, z * inverse, inverse


@kernel
def write_basis(x, y, z, bands, basis):
    """Write the values of the first 1, 4, 9 or 16 functions, eight numbers each."""
    store(basis, 0, spread(C0))
    if bands > 1:
        store(basis, 8, y * -C1)
        store(basis, 16, z * C1)
        store(basis, 24, x * -C1)
    if bands > 4:
        xx, yy, zz = x * x, y * y, z * z
        store(basis, 32, x * y * D0)
        store(basis, 40, y * z * -D0)
        store(basis, 48, (TWO * zz - xx - yy) * D1)
        store(basis, 56, x * z * -D0)
        store(basis, 64, (xx - yy) * D2)
        if bands > 9:
            store(basis, 72, y * (THREE * xx - yy) * -E0)
            store(basis, 80, x * y * z * E1)
            store(basis, 88, y * (FOUR * zz - xx - yy) * -E2)
            store(basis, 96, z * (TWO * zz - THREE * xx - THREE * yy) * E3)
            store(basis, 104, x * (FOUR * zz - xx - yy) * -E2)
            store(basis, 112, z * (xx - yy) * E4)
            store(basis, 120, x * (xx - THREE * yy) * -E0)


@kernel
def colors(means, sh, camera, rows, basis):
    """Red, green and blue of eight splats, not below 0."""
    bands = sh.shape[1]
    red, green, blue = spread(HALF), spread(HALF), spread(HALF)
    x, y, z, _ = directions(means, camera, rows)
    write_basis(x, y, z, bands, basis)
    for band in range(bands):
        value = load(basis, band * 8)
        red = red + value * gather(sh, rows, bands * 3, band * 3)
        green = green + value * gather(sh, rows, bands * 3, band * 3 + 1)
        blue = blue + value * gather(sh, rows, bands * 3, band * 3 + 2)
    zero = spread(ZERO)
    return maximum(red, zero), maximum(green, zero), maximum(blue, zero)
