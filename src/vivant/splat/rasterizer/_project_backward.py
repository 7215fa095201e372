"""Kernel that takes gradients of projected splats back to the splats and the camera, eight at a time.

The variables are those of `_geometry` and `_project`; a gradient by `x` is called `g_x`.
"""

import numpy as np

from vivant.core.jit import kernel, part
from vivant.splat.rasterizer._blend_backward import SLOT
from vivant.splat.rasterizer._geometry import (
    ANTIALIASED,
    LARGE,
    PERSPECTIVE,
    SHIFT,
    TINY,
    Footprint,
    Triple,
    add,
    camera_rows,
    columns,
    cross,
    dot,
    facing_normal,
    limits,
    log2_opacity,
    project_splats,
    read_triple,
    times,
    triple,
)
from vivant.splat.rasterizer._harmonics import BASIS, write_color_gradients
from vivant.splat.rasterizer._lanes import COUNT, Lanes, Memory, Rows, exp2, maximum, traced, where
from vivant.splat.rasterizer._project import PAYLOAD, RECORD, any_large
from vivant.splat.rasterizer._vectors import load, pick_rows, spread, store, sum_lanes

ZERO, ONE = np.float32(0), np.float32(1)
CHUNK = 512
"""So many splats' gradients by the camera are added up together, whatever the number of threads."""

SLOTS = 0
"""Where each splat's summed slot lies in scratch: 6 moments, 4 of colour and depth, 3 of the normal."""

RESULTS = SLOTS + SLOT * COUNT
"""By mean (3), quaternion (4), log scale (3), opacity logit."""

DRAWN = RESULTS + 11 * COUNT
EXTENTS = DRAWN + COUNT
G_COLORS = EXTENTS + COUNT
G_DIRECTIONS = G_COLORS + 3 * COUNT
G_CAMERA = G_DIRECTIONS + 3 * COUNT
"""By rotation (9), shift (3), focal lengths (2), principal point (2): summed over a chunk."""

BASIS_PLACE = G_CAMERA + 16 * COUNT
SCRATCH = BASIS_PLACE + BASIS
LANE_ROWS = Rows.fixed(0, 1, 2, 3, 4, 5, 6, 7)


@kernel
def project_backward(
    chunk_begin, chunk_end, means, quats, log_scales, logits, sh, camera, normals, records, starts,
    slots, by_picture, by_extra, adds, wants_camera,
    g_means, g_quats, g_log_scales, g_logits, g_sh, g_features, g_camera, rows, scratch,
):  # fmt: skip
    """Write (or add, from the second view on) the gradients of the splats in some chunks.

    `slots` are one set for colour and depth and one for each four extra channels; `by_picture` and `by_extra`
    say which of them were filled. `rows` (8 int64) and `scratch` are this thread's own.
    """
    g_colors, g_directions, basis = scratch[G_COLORS:], scratch[G_DIRECTIONS:], scratch[BASIS_PLACE:]
    for chunk in range(chunk_begin, chunk_end):
        scratch[G_CAMERA : G_CAMERA + 16 * COUNT] = ZERO
        end = min((chunk + 1) * CHUNK, means.shape[0])
        for first in range(chunk * CHUNK, end, COUNT):
            lanes = pick_rows(first, end, rows)
            if not _sum_slots(first, lanes, starts, slots, by_picture, by_extra, normals, scratch):
                if not adds:
                    _write_nothing(first, lanes, g_means, g_quats, g_log_scales, g_logits, g_sh, g_features)
                continue
            _colors_backward(records, rows, scratch)
            write_color_gradients(
                means, sh, camera, rows, g_colors, g_directions, basis, g_sh, first, lanes, adds
            )  # fmt: skip
            _project_eight_backward(means, quats, log_scales, logits, camera, rows, scratch)
            if any_large(scratch, DRAWN, EXTENTS):
                _project_eight_large_backward(means, quats, log_scales, logits, camera, rows, scratch)
            _write_eight(first, lanes, adds, scratch, g_means, g_quats, g_log_scales, g_logits)
            _write_features(first, lanes, adds, starts, slots, by_extra, normals, g_features)
        if wants_camera:
            for place in range(16):
                g_camera[chunk, place] += sum_lanes(load(scratch, G_CAMERA + place * COUNT))


