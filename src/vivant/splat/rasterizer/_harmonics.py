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


@kernel
def colors_backward(means, sh, camera, rows, g_colors, scratch, g_sh, first, lanes, add):
    """Write (or add) gradients by the harmonics of eight splats; give those by their centres, through the direction.

    For an orthographic camera they are by the direction itself, which is the camera's third row.
    """
    bands = sh.shape[1]
    zero = spread(ZERO)
    x, y, z, inverse = directions(means, camera, rows)
    write_basis(x, y, z, bands, scratch)
    g_red, g_green, g_blue = load(g_colors, 0), load(g_colors, 8), load(g_colors, 16)
    for band in range(bands):
        value = load(scratch, band * 8)
        store(g_colors, 24, value * g_red)
        store(g_colors, 32, value * g_green)
        store(g_colors, 40, value * g_blue)
        for lane in range(lanes):
            for channel in range(3):
                old = g_sh[first + lane, band, channel] if add else ZERO
                g_sh[first + lane, band, channel] = old + g_colors[24 + channel * 8 + lane]
    if bands == 1:
        return zero, zero, zero
    for band in range(bands):
        by_value = (
            g_red * gather(sh, rows, bands * 3, band * 3)
            + g_green * gather(sh, rows, bands * 3, band * 3 + 1)
            + g_blue * gather(sh, rows, bands * 3, band * 3 + 2)
        )
        store(scratch, band * 8, by_value)
    g_x, g_y, g_z = _basis_backward(x, y, z, bands, scratch)
    if camera[PERSPECTIVE] == ZERO:
        return g_x, g_y, g_z
    along = dot(g_x, g_y, g_z, x, y, z)
    return (g_x - along * x) * inverse, (g_y - along * y) * inverse, (g_z - along * z) * inverse


@kernel
def _basis_backward(x, y, z, bands, g_basis):
    g_y, g_z, g_x = load(g_basis, 8) * -C1, load(g_basis, 16) * C1, load(g_basis, 24) * -C1
    if bands > 4:
        g4, g5, g6 = load(g_basis, 32) * D0, load(g_basis, 40) * -D0, load(g_basis, 48) * (TWO * D1)
        g7, g8 = load(g_basis, 56) * -D0, load(g_basis, 64) * (TWO * D2)
        g_x = g_x + g4 * y - g6 * x + g7 * z + g8 * x
        g_y = g_y + g4 * x + g5 * z - g6 * y - g8 * y
        g_z = g_z + g5 * y + TWO * g6 * z + g7 * x
    if bands > 9:
        xx, yy, zz = x * x, y * y, z * z
        g9, g10, g11 = load(g_basis, 72) * -E0, load(g_basis, 80) * E1, load(g_basis, 88) * -E2
        g12, g13, g14 = load(g_basis, 96) * E3, load(g_basis, 104) * -E2, load(g_basis, 112) * E4
        g15 = load(g_basis, 120) * -E0
        mixed = SIX * (x * y)
        g_x = g_x + g9 * mixed + g10 * (y * z) - TWO * g11 * (x * y) - SIX * g12 * (x * z)
        g_x = g_x + g13 * (FOUR * zz - THREE * xx - yy) + TWO * g14 * (x * z) + THREE * g15 * (xx - yy)
        g_y = g_y + THREE * g9 * (xx - yy) + g10 * (x * z) + g11 * (FOUR * zz - xx - THREE * yy)
        g_y = g_y - SIX * g12 * (y * z) - TWO * g13 * (x * y) - TWO * g14 * (y * z) - g15 * mixed
        g_z = g_z + g10 * (x * y) + EIGHT * g11 * (y * z) + THREE * g12 * (TWO * zz - xx - yy)
        g_z = g_z + EIGHT * g13 * (x * z) + g14 * (xx - yy)
    return g_x, g_y, g_z
