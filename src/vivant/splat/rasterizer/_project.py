"""Kernel that projects splats to a picture, eight at a time."""

import numpy as np

from vivant.core.jit import kernel
from vivant.splat.rasterizer import _limits
from vivant.splat.rasterizer._geometry import (
    BLUR,
    FOCAL_X,
    FOCAL_Y,
    HALF,
    MIDDLE_X,
    MIDDLE_Y,
    NEAR,
    ONE,
    PERSPECTIVE,
    TINY,
    ZERO,
    decompose,
    dot,
    exponential,
    jacobian,
    log2_opacity,
    pick_rows,
    rotations,
    shortest_axis,
    to_camera,
    towards_camera,
)
from vivant.splat.rasterizer._harmonics import colors
from vivant.splat.rasterizer._vectors import (
    LANES,
    ceil,
    float_bits,
    floor,
    gather,
    log2,
    maximum,
    minimum,
    spread,
    sqrt,
    store,
    where_gt,
    where_le,
)

f32 = np.float32
LN_4, LOG2_255 = f32(np.log(4)), f32(-np.log2(_limits.ALPHA_LEAST))
HUGE = f32(1e18)

NEVER = np.uint32(0xFFFFFFFF)
"""Sorting key of a splat that is not drawn."""

TILE_BITS = 6
TILE = 1 << TILE_BITS
"""Pixels along a side of a tile. 64, so that a tile's rows fit one integer's bits."""

RECORD = 16
"""Numbers in a splat's record: 64 bytes, one line of cache."""

CENTER_X, CENTER_Y, INVERSE_XX, SLOPE, INVERSE_REST, LOG2_OPACITY, PAYLOAD = range(7)
COLUMNS, ROWS, NUMBER = 10, 11, 12
"""Places in a record. The payload takes four: red, green, blue, depth. Then come integers: first and last column and row,
16 bits each, and the splat's number."""


@kernel
def project(
    begin, end, means, quats, log_scales, logits, sh, camera, width, height, antialiased, normals,
    records, integers, extra, keys, tiles, rows, scratch,
):  # fmt: skip
    """Write the records of splats `begin` to `end`, their sorting keys, and how many tiles each touches.

    `integers` are the same records seen as int32; `rows` (8) and `scratch` (40 x 8) are this thread's own.
    """
    for first in range(begin, end, LANES):
        lanes = pick_rows(first, end, rows)
        drawn = _project_eight(
            means, quats, log_scales, logits, camera, width, height, antialiased, normals, rows, scratch
        )  # fmt: skip
        if drawn:
            red, green, blue = colors(means, sh, camera, rows, scratch[20 * LANES :])
            store(scratch, PAYLOAD * LANES, red)
            store(scratch, (PAYLOAD + 1) * LANES, green)
            store(scratch, (PAYLOAD + 2) * LANES, blue)
        for lane in range(lanes):
            splat = first + lane
            keys[splat] = NEVER
            tiles[splat] = 0
            if drawn and scratch[15 * LANES + lane] > ZERO:
                _write_record(splat, lane, scratch, records, integers, keys, tiles)
                if normals:
                    for axis in range(3):
                        extra[splat, axis] = scratch[(16 + axis) * LANES + lane]