@part
def _sum_slots(first, lanes, starts, slots, by_picture, by_extra, normals, scratch):
    """Sum each splat's slots into rows of `scratch`. False if none of the eight was drawn."""
    any_drawn = False
    for lane in range(COUNT):
        row, low, high = SLOTS + lane * SLOT, spread(ZERO), spread(ZERO)
        begin, end = 0, 0
        if lane < lanes:
            begin, end = starts[first + lane], starts[first + lane + 1]
        if by_picture:
            for slot in range(begin, end):
                low = low + load(slots, slot * SLOT)
                high = high + load(slots, slot * SLOT + COUNT)
        store(scratch, row, low)
        store(scratch, row + COUNT, high)
        for place in range(10, SLOT):
            scratch[row + place] = ZERO
        if by_extra:
            _sum_extra_slots(row, begin, end, slots, normals, scratch)
        scratch[DRAWN + lane] = ONE if end > begin else ZERO
        any_drawn |= end > begin
    return any_drawn


@part
def _sum_extra_slots(row, begin, end, slots, normals, scratch):
    for group in range(1, slots.shape[0]):
        for slot in range(begin, end):
            for place in range(6):
                scratch[row + place] += slots[group, slot, place]
    if normals:
        for slot in range(begin, end):
            for axis in range(3):
                scratch[row + 10 + axis] += slots[1, slot, 6 + axis]


@traced
def _colors_backward(records: Memory, rows: Rows, scratch: Memory) -> None:
    """Gradients by colours. A splat that is darker than black shows nothing, and learns nothing."""
    drawn, slots = scratch.load(DRAWN) > 0, scratch.part(SLOTS)
    for channel in range(3):
        shown = drawn & (records.gather(rows, RECORD, PAYLOAD + channel) > 0)
        gradient = where(shown, slots.gather(LANE_ROWS, SLOT, 6 + channel), 0)
        scratch.store(G_COLORS + channel * COUNT, gradient)


@traced
def _project_eight_backward(
    means: Memory,
    quats: Memory,
    log_scales: Memory,
    logits: Memory,
    camera: Memory,
    rows: Rows,
    scratch: Memory,
) -> None:
    _fill_scratch(means, quats, log_scales, logits, camera, rows, scratch)


@traced
def _project_eight_large_backward(
    means: Memory,
    quats: Memory,
    log_scales: Memory,
    logits: Memory,
    camera: Memory,
    rows: Rows,
    scratch: Memory,
) -> None:
    """The splats that were left out, which are large, in float64."""
    _fill_scratch(
        means.widened(), quats.widened(), log_scales.widened(), logits.widened(), camera.widened(), rows,
        scratch.widened(),
    )  # fmt: skip


