"""Kernel that turns harmonics with their splats, eight splats at a time.

A turn is three about z, with quarter turns about x between them: R = Rz(a) X Rz(b) X^T Rz(c), X taking z to y.
About z only the functions of +m and -m mix, as cosine and sine of m times the angle do; X is the same for all
splats, and most of it is zero (Pinchon and Hoggan 2007, "Rotation matrices for real spherical harmonics"). That
takes half the work of full matrices, and no angle is ever computed: cosines and sines follow from the
quaternion. `turning` is the readable twin.
"""

import functools

import numpy as np
import torch

from vivant.core.jit import kernel
from vivant.splat.rasterizer._lanes import COUNT, Lanes, Memory, Rows, sqrt, traced, where
from vivant.splat.rasterizer._vectors import pick_rows
from vivant.splat.skinning import turning

C, B, A, PLACES = 0, 6 * COUNT, 12 * COUNT, 18 * COUNT
"""Where cosines and sines of the three angles lie, in the order of the turns: each once, twice and thrice."""

SMALL = 1e-30
"""Squared length of two of a quaternion's numbers below which they tell no angle: none matters then."""

ROUNDING = 1e-9
"""Numbers of the quarter turn below this are zeros."""

Pair = tuple[Lanes, Lanes]
"""Cosine and sine."""


@kernel
def turn_sh(sh, first, last, turns, back, sh_out):
    """Harmonics turned with the splats; `back` gives the transpose, which carries gradients."""
    bands = sh.shape[1]
    # The transpose of a turn is the turn back.
    sign = np.float32(-1) if back else np.float32(1)
    rows = np.empty(COUNT, np.int64)
    angles = np.empty(PLACES, np.float32)
    for start in range(first, last, COUNT):
        pick_rows(start, last, rows)
        _write_angles(turns, rows, sign, angles)
        _turn_one(sh, rows, 3 * bands, angles, sh_out)
        if bands > 4:
            _turn_two(sh, rows, 3 * bands, angles, sh_out)
        if bands > 9:
            _turn_three(sh, rows, 3 * bands, angles, sh_out)


@traced
def _write_angles(turns: Memory, rows: Rows, sign: Lanes, angles: Memory) -> None:
    """Cosines and sines of a, b, c and their multiples.

    With half the sum of a and c, h, and half their difference, k, the quaternion is
    (cos b/2 cos h, -sin b/2 sin k, sin b/2 cos k, cos b/2 sin h).
    """
    w, x, y, z = turns.gather_four(rows, 4, 0)
    x, y, z = sign * x, sign * y, sign * z
    cos_half, half_sum = _length_and_angle(w, z)
    sin_half, half_difference = _length_and_angle(y, -x)
    # The length is 1 but for rounding, which multiples of the angle would multiply.
    inverse = 1 / (cos_half * cos_half + sin_half * sin_half)
    b = ((cos_half - sin_half) * (cos_half + sin_half) * inverse, 2 * cos_half * sin_half * inverse)
    a = _add_angles(half_sum, half_difference)
    c = _add_angles(half_sum, (half_difference[0], -half_difference[1]))
    for place, once in ((C, c), (B, b), (A, a)):
        twice = _add_angles(once, once)
        for multiple, pair in enumerate((once, twice, _add_angles(twice, once))):
            for part, value in enumerate(pair):
                angles.store(place + (2 * multiple + part) * COUNT, value)


def _length_and_angle(x: Lanes, y: Lanes) -> tuple[Lanes, Pair]:
    """Of a vector in the plane."""
    square = x * x + y * y
    length = sqrt(square)
    known = square > SMALL
    return length, (where(known, x / length, 1), where(known, y / length, 0))


def _add_angles(a: Pair, b: Pair) -> Pair:
    return a[0] * b[0] - a[1] * b[1], a[1] * b[0] + a[0] * b[1]


@traced
def _turn_one(sh: Memory, rows: Rows, stride, angles: Memory, sh_out: Memory) -> None:
    _turn_degree(sh, rows, stride, angles, sh_out, 1)


@traced
def _turn_two(sh: Memory, rows: Rows, stride, angles: Memory, sh_out: Memory) -> None:
    _turn_degree(sh, rows, stride, angles, sh_out, 2)


@traced
def _turn_three(sh: Memory, rows: Rows, stride, angles: Memory, sh_out: Memory) -> None:
    _turn_degree(sh, rows, stride, angles, sh_out, 3)


def _turn_degree(sh: Memory, rows: Rows, stride, angles: Memory, sh_out: Memory, degree: int) -> None:
    """One degree; degree 0, which no turn changes, comes along with the first."""
    first, end = 3 * degree**2, 3 * (degree + 1) ** 2
    # Four neighbours at a time; the last four overlap those before, and are written with the same numbers.
    offsets = sorted({*range(0 if degree == 1 else first, end - 3, 4), end - 4})
    numbers: dict[int, Lanes] = {}
    for offset in offsets:
        numbers |= dict(enumerate(sh.gather_four(rows, stride, offset), start=offset))
    for channel in range(3):
        places = range(first + channel, end, 3)
        turned = _turn_series([numbers[place] for place in places], angles)
        numbers |= dict(zip(places, turned, strict=True))
    for offset in offsets:
        four = (numbers[offset], numbers[offset + 1], numbers[offset + 2], numbers[offset + 3])
        sh_out.scatter_four(rows, stride, offset, four)


def _turn_series(series: list[Lanes], angles: Memory) -> list[Lanes]:
    """Coefficients of one degree and one channel."""
    quarter = quarter_turn(len(series) // 2)
    back = [list(column) for column in zip(*quarter, strict=True)]
    series = _mix(back, _turn_about_z(series, angles.part(C)))
    series = _mix(quarter, _turn_about_z(series, angles.part(B)))
    return _turn_about_z(series, angles.part(A))


def _turn_about_z(series: list[Lanes], angle: Memory) -> list[Lanes]:
    """Band degree + m goes with the cosine of m times the angle about z, band degree - m with the sine."""
    degree = len(series) // 2
    turned = list(series)
    for m in range(1, degree + 1):
        pair = (series[degree + m], series[degree - m])
        multiple = (angle.load((2 * m - 2) * COUNT), angle.load((2 * m - 1) * COUNT))
        turned[degree + m], turned[degree - m] = _add_angles(pair, multiple)
    return turned


def _mix(matrix: list[list[float]], series: list[Lanes]) -> list[Lanes]:
    """Multiply by constants; zeros cost nothing."""
    products = [[weight * value for weight, value in zip(row, series, strict=True) if weight] for row in matrix]
    return [functools.reduce(Lanes.__add__, row) for row in products]


@functools.cache
def quarter_turn(degree: int) -> list[list[float]]:
    """What the turn about x that takes z to y does to the coefficients of one degree.

    The reference is asked for it while the kernel is compiled; machine code from the cache holds it already.
    """
    turn = torch.tensor([[[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]], dtype=torch.float64)
    series = torch.eye(16, dtype=torch.float64)[:, :, None].expand(16, 16, 3)
    turned = turning.turn_sh(series, turn.expand(16, 3, 3))[:, :, 0].T
    bands = slice(degree**2, (degree + 1) ** 2)
    return [[value if abs(value) > ROUNDING else 0.0 for value in row] for row in turned[bands, bands].tolist()]
