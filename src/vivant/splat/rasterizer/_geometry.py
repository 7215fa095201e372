"""What projecting forward and backward have in common, eight splats at a time.

The covariance in the picture is (xx, xy; xy, yy) = half half^T + blur, where the rows u, v of `half` are the splat's axes
seen through the camera. Everything downstream takes it as L D L^T: the slope s = xy / xx, and two independent variances,
xx and yy - xy^2 / xx = |v - s u|^2 + blur (1 + s^2). The exponent is then (dx^2 / xx + (dy - s dx)^2 / rest) / 2, a sum of
positive terms. The usual conic form subtracts large numbers from each other on long thin splats and loses
three digits more.
"""

import numpy as np

from vivant.core.jit import kernel
from vivant.splat.rasterizer import _limits
from vivant.splat.rasterizer._vectors import (
    LANES,
    exp2,
    gather,
    log2,
    maximum,
    minimum,
    spread,
    sqrt,
    where_gt,
    where_lt,
)

f32 = np.float32
BLUR, NEAR = f32(_limits.BLUR), f32(_limits.NEAR)
LOG2_E = f32(np.log2(np.e))
HALF, ONE, TWO, ZERO = f32(0.5), f32(1), f32(2), f32(0)
EXPONENT_MOST = f32(120)
TINY = f32(1e-24)

ROTATION, SHIFT, FOCAL_X, FOCAL_Y, MIDDLE_X, MIDDLE_Y, LIMITS, EYE, PERSPECTIVE = (
    0,
    9,
    12,
    13,
    14,
    15,
    16,
    20,
    23,
)
CAMERA = 24
"""Places in the flat float32 array that describes a camera. `LIMITS` are the slopes x/z and y/z (low, high; low, high) where
linearisation stops; `PERSPECTIVE` is 1, or 0 for an orthographic camera."""


@kernel
def pick_rows(first, end, rows):
    """Numbers of eight splats from `first` on; the last one is repeated. Gives how many there are."""
    lanes = min(LANES, end - first)
    for lane in range(LANES):
        rows[lane] = first + min(lane, lanes - 1)
    return lanes


@kernel(inline="always")
def to_camera(means, camera, rows):
    """Centres in camera axes."""
    m0, m1, m2 = gather(means, rows, 3, 0), gather(means, rows, 3, 1), gather(means, rows, 3, 2)
    x = camera[0] * m0 + (camera[1] * m1 + (camera[2] * m2 + camera[9]))
    y = camera[3] * m0 + (camera[4] * m1 + (camera[5] * m2 + camera[10]))
    z = camera[6] * m0 + (camera[7] * m1 + (camera[8] * m2 + camera[11]))
    return x, y, z


@kernel(inline="always")
def rotations(quats, rows):
    """Inverse length of the quaternions, the unit quaternions, and their matrices, row by row."""
    w, x, y, z = (
        gather(quats, rows, 4, 0),
        gather(quats, rows, 4, 1),
        gather(quats, rows, 4, 2),
        gather(quats, rows, 4, 3),
    )
    inverse = ONE / sqrt(maximum(w * w + x * x + y * y + z * z, spread(TINY)))
    w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
    return (
        inverse, w, x, y, z,
        ONE - TWO * (y * y + z * z), TWO * (x * y - w * z), TWO * (x * z + w * y),
        TWO * (x * y + w * z), ONE - TWO * (x * x + z * z), TWO * (y * z - w * x),
        TWO * (x * z - w * y), TWO * (y * z + w * x), ONE - TWO * (x * x + y * y),
    )  # fmt: skip


@kernel(inline="always")
def exponential(value):
    """e to the power of numbers, held within what float32 can square."""
    power = value * LOG2_E
    return exp2(minimum(maximum(power, spread(-EXPONENT_MOST)), spread(EXPONENT_MOST)))


@kernel(inline="always")
def jacobian(x, y, inverse_z, camera):
    """Derivatives of pixels: by x, by z (of the column); by y, by z (of the row); and the slopes they were taken at."""
    slope_x = minimum(maximum(x * inverse_z, spread(camera[LIMITS])), spread(camera[LIMITS + 1]))
    slope_y = minimum(maximum(y * inverse_z, spread(camera[LIMITS + 2])), spread(camera[LIMITS + 3]))
    by_x, by_y = camera[FOCAL_X] * inverse_z, camera[FOCAL_Y] * inverse_z
    return (
        by_x,
        -(camera[PERSPECTIVE] * by_x) * slope_x,
        by_y,
        -(camera[PERSPECTIVE] * by_y) * slope_y,
        slope_x,
        slope_y,
    )


@kernel(inline="always")
def dot(a0, a1, a2, b0, b1, b2):
    """Inner product."""
    return a0 * b0 + (a1 * b1 + a2 * b2)


@kernel(inline="always")
def decompose(u0, u1, u2, v0, v1, v2):
    """1 / xx, the slope, 1 / rest, and v - slope u."""
    inverse_xx = ONE / (dot(u0, u1, u2, u0, u1, u2) + BLUR)
    slope = dot(u0, u1, u2, v0, v1, v2) * inverse_xx
    w0, w1, w2 = v0 - slope * u0, v1 - slope * u1, v2 - slope * u2
    inverse_rest = ONE / (dot(w0, w1, w2, w0, w1, w2) + (BLUR * slope * slope + BLUR))
    return inverse_xx, slope, inverse_rest, w0, w1, w2


@kernel(inline="always")
def log2_opacity(logits, rows):
    """Logarithm of the sigmoid."""
    power = gather(logits, rows, 1, 0) * -LOG2_E
    return -log2(exp2(minimum(maximum(power, spread(-EXPONENT_MOST)), spread(EXPONENT_MOST))) + ONE)


@kernel(inline="always")
def shortest_axis(s0, s1, s2):
    """1 for the shortest axis (the first of equals), 0 for the others."""
    one, zero = spread(ONE), spread(ZERO)
    third = where_lt(s2, s0, where_lt(s2, s1, one, zero), zero)
    second = where_lt(s1, s0, ONE - third, zero)
    return ONE - third - second, second, third


@kernel(inline="always")
def towards_camera(n0, n1, n2, x, y, z, camera):
    """1, or -1 for normals (camera axes) that look away from the camera."""
    perspective = camera[PERSPECTIVE]
    away = n0 * (x * perspective) + (n1 * (y * perspective) + n2 * (z * perspective + (ONE - perspective)))
    return where_gt(away, spread(ZERO), spread(-ONE), spread(ONE))