def _fill_scratch(
    means: Memory,
    quats: Memory,
    log_scales: Memory,
    logits: Memory,
    camera: Memory,
    rows: Rows,
    scratch: Memory,
) -> None:
    """Fill `scratch` with the gradients of eight splats, and add those by the camera."""
    seen = project_splats(means, quats, log_scales, camera, rows)
    slots = scratch.part(SLOTS)
    moments = [slots.gather(LANE_ROWS, SLOT, place) for place in range(6)]
    g_depth = slots.gather(LANE_ROWS, SLOT, 9)
    g_normal = triple(slots.gather(LANE_ROWS, SLOT, place) for place in (10, 11, 12))
    g_column, g_row, g_u, g_w = _half_covariance_backward(seen, moments, camera.number(ANTIALIASED))

    s0, s1, s2 = seen.scales
    g_log_scales = triple(g_u[axis] * seen.u[axis] + g_w[axis] * seen.w[axis] for axis in range(3))
    g_u, g_w = (g_u[0] * s0, g_u[1] * s1, g_u[2] * s2), (g_w[0] * s0, g_w[1] * s1, g_w[2] * s2)
    tilted = add(seen.down, times(-seen.slope, seen.across))
    normal, chosen, sign = facing_normal(seen, camera)
    camera_columns = columns(camera_rows(camera))
    g_normal = times(sign, g_normal)
    g_normal_world = triple(dot(g_normal, column) for column in camera_columns)
    g_axes = tuple(
        add(add(times(g_u[axis], seen.across), times(g_w[axis], tilted)), times(chosen[axis], g_normal_world))
        for axis in range(3)
    )
    g_quat = _turn_backward(seen, g_axes)
    g_down = triple(dot(g_w, column) for column in columns(seen.axes))
    g_across = add(triple(dot(g_u, column) for column in columns(seen.axes)), times(-seen.slope, g_down))
    g_size = g_log_scales[0] + g_log_scales[1] + g_log_scales[2]
    g_jacobian, g_center, free = _linearize_backward(
        seen, camera, g_column, g_row, g_depth, g_size, g_across, g_down
    )

    perspective = camera.number(PERSPECTIVE)
    g_direction = triple(scratch.load(G_DIRECTIONS + axis * COUNT) for axis in range(3))
    g_offset = times(perspective, g_direction)
    g_mean = add(triple(dot(g_center, column) for column in camera_columns), g_offset)
    g_logit = moments[0] * (1 - exp2(log2_opacity(logits, rows)))
    drawn = scratch.load(DRAWN) > 0
    # Which of the two passes takes a splat depends on nothing but the splat.
    if scratch.wide:
        mine = drawn & (scratch.load(EXTENTS) >= LARGE)
    else:
        scratch.store(EXTENTS, seen.size)
        mine = drawn & (seen.size < LARGE)
    for place, value in enumerate((*g_mean, *g_quat, *g_log_scales, g_logit)):
        at = RESULTS + place * COUNT
        scratch.store(at, where(mine, value, scratch.load(at) if scratch.wide else 0))

    # The camera: through centres, the rows across and down, normals, and the eye from which colours are seen.
    mean = read_triple(means, rows)
    by_x, by_xz, by_y, by_yz = seen.jacobian
    g_rows = [
        times(by_x, g_across),
        times(by_y, g_down),
        add(add(times(by_xz, g_across), times(by_yz, g_down)), times(1 - perspective, g_direction)),
    ]
    gains = []
    for i in range(3):
        through = add(times(g_center[i], mean), times(g_normal[i], normal))
        gains += add(add(g_rows[i], through), times(camera.number(SHIFT + i), g_offset))
    gains += [g_center[i] + dot(g_offset, axis) for i, axis in enumerate(camera_rows(camera))]
    gains += _intrinsics_gradients(seen, perspective, g_column, g_row, g_jacobian, free)
    for place, value in enumerate(gains):
        at = G_CAMERA + place * COUNT
        scratch.store(at, scratch.load(at) + where(mine, value, 0))


def _half_covariance_backward(
    seen: Footprint, moments: list[Lanes], antialiased: Lanes
) -> tuple[Lanes, Lanes, Triple, Triple]:
    """From a slot's moments to the pixel of the centre, and to the rows u and w, the slope taken as constant.

    By u and v the gradients of a needle are large and nearly undo each other in all that follows.
    """
    v_, d, dd, o, do, oo = moments
    u, w, slope = seen.u, seen.w, seen.slope
    g_row = seen.inverse_rest * o
    g_column = seen.inverse_xx * d - slope * g_row
    # By the logarithms of xx and rest: of the exponent, and of the opacity that anti-aliasing takes away.
    from_xx = seen.inverse_xx * (seen.inverse_xx * dd - antialiased * v_)
    from_rest = seen.inverse_rest * (seen.inverse_rest * oo - antialiased * v_)
    from_slope = seen.inverse_xx * seen.inverse_rest * do
    g_u = add(times(from_xx, u), times(from_slope, w))
    g_w = add(times(from_slope, u), times(from_rest, w))
    share = times(antialiased * v_ / maximum(dot(seen.area, seen.area), TINY), seen.area)
    return g_column, g_row, add(g_u, cross(w, share)), add(g_w, cross(share, u))


def _turn_backward(seen: Footprint, g_axes: tuple[Triple, ...]) -> tuple[Lanes, ...]:
    """By the quaternion as it was given, through its normalisation. `g_axes` are columns of the matrix."""
    (a00, a10, a20), (a01, a11, a21), (a02, a12, a22) = g_axes
    w, x, y, z = seen.quat
    g_w = x * (a21 - a12) + y * (a02 - a20) + z * (a10 - a01)
    g_x = -2 * x * (a11 + a22) + y * (a01 + a10) + z * (a02 + a20) + w * (a21 - a12)
    g_y = x * (a01 + a10) - 2 * y * (a00 + a22) + z * (a12 + a21) + w * (a02 - a20)
    g_z = x * (a02 + a20) + y * (a12 + a21) - 2 * z * (a00 + a11) + w * (a10 - a01)
    along = g_w * w + g_x * x + g_y * y + g_z * z
    twice = 2 * seen.inverse_length
    return tuple(
        twice * (gradient - along * part)
        for gradient, part in zip((g_w, g_x, g_y, g_z), seen.quat, strict=True)
    )


