"""How splats lie in the picture: what projecting forward and backward have in common. Traced, eight at a time.

The covariance in the picture is (xx, xy; xy, yy) = half half^T + blur, where the rows u, v of `half` are the
splat's axes seen through the camera. Everything downstream takes it as L D L^T: the slope s = xy / xx, and two
independent variances, xx and rest = yy - xy^2 / xx = |v - s u|^2 + blur (1 + s^2). The exponent is then (dx^2 /
xx + (dy - s dx)^2 / rest) / 2, a sum of positive terms. The usual conic form subtracts large numbers from each
other on long thin splats and loses three digits more.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vivant.splat.rasterizer._lanes import (
    Lanes,
    Memory,
    Rows,
    exp2,
    log2,
    maximum,
    minimum,
    sqrt,
    where,
)
from vivant.splat.rasterizer._limits import BLUR, MARGIN, NEAR

Triple = tuple[Lanes, Lanes, Lanes]
Matrix = tuple[Triple, Triple, Triple]
Quat = tuple[Lanes, Lanes, Lanes, Lanes]

LOG2_E = math.log2(math.e)
EXPONENT_MOST = 120
TINY = 1e-24

ROTATION, SHIFT, FOCAL, MIDDLE, EYE, PERSPECTIVE, ANTIALIASED, SIZE = 0, 9, 12, 14, 16, 19, 20, 21
CAMERA = 23
"""Places in the flat float32 array that describes a camera.

`PERSPECTIVE` is 0 for an orthographic camera, else 1; `SIZE` is width and height.
"""

LARGE = 32
"""Splats whose longest standard deviation, seen from its side, is so many pixels are projected in float64.

Rounding to float32 turns an axis by 1e-7, in the picture a hundred times more if it nearly points at the
camera: far from its centre a needle would lie beside its place by a thousandth of its width. Such splats are
rare.
"""


@dataclass(frozen=True)
class Footprint:
    """Eight splats in the picture, with everything the gradients need."""

    center_cam: Triple
    """z is 1 for splats too near to be drawn."""

    inverse_z: Lanes
    """1 if orthographic."""

    slopes: tuple[Lanes, Lanes]
    """x/z and y/z, held near the picture: the linearisation is taken there."""

    jacobian: tuple[Lanes, Lanes, Lanes, Lanes]
    """Of the pixel's column by x and by z, of its row by y and by z."""

    across: Triple
    down: Triple
    """How columns and rows grow along the world's axes."""

    inverse_length: Lanes
    quat: Quat
    axes: Matrix
    """The splat's own axes, in world axes."""

    scales: Triple
    u: Triple
    v: Triple
    w: Triple
    """v - slope u."""

    area: Triple
    """u x v."""

    inverse_xx: Lanes
    slope: Lanes
    inverse_rest: Lanes

    @property
    def size(self) -> Lanes:
        """Longest standard deviation in pixels, as if seen from its side."""
        s0, s1, s2 = self.scales
        by_x, _, by_y, _ = self.jacobian
        return maximum(maximum(s0, s1), s2) * maximum(by_x, by_y)


def triple(values: Iterable[Lanes]) -> Triple:
    """Three, as a tuple of three."""
    a, b, c = values
    return a, b, c


def dot(a: Triple, b: Triple) -> Lanes:
    """Inner product."""
    return a[0] * b[0] + (a[1] * b[1] + a[2] * b[2])


def cross(a: Triple, b: Triple) -> Triple:
    """Outer product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def add(a: Triple, b: Triple) -> Triple:
    """Sum."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def times(factor: Lanes | float, a: Triple) -> Triple:
    """Multiple."""
    return (factor * a[0], factor * a[1], factor * a[2])


def camera_rows(camera: Memory) -> Matrix:
    """The camera's axes: rows of its rotation."""
    x, y, z = (triple(camera.number(ROTATION + 3 * row + i) for i in range(3)) for row in range(3))
    return x, y, z


def columns(rows: Matrix) -> Matrix:
    """Transpose."""
    a, b, c = zip(*rows, strict=True)
    return a, b, c


def read_triple(array: Memory, rows: Rows) -> Triple:
    """Eight rows of an (n, 3) array."""
    return (array.gather(rows, 3, 0), array.gather(rows, 3, 1), array.gather(rows, 3, 2))


def to_camera(means: Memory, camera: Memory, rows: Rows) -> Triple:
    """Centres in camera axes."""
    center = read_triple(means, rows)
    x, y, z = (
        axis[0] * center[0] + (axis[1] * center[1] + (axis[2] * center[2] + camera.number(SHIFT + i)))
        for i, axis in enumerate(camera_rows(camera))
    )
    return x, y, z