@kernel
def _project_eight(
    means, quats, log_scales, logits, camera, width, height, antialiased, normals, rows, scratch
):
    """Fill `scratch` with the records' columns, the box in the picture, and 1 for each splat that is drawn."""
    one, zero = spread(ONE), spread(ZERO)
    x, y, z = to_camera(means, camera, rows)
    opacity = log2_opacity(logits, rows)
    drawn = where_gt(z, spread(NEAR), where_gt(opacity, spread(-LOG2_255), one, zero), zero)
    store(scratch, 15 * LANES, drawn)
    if not _any_drawn(scratch):
        return False

    z = where_gt(z, spread(NEAR), z, one)
    inverse_z = ONE / z if camera[PERSPECTIVE] != ZERO else one
    jx, jxz, jy, jyz, _, _ = jacobian(x, y, inverse_z, camera)
    a0, a1, a2 = (
        jx * camera[0] + jxz * camera[6],
        jx * camera[1] + jxz * camera[7],
        jx * camera[2] + jxz * camera[8],
    )
    b0, b1, b2 = (
        jy * camera[3] + jyz * camera[6],
        jy * camera[4] + jyz * camera[7],
        jy * camera[5] + jyz * camera[8],
    )
    _, _, _, _, _, r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotations(quats, rows)
    s0 = exponential(gather(log_scales, rows, 3, 0))
    s1 = exponential(gather(log_scales, rows, 3, 1))
    s2 = exponential(gather(log_scales, rows, 3, 2))
    u0, v0 = dot(a0, a1, a2, r00, r10, r20) * s0, dot(b0, b1, b2, r00, r10, r20) * s0
    u1, v1 = dot(a0, a1, a2, r01, r11, r21) * s1, dot(b0, b1, b2, r01, r11, r21) * s1
    u2, v2 = dot(a0, a1, a2, r02, r12, r22) * s2, dot(b0, b1, b2, r02, r12, r22) * s2
    inverse_xx, slope, inverse_rest, _, _, _ = decompose(u0, u1, u2, v0, v1, v2)
    if antialiased:
        c0, c1, c2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        area = maximum(dot(c0, c1, c2, c0, c1, c2), spread(TINY))
        opacity = opacity + HALF * log2(area * inverse_xx * inverse_rest)

    center_x = camera[FOCAL_X] * (x * inverse_z) + camera[MIDDLE_X]
    center_y = camera[FOCAL_Y] * (y * inverse_z) + camera[MIDDLE_Y]
    store(scratch, 0, center_x)
    store(scratch, LANES, center_y)
    store(scratch, 2 * LANES, inverse_xx)
    store(scratch, 3 * LANES, slope)
    store(scratch, 4 * LANES, inverse_rest)
    store(scratch, 5 * LANES, opacity)
    store(scratch, 9 * LANES, z)

    # Where the splat is fainter than it may be, it is not drawn: an ellipse, here the box round it.
    reach = sqrt(maximum(LN_4 * (opacity + LOG2_255), zero))
    wide = reach * sqrt(dot(u0, u1, u2, u0, u1, u2) + BLUR)
    high = reach * sqrt(dot(v0, v1, v2, v0, v1, v2) + BLUR)
    left, right = maximum(ceil(center_x - wide - HALF), zero), floor(center_x + wide - HALF)
    top, bottom = maximum(ceil(center_y - high - HALF), zero), floor(center_y + high - HALF)
    right, bottom = minimum(right, spread(f32(width - 1))), minimum(bottom, spread(f32(height - 1)))
    store(scratch, 11 * LANES, left)
    store(scratch, 12 * LANES, right)
    store(scratch, 13 * LANES, top)
    store(scratch, 14 * LANES, bottom)
    drawn = where_gt(reach, zero, where_le(left, right, where_le(top, bottom, drawn, zero), zero), zero)
    # Comparisons with NaN are false, so a splat whose projection overflows is not drawn.
    drawn = where_le(wide, spread(HUGE), where_le(high, spread(HUGE), drawn, zero), zero)
    drawn = where_le(center_x * center_x + center_y * center_y, spread(HUGE), drawn, zero)
    store(scratch, 15 * LANES, drawn)
    if normals:
        _turn_normals(r00, r01, r02, r10, r11, r12, r20, r21, r22, s0, s1, s2, x, y, z, camera, scratch)
    return _any_drawn(scratch)


@kernel(inline="always")
def _turn_normals(r00, r01, r02, r10, r11, r12, r20, r21, r22, s0, s1, s2, x, y, z, camera, scratch):
    """Put unit normals in camera axes, towards the camera, into `scratch`."""
    k0, k1, k2 = shortest_axis(s0, s1, s2)
    w0, w1, w2 = dot(k0, k1, k2, r00, r01, r02), dot(k0, k1, k2, r10, r11, r12), dot(k0, k1, k2, r20, r21, r22)
    n0 = w0 * camera[0] + w1 * camera[1] + w2 * camera[2]
    n1 = w0 * camera[3] + w1 * camera[4] + w2 * camera[5]
    n2 = w0 * camera[6] + w1 * camera[7] + w2 * camera[8]
    sign = towards_camera(n0, n1, n2, x, y, z, camera)
    store(scratch, 16 * LANES, n0 * sign)
    store(scratch, 17 * LANES, n1 * sign)
    store(scratch, 18 * LANES, n2 * sign)


@kernel
def _any_drawn(scratch):
    total = ZERO
    for lane in range(LANES):
        total += scratch[15 * LANES + lane]
    return total > ZERO


@kernel
def _write_record(splat, lane, scratch, records, integers, keys, tiles):
    for place in range(PAYLOAD + 4):
        records[splat, place] = scratch[place * LANES + lane]
    left, right = np.int32(scratch[11 * LANES + lane]), np.int32(scratch[12 * LANES + lane])
    top, bottom = np.int32(scratch[13 * LANES + lane]), np.int32(scratch[14 * LANES + lane])
    integers[splat, COLUMNS] = left | (right << 16)
    integers[splat, ROWS] = top | (bottom << 16)
    integers[splat, NUMBER] = splat
    keys[splat] = float_bits(scratch[9 * LANES + lane])
    across = (right >> TILE_BITS) - (left >> TILE_BITS) + 1
    tiles[splat] = across * ((bottom >> TILE_BITS) - (top >> TILE_BITS) + 1)