def _linearize_backward(
    seen: Footprint,
    camera: Memory,
    g_column: Lanes,
    g_row: Lanes,
    g_depth: Lanes,
    g_size: Lanes,
    g_across: Triple,
    g_down: Triple,
) -> tuple[tuple[Lanes, ...], Triple, tuple[Lanes, Lanes]]:
    """By the Jacobian's entries, and by the centre in camera axes.

    Also 1 where the slopes are free, 0 where they are held.
    """
    right, under, ahead = camera_rows(camera)
    g_by_x, g_by_xz, g_by_y, g_by_yz = (
        dot(g_across, right),
        dot(g_across, ahead),
        dot(g_down, under),
        dot(g_down, ahead),
    )
    x, y, _ = seen.center_cam
    inverse_z, (slope_x, slope_y), perspective = seen.inverse_z, seen.slopes, camera.number(PERSPECTIVE)
    by_x, _, by_y, _ = seen.jacobian
    free_x, free_y = (
        where((slope >= low) & (slope <= high), 1, 0)
        for slope, (low, high) in zip((x * inverse_z, y * inverse_z), limits(camera), strict=True)
    )
    # What comes nearer grows, as if its scales did. Where the slope is held at the rim, focal times slope is
    # constant.
    moving = g_by_xz * by_x * slope_x * free_x + g_by_yz * by_y * slope_y * free_y
    still = g_column * by_x * x + g_row * by_y * y + g_size
    g_x = by_x * (g_column - perspective * inverse_z * free_x * g_by_xz)
    g_y = by_y * (g_row - perspective * inverse_z * free_y * g_by_yz)
    g_z = g_depth + perspective * inverse_z * (moving - still)
    return (g_by_x, g_by_xz, g_by_y, g_by_yz), (g_x, g_y, g_z), (free_x, free_y)


def _intrinsics_gradients(
    seen: Footprint, perspective: Lanes, g_column: Lanes, g_row: Lanes, g_jacobian: tuple[Lanes, ...],
    free: tuple[Lanes, Lanes],
) -> list[Lanes]:  # fmt: skip
    x, y, _ = seen.center_cam
    g_by_x, g_by_xz, g_by_y, g_by_yz = g_jacobian
    return [
        seen.inverse_z * (g_column * x + g_by_x - perspective * free[0] * seen.slopes[0] * g_by_xz),
        seen.inverse_z * (g_row * y + g_by_y - perspective * free[1] * seen.slopes[1] * g_by_yz),
        g_column + perspective * (1 - free[0]) * seen.inverse_z * g_by_xz,
        g_row + perspective * (1 - free[1]) * seen.inverse_z * g_by_yz,
    ]


@part
def _write_eight(first, lanes, adds, scratch, g_means, g_quats, g_log_scales, g_logits):
    for lane in range(lanes):
        at, splat = RESULTS + lane, first + lane
        for axis in range(3):
            old = g_means[splat, axis] if adds else ZERO
            g_means[splat, axis] = old + scratch[at + axis * COUNT]
            old = g_log_scales[splat, axis] if adds else ZERO
            g_log_scales[splat, axis] = old + scratch[at + (7 + axis) * COUNT]
        for axis in range(4):
            old = g_quats[splat, axis] if adds else ZERO
            g_quats[splat, axis] = old + scratch[at + (3 + axis) * COUNT]
        old = g_logits[splat] if adds else ZERO
        g_logits[splat] = old + scratch[at + 10 * COUNT]


@part
def _write_features(first, lanes, adds, starts, slots, by_extra, normals, g_features):
    start = 3 if normals else 0
    for lane in range(lanes):
        splat = first + lane
        for feature in range(g_features.shape[1]):
            total = g_features[splat, feature] if adds else ZERO
            channel = start + feature
            if by_extra:
                for slot in range(starts[splat], starts[splat + 1]):
                    total += slots[1 + channel // 4, slot, 6 + channel % 4]
            g_features[splat, feature] = total


@part
def _write_nothing(first, lanes, g_means, g_quats, g_log_scales, g_logits, g_sh, g_features):
    for splat in range(first, first + lanes):
        g_means[splat] = ZERO
        g_quats[splat] = ZERO
        g_log_scales[splat] = ZERO
        g_logits[splat] = ZERO
        g_sh[splat] = ZERO
        g_features[splat] = ZERO
