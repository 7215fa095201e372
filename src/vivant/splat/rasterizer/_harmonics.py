"""Spherical harmonics inside kernels, eight splats at a time.

`vivant.splat.harmonics` is the readable twin.
"""

from vivant.core.jit import part
from vivant.splat.harmonics import BAND_0, BAND_1, BAND_2, BAND_3
from vivant.splat.rasterizer._geometry import (
    EYE,
    PERSPECTIVE,
    ROTATION,
    TINY,
    Triple,
    add,
    dot,
    read_triple,
    times,
)
from vivant.splat.rasterizer._lanes import COUNT, Lanes, Memory, Rows, maximum, sqrt, traced

BASIS = 16 * COUNT
"""Numbers that the values of 16 functions take."""


@part
def write_colors(means, sh, camera, rows, colors, basis):
    """Write red, green and blue of eight splats, not below 0."""
    bands = sh.shape[1]
    _start_colors(colors, basis)
    if bands > 1:
        _write_basis(means, camera, rows, basis)
    for band in range(bands):
        for channel in range(3):
            _add_band(sh, rows, bands * 3, band * 3 + channel, basis, band * COUNT, colors, channel * COUNT)
    _end_colors(colors)


@traced
def _start_colors(colors: Memory, basis: Memory) -> None:
    basis.fill(0, BAND_0)
    for channel in range(3):
        colors.fill(channel * COUNT, 0.5)


@traced
def _add_band(sh: Memory, rows: Rows, stride, offset, basis: Memory, band, colors: Memory, channel) -> None:
    colors.store(channel, basis.load(band) * sh.gather(rows, stride, offset) + colors.load(channel))


@traced
def _end_colors(colors: Memory) -> None:
    for channel in range(3):
        colors.store(channel * COUNT, maximum(colors.load(channel * COUNT), 0))


def _directions(means: Memory, camera: Memory, rows: Rows) -> tuple[Triple, Lanes]:
    """Unit vectors from the eye to the splats, and the inverse of the distance.

    Of an orthographic camera they are its third axis, and the inverse is 0.
    """
    perspective = camera.number(PERSPECTIVE)
    eye = (-camera.number(EYE), -camera.number(EYE + 1), -camera.number(EYE + 2))
    offset = add(read_triple(means, rows), eye)
    inverse = perspective / sqrt(maximum(dot(offset, offset), TINY))
    ahead = (camera.number(ROTATION + 6), camera.number(ROTATION + 7), camera.number(ROTATION + 8))
    return add(times(inverse, offset), times(1 - perspective, ahead)), inverse


@traced
def _write_basis(means: Memory, camera: Memory, rows: Rows, basis: Memory) -> None:
    (x, y, z), _ = _directions(means, camera, rows)
    xx, yy, zz = x * x, y * y, z * z
    d0, d1, d2 = BAND_2
    e0, e1, e2, e3, e4 = BAND_3
    values = (
        y * -BAND_1, z * BAND_1, x * -BAND_1, x * y * d0, y * z * -d0, (2 * zz - xx - yy) * d1, x * z * -d0, (xx
        - yy) * d2, y * (3 * xx - yy) * -e0, x * y * z * e1, y * (4 * zz - xx - yy) * -e2, z * (2 * zz - 3 * xx
        - 3 * yy) * e3, x * (4 * zz - xx - yy) * -e2, z * (xx - yy) * e4, x * (xx - 3 * yy) * -e0,
    )  # fmt: skip
    for band, value in enumerate(values, start=1):
        basis.store(band * COUNT, value)


@part
def write_color_gradients(means, sh, camera, rows, g_colors, g_directions, basis, g_sh, first, lanes, adds):
    """Write (or add) gradients by the harmonics of eight splats, and find those by the way they are seen.

    `g_directions` gets gradients by the centres, or of an orthographic camera those by its third axis.
    """
    bands = sh.shape[1]
    _start_directions(basis, g_directions)
    if bands > 1:
        _write_basis(means, camera, rows, basis)
    for lane in range(lanes):
        for band in range(bands):
            for channel in range(3):
                value = basis[band * COUNT + lane] * g_colors[channel * COUNT + lane]
                g_sh[first + lane, band, channel] = value + g_sh[first + lane, band, channel] if adds else value
    if bands == 1:
        return
    for band in range(1, 16):
        for lane in range(COUNT):
            basis[band * COUNT + lane] = 0
    for band in range(1, bands):
        for channel in range(3):
            _add_band(sh, rows, bands * 3, band * 3 + channel, g_colors, channel * COUNT, basis, band * COUNT)
    _directions_backward(means, camera, rows, basis, g_directions)


@traced
def _start_directions(basis: Memory, g_directions: Memory) -> None:
    basis.fill(0, BAND_0)
    for axis in range(3):
        g_directions.fill(axis * COUNT, 0)


@traced
def _directions_backward(
    means: Memory, camera: Memory, rows: Rows, g_basis: Memory, g_directions: Memory
) -> None:
    direction, inverse = _directions(means, camera, rows)
    gradient = _basis_backward(direction, [g_basis.load(band * COUNT) for band in range(16)])
    perspective = camera.number(PERSPECTIVE)
    across = add(gradient, times(-(perspective * dot(gradient, direction)), direction))
    for axis, value in enumerate(times(inverse + (1 - perspective), across)):
        g_directions.store(axis * COUNT, value)


def _basis_backward(direction: Triple, g: list[Lanes]) -> Triple:
    x, y, z = direction
    xx, yy, zz, xy, yz, xz = x * x, y * y, z * z, x * y, y * z, x * z
    d0, d1, d2 = BAND_2
    e0, e1, e2, e3, e4 = BAND_3
    by_x = g[3] * -BAND_1 + (g[4] * y - g[7] * z) * d0 + (g[8] * d2 - g[6] * d1) * (2 * x)
    by_y = g[1] * -BAND_1 + (g[4] * x - g[5] * z) * d0 - (g[8] * d2 + g[6] * d1) * (2 * y)
    by_z = g[2] * BAND_1 - (g[5] * y + g[7] * x) * d0 + g[6] * z * (4 * d1)
    by_x = by_x - g[9] * xy * (6 * e0) + g[10] * yz * e1 + g[11] * xy * (2 * e2) - g[12] * xz * (6 * e3)
    by_x = by_x - g[13] * (4 * zz - 3 * xx - yy) * e2 + g[14] * xz * (2 * e4) - g[15] * (xx - yy) * (3 * e0)
    by_y = by_y - g[9] * (xx - yy) * (3 * e0) + g[10] * xz * e1 - g[11] * (4 * zz - xx - 3 * yy) * e2
    by_y = by_y - g[12] * yz * (6 * e3) + g[13] * xy * (2 * e2) - g[14] * yz * (2 * e4) + g[15] * xy * (6 * e0)
    by_z = by_z + g[10] * xy * e1 - g[11] * yz * (8 * e2) + g[12] * (2 * zz - xx - yy) * (3 * e3)
    by_z = by_z - g[13] * xz * (8 * e2) + g[14] * (xx - yy) * e4
    return by_x, by_y, by_z