def limits(camera: Memory) -> tuple[tuple[Lanes, Lanes], tuple[Lanes, Lanes]]:
    """Slopes x/z and y/z, lowest and highest, where linearisation stops."""

    def along(axis: int) -> tuple[Lanes, Lanes]:
        inverse, middle = 1 / camera.number(FOCAL + axis), camera.number(MIDDLE + axis)
        rim = MARGIN * camera.number(SIZE + axis)
        return -(rim + middle) * inverse, (camera.number(SIZE + axis) + rim - middle) * inverse

    return along(0), along(1)


def exponential(value: Lanes) -> Lanes:
    """Natural exponential, held within what float32 can square."""
    return exp2(minimum(maximum(value * LOG2_E, -EXPONENT_MOST), EXPONENT_MOST))


def log2_opacity(logits: Memory, rows: Rows) -> Lanes:
    """Logarithm of the sigmoid."""
    return -log2(exponential(-logits.gather(rows, 1, 0)) + 1)


def project_splats(means: Memory, quats: Memory, log_scales: Memory, camera: Memory, rows: Rows) -> Footprint:
    """Linearise the camera at the splats' centres (EWA splatting)."""
    perspective = camera.number(PERSPECTIVE)
    x, y, z = to_camera(means, camera, rows)
    z = where(z > NEAR, z, 1)
    inverse_z = perspective / z + (1 - perspective)
    (left, right), (top, bottom) = limits(camera)
    slope_x = minimum(maximum(x * inverse_z, left), right)
    slope_y = minimum(maximum(y * inverse_z, top), bottom)
    by_x, by_y = camera.number(FOCAL) * inverse_z, camera.number(FOCAL + 1) * inverse_z
    by_xz, by_yz = -(perspective * by_x) * slope_x, -(perspective * by_y) * slope_y
    right, under, ahead = camera_rows(camera)
    across, down = add(times(by_x, right), times(by_xz, ahead)), add(times(by_y, under), times(by_yz, ahead))

    inverse_length, quat, axes = _turn(quats, rows)
    s0, s1, s2 = (exponential(scale) for scale in read_triple(log_scales, rows))
    u = (dot(across, axes[0]) * s0, dot(across, axes[1]) * s1, dot(across, axes[2]) * s2)
    v = (dot(down, axes[0]) * s0, dot(down, axes[1]) * s1, dot(down, axes[2]) * s2)
    # u x v from what the axes share, and v - slope u from u x v: neither cancels on a needle, as the plain
    # formulas do.
    facing = cross(across, down)
    area = (dot(facing, axes[0]) * s1 * s2, dot(facing, axes[1]) * s2 * s0, dot(facing, axes[2]) * s0 * s1)
    inverse_xx = 1 / (dot(u, u) + BLUR)
    slope = dot(u, v) * inverse_xx
    w = add(times(BLUR * inverse_xx, v), cross(area, times(inverse_xx, u)))
    inverse_rest = 1 / (dot(w, w) + (BLUR * slope * slope + BLUR))
    return Footprint(
        (x, y, z), inverse_z, (slope_x, slope_y), (by_x, by_xz, by_y, by_yz), across, down,
        inverse_length, quat, axes, (s0, s1, s2), u, v, w, area, inverse_xx, slope, inverse_rest,
    )  # fmt: skip


def _turn(quats: Memory, rows: Rows) -> tuple[Lanes, Quat, Matrix]:
    """Inverse length of the quaternions, the unit quaternions, and the axes they turn to."""
    w, x, y, z = (quats.gather(rows, 4, i) for i in range(4))
    inverse = 1 / sqrt(maximum(w * w + x * x + y * y + z * z, TINY))
    w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
    first = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
    second = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
    third = (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
    return inverse, (w, x, y, z), (first, second, third)


def facing_normal(print_: Footprint, camera: Memory) -> tuple[Triple, Triple, Lanes]:
    """Shortest axis of each splat, in world axes.

    Also 1 for that axis and 0 for the others; and 1, or -1 where it looks away from the camera.
    """
    s0, s1, s2 = print_.scales
    third = where((s2 < s0) & (s2 < s1), 1, 0)
    second = where(s1 < s0, 1 - third, 0)
    chosen = (1 - third - second, second, third)
    axes = columns(print_.axes)
    normal = (dot(chosen, axes[0]), dot(chosen, axes[1]), dot(chosen, axes[2]))
    n0, n1, n2 = (dot(normal, axis) for axis in camera_rows(camera))
    perspective = camera.number(PERSPECTIVE)
    x, y, z = times(perspective, print_.center_cam)
    away = n0 * x + (n1 * y + n2 * (z + (1 - perspective)))
    return normal, chosen, where(away > 0, -1, 1)
