"""Kernel that takes gradients of projected splats back to the splats and the camera, eight at a time.

The variables are those of `_geometry` and `_project`; a gradient by `x` is called `g_x`.
"""

from vivant.core.jit import kernel
from vivant.splat.rasterizer._blend_backward import SLOT
from vivant.splat.rasterizer._geometry import (
    FOCAL_X,
    FOCAL_Y,
    HALF,
    LIMITS,
    NEAR,
    ONE,
    PERSPECTIVE,
    TINY,
    TWO,
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
from vivant.splat.rasterizer._harmonics import colors_backward
from vivant.splat.rasterizer._project import PAYLOAD
from vivant.splat.rasterizer._vectors import (
    LANES,
    exp2,
    gather,
    load,
    maximum,
    spread,
    store,
    sum_lanes,
    where_ge,
    where_gt,
    where_le,
)

CHUNK = 512
"""So many splats' gradients by the camera are added up together, whatever the number of threads."""

SUMS, GEOMETRY, LANE_ROWS, COLOR, CAMERA_SUMS, BASIS = 0, 128, 256, 384, 512, 704
SCRATCH = 1024
"""Places in a thread's scratch array."""


@kernel
def project_backward(
    chunk_begin, chunk_end, means, quats, log_scales, logits, sh, camera, antialiased, normals, records, starts,
    slots, by_picture, by_extra, add, wants_camera,
    g_means, g_quats, g_log_scales, g_logits, g_sh, g_features, g_camera, rows, scratch,
):  # fmt: skip
    """Write (or add, from the second view on) the gradients of the splats in some chunks.

    `slots` are one set for colour and depth and one for each four extra channels; `by_picture` and `by_extra` say which
    of them were filled. `rows` (16 int64) and `scratch` are this thread's own.
    """
    for lane in range(LANES):
        rows[LANES + lane] = lane
    for chunk in range(chunk_begin, chunk_end):
        scratch[CAMERA_SUMS : CAMERA_SUMS + 16 * LANES] = ZERO
        end = min((chunk + 1) * CHUNK, means.shape[0])
        for first in range(chunk * CHUNK, end, LANES):
            lanes = pick_rows(first, end, rows)
            if not _sum_slots(first, lanes, starts, slots, by_picture, by_extra, scratch):
                if not add:
                    _write_nothing(first, lanes, g_means, g_quats, g_log_scales, g_logits, g_sh, g_features)
                continue
            _back_eight(
                means, quats, log_scales, logits, sh, camera, antialiased, normals, records, wants_camera,
                rows, scratch, g_sh, first, lanes, add,
            )  # fmt: skip
            _write_eight(first, lanes, add, scratch, g_means, g_quats, g_log_scales, g_logits)
            _write_features(first, lanes, add, starts, slots, by_extra, normals, g_features)
        for place in range(16):
            g_camera[chunk, place] += sum_lanes(load(scratch, CAMERA_SUMS + place * LANES))


@kernel
def _sum_slots(first, lanes, starts, slots, by_picture, by_extra, scratch):
    """Sum each splat's slots into rows of `scratch`: 6 moments, 4 of colour and depth, 3 of the normal. False if there are none."""
    any_slot = False
    zero = spread(ZERO)
    for lane in range(LANES):
        low, high, normal = zero, zero, zero
        if lane < lanes:
            for slot in range(starts[first + lane], starts[first + lane + 1]):
                any_slot = True
                if by_picture:
                    low = low + load(slots, slot * SLOT)
                    high = high + load(slots, slot * SLOT + LANES)
        store(scratch, SUMS + lane * SLOT, low)
        store(scratch, SUMS + lane * SLOT + LANES, high)
        scratch[LANE_ROWS + lane] = (
            ONE if lane < lanes and starts[first + lane + 1] > starts[first + lane] else ZERO
        )
        row = SUMS + lane * SLOT
        scratch[row + 10], scratch[row + 11], scratch[row + 12] = ZERO, ZERO, ZERO
        if by_extra and lane < lanes:
            for group in range(1, slots.shape[0]):
                for slot in range(starts[first + lane], starts[first + lane + 1]):
                    for place in range(6):
                        scratch[row + place] += slots[group, slot, place]
                    if group == 1:
                        for place in range(3):
                            scratch[row + 10 + place] += slots[1, slot, 6 + place]
    return any_slot


@kernel
def _back_eight(
    means, quats, log_scales, logits, sh, camera, antialiased, normals, records, wants_camera,
    rows, scratch, g_sh, first, lanes, add,
):  # fmt: skip
    zero, one = spread(ZERO), spread(ONE)
    lane_rows, sums = rows[LANES:], scratch[SUMS:]
    drawn = load(scratch, LANE_ROWS)

    # The projection once more; splats that were not drawn get harmless numbers.
    x, y, z = to_camera(means, camera, rows)
    z = where_gt(z, spread(NEAR), z, one)
    inverse_z = ONE / z if camera[PERSPECTIVE] != ZERO else one
    jx, jxz, jy, jyz, slope_x, slope_y = jacobian(x, y, inverse_z, camera)
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
    inverse_length, qw, qx, qy, qz, r00, r01, r02, r10, r11, r12, r20, r21, r22 = rotations(quats, rows)
    s0 = exponential(gather(log_scales, rows, 3, 0))
    s1 = exponential(gather(log_scales, rows, 3, 1))
    s2 = exponential(gather(log_scales, rows, 3, 2))
    u0, v0 = dot(a0, a1, a2, r00, r10, r20) * s0, dot(b0, b1, b2, r00, r10, r20) * s0
    u1, v1 = dot(a0, a1, a2, r01, r11, r21) * s1, dot(b0, b1, b2, r01, r11, r21) * s1
    u2, v2 = dot(a0, a1, a2, r02, r12, r22) * s2, dot(b0, b1, b2, r02, r12, r22) * s2
    inverse_xx, slope, inverse_rest, w0, w1, w2 = decompose(u0, u1, u2, v0, v1, v2)

    # From the moments to the centre, 1 / xx, the slope, 1 / rest, the opacity.
    sum_v, sum_d, sum_dd = (
        gather(sums, lane_rows, SLOT, 0),
        gather(sums, lane_rows, SLOT, 1),
        gather(sums, lane_rows, SLOT, 2),
    )
    sum_o, sum_do, sum_oo = (
        gather(sums, lane_rows, SLOT, 3),
        gather(sums, lane_rows, SLOT, 4),
        gather(sums, lane_rows, SLOT, 5),
    )
    g_center_y = inverse_rest * sum_o
    g_center_x = inverse_xx * sum_d - slope * g_center_y
    g_inverse_xx, g_inverse_rest, g_slope = -HALF * sum_dd, -HALF * sum_oo, inverse_rest * sum_do
    hidden = ONE - exp2(log2_opacity(logits, rows))
    _keep(scratch, 10, drawn, sum_v * hidden)

    # To the rows u and v of the half covariance.
    from_xx, from_rest = (
        -TWO * inverse_xx * inverse_xx * g_inverse_xx,
        TWO * inverse_rest * inverse_rest * g_inverse_rest,
    )
    from_slope = inverse_xx * g_slope
    g_u0 = from_xx * u0 + from_slope * (w0 - slope * u0) + slope * from_rest * w0
    g_u1 = from_xx * u1 + from_slope * (w1 - slope * u1) + slope * from_rest * w1
    g_u2 = from_xx * u2 + from_slope * (w2 - slope * u2) + slope * from_rest * w2
    g_v0, g_v1, g_v2 = (
        from_slope * u0 - from_rest * w0,
        from_slope * u1 - from_rest * w1,
        from_slope * u2 - from_rest * w2,
    )
    if antialiased:
        c0, c1, c2 = u1 * v2 - u2 * v1, u2 * v0 - u0 * v2, u0 * v1 - u1 * v0
        share = sum_v / maximum(dot(c0, c1, c2, c0, c1, c2), spread(TINY))
        # By the logarithms of area, xx and rest: 1, -1/2, -1/2.
        c0, c1, c2 = c0 * share, c1 * share, c2 * share
        lost_xx, lost_rest = sum_v * inverse_xx, sum_v * inverse_rest
        g_u0 = g_u0 + (v1 * c2 - v2 * c1) - lost_xx * u0 + slope * lost_rest * w0
        g_u1 = g_u1 + (v2 * c0 - v0 * c2) - lost_xx * u1 + slope * lost_rest * w1
        g_u2 = g_u2 + (v0 * c1 - v1 * c0) - lost_xx * u2 + slope * lost_rest * w2
        g_v0 = g_v0 + (c1 * u2 - c2 * u1) - lost_rest * w0
        g_v1 = g_v1 + (c2 * u0 - c0 * u2) - lost_rest * w1
        g_v2 = g_v2 + (c0 * u1 - c1 * u0) - lost_rest * w2
    _keep(scratch, 7, drawn, g_u0 * u0 + g_v0 * v0)
    _keep(scratch, 8, drawn, g_u1 * u1 + g_v1 * v1)
    _keep(scratch, 9, drawn, g_u2 * u2 + g_v2 * v2)

    # To the splat's axes, and to the rows a and b of the camera.
    g_u0, g_u1, g_u2, g_v0, g_v1, g_v2 = g_u0 * s0, g_u1 * s1, g_u2 * s2, g_v0 * s0, g_v1 * s1, g_v2 * s2
    g_r00, g_r01, g_r02 = a0 * g_u0 + b0 * g_v0, a0 * g_u1 + b0 * g_v1, a0 * g_u2 + b0 * g_v2
    g_r10, g_r11, g_r12 = a1 * g_u0 + b1 * g_v0, a1 * g_u1 + b1 * g_v1, a1 * g_u2 + b1 * g_v2
    g_r20, g_r21, g_r22 = a2 * g_u0 + b2 * g_v0, a2 * g_u1 + b2 * g_v1, a2 * g_u2 + b2 * g_v2
    g_a0, g_a1, g_a2 = (
        dot(g_u0, g_u1, g_u2, r00, r01, r02),
        dot(g_u0, g_u1, g_u2, r10, r11, r12),
        dot(g_u0, g_u1, g_u2, r20, r21, r22),
    )
    g_b0, g_b1, g_b2 = (
        dot(g_v0, g_v1, g_v2, r00, r01, r02),
        dot(g_v0, g_v1, g_v2, r10, r11, r12),
        dot(g_v0, g_v1, g_v2, r20, r21, r22),
    )
    g_jx, g_jxz = (
        g_a0 * camera[0] + g_a1 * camera[1] + g_a2 * camera[2],
        g_a0 * camera[6] + g_a1 * camera[7] + g_a2 * camera[8],
    )
    g_jy, g_jyz = (
        g_b0 * camera[3] + g_b1 * camera[4] + g_b2 * camera[5],
        g_b0 * camera[6] + g_b1 * camera[7] + g_b2 * camera[8],
    )

    # To the centre in camera axes. Where the linearisation is held at the rim, focal times slope is constant.
    focal_x, focal_y = camera[FOCAL_X] * inverse_z, camera[FOCAL_Y] * inverse_z
    g_x, g_y, g_z = g_center_x * focal_x, g_center_y * focal_y, gather(sums, lane_rows, SLOT, 9)
    free_x = where_ge(
        x * inverse_z,
        spread(camera[LIMITS]),
        where_le(x * inverse_z, spread(camera[LIMITS + 1]), one, zero),
        zero,
    )
    free_y = where_ge(
        y * inverse_z,
        spread(camera[LIMITS + 2]),
        where_le(y * inverse_z, spread(camera[LIMITS + 3]), one, zero),
        zero,
    )
    if camera[PERSPECTIVE] != ZERO:
        g_z = g_z - (g_x * x + g_y * y) * inverse_z - (g_jx * focal_x + g_jy * focal_y) * inverse_z
        g_z = (
            g_z
            + (g_jxz * focal_x * slope_x * (ONE + free_x) + g_jyz * focal_y * slope_y * (ONE + free_y))
            * inverse_z
        )
        g_x = g_x - g_jxz * focal_x * inverse_z * free_x
        g_y = g_y - g_jyz * focal_y * inverse_z * free_y

    n0, n1, n2, g_n0, g_n1, g_n2 = zero, zero, zero, zero, zero, zero
    if normals:
        k0, k1, k2 = shortest_axis(s0, s1, s2)
        n0, n1, n2 = (
            dot(k0, k1, k2, r00, r01, r02),
            dot(k0, k1, k2, r10, r11, r12),
            dot(k0, k1, k2, r20, r21, r22),
        )
        sign = towards_camera(
            n0 * camera[0] + n1 * camera[1] + n2 * camera[2], n0 * camera[3] + n1 * camera[4] + n2 * camera[5],
            n0 * camera[6] + n1 * camera[7] + n2 * camera[8], x, y, z, camera,
        )  # fmt: skip
        g_n0, g_n1, g_n2 = (
            sign * gather(sums, lane_rows, SLOT, 10),
            sign * gather(sums, lane_rows, SLOT, 11),
            sign * gather(sums, lane_rows, SLOT, 12),
        )
        t0 = g_n0 * camera[0] + g_n1 * camera[3] + g_n2 * camera[6]
        t1 = g_n0 * camera[1] + g_n1 * camera[4] + g_n2 * camera[7]
        t2 = g_n0 * camera[2] + g_n1 * camera[5] + g_n2 * camera[8]
        g_r00, g_r01, g_r02 = g_r00 + t0 * k0, g_r01 + t0 * k1, g_r02 + t0 * k2
        g_r10, g_r11, g_r12 = g_r10 + t1 * k0, g_r11 + t1 * k1, g_r12 + t1 * k2
        g_r20, g_r21, g_r22 = g_r20 + t2 * k0, g_r21 + t2 * k1, g_r22 + t2 * k2

    # To the quaternion, through its normalisation.
    g_w = TWO * (qx * (g_r21 - g_r12) + qy * (g_r02 - g_r20) + qz * (g_r10 - g_r01))
    g_qx = TWO * (
        -TWO * qx * (g_r11 + g_r22) + qy * (g_r01 + g_r10) + qz * (g_r02 + g_r20) + qw * (g_r21 - g_r12)
    )
    g_qy = TWO * (
        qx * (g_r01 + g_r10) - TWO * qy * (g_r00 + g_r22) + qz * (g_r12 + g_r21) + qw * (g_r02 - g_r20)
    )
    g_qz = TWO * (
        qx * (g_r02 + g_r20) + qy * (g_r12 + g_r21) - TWO * qz * (g_r00 + g_r11) + qw * (g_r10 - g_r01)
    )
    along = g_w * qw + g_qx * qx + g_qy * qy + g_qz * qz
    _keep(scratch, 3, drawn, (g_w - along * qw) * inverse_length)
    _keep(scratch, 4, drawn, (g_qx - along * qx) * inverse_length)
    _keep(scratch, 5, drawn, (g_qy - along * qy) * inverse_length)
    _keep(scratch, 6, drawn, (g_qz - along * qz) * inverse_length)

    # Colour: a splat that is darker than black shows nothing, and learns nothing.
    stride = records.shape[1]
    for channel in range(3):
        shown = where_gt(gather(records, rows, stride, PAYLOAD + channel), zero, drawn, zero)
        store(
            scratch,
            COLOR + channel * LANES,
            where_gt(shown, zero, gather(sums, lane_rows, SLOT, 6 + channel), zero),
        )
    g_dx, g_dy, g_dz = colors_backward(
        means, sh, camera, rows, scratch[COLOR:], scratch[BASIS:], g_sh, first, lanes, add
    )  # fmt: skip
    g_m0 = g_x * camera[0] + g_y * camera[3] + g_z * camera[6]
    g_m1 = g_x * camera[1] + g_y * camera[4] + g_z * camera[7]
    g_m2 = g_x * camera[2] + g_y * camera[5] + g_z * camera[8]
    perspective = camera[PERSPECTIVE]
    _keep(scratch, 0, drawn, g_m0 + g_dx * perspective)
    _keep(scratch, 1, drawn, g_m1 + g_dy * perspective)
    _keep(scratch, 2, drawn, g_m2 + g_dz * perspective)
    if not wants_camera:
        return

    m0, m1, m2 = gather(means, rows, 3, 0), gather(means, rows, 3, 1), gather(means, rows, 3, 2)
    # By rotation and shift: through the centre, the rows a and b, the normal, and the eye that colours are seen from.
    e0, e1, e2 = g_dx * perspective, g_dy * perspective, g_dz * perspective
    t0, t1, t2 = camera[9], camera[10], camera[11]
    _gain(scratch, 0, drawn, g_x * m0 + jx * g_a0 + g_n0 * n0 + t0 * e0)
    _gain(scratch, 1, drawn, g_x * m1 + jx * g_a1 + g_n0 * n1 + t0 * e1)
    _gain(scratch, 2, drawn, g_x * m2 + jx * g_a2 + g_n0 * n2 + t0 * e2)
    _gain(scratch, 3, drawn, g_y * m0 + jy * g_b0 + g_n1 * n0 + t1 * e0)
    _gain(scratch, 4, drawn, g_y * m1 + jy * g_b1 + g_n1 * n1 + t1 * e1)
    _gain(scratch, 5, drawn, g_y * m2 + jy * g_b2 + g_n1 * n2 + t1 * e2)
    flat = ONE - perspective
    _gain(scratch, 6, drawn, g_z * m0 + jxz * g_a0 + jyz * g_b0 + g_n2 * n0 + t2 * e0 + flat * g_dx)
    _gain(scratch, 7, drawn, g_z * m1 + jxz * g_a1 + jyz * g_b1 + g_n2 * n1 + t2 * e1 + flat * g_dy)
    _gain(scratch, 8, drawn, g_z * m2 + jxz * g_a2 + jyz * g_b2 + g_n2 * n2 + t2 * e2 + flat * g_dz)
    _gain(scratch, 9, drawn, g_x + e0 * camera[0] + e1 * camera[1] + e2 * camera[2])
    _gain(scratch, 10, drawn, g_y + e0 * camera[3] + e1 * camera[4] + e2 * camera[5])
    _gain(scratch, 11, drawn, g_z + e0 * camera[6] + e1 * camera[7] + e2 * camera[8])
    # By the focal lengths and the principal point.
    _gain(scratch, 12, drawn, inverse_z * (g_center_x * x + g_jx - perspective * free_x * slope_x * g_jxz))
    _gain(scratch, 13, drawn, inverse_z * (g_center_y * y + g_jy - perspective * free_y * slope_y * g_jyz))
    _gain(scratch, 14, drawn, g_center_x + perspective * (ONE - free_x) * inverse_z * g_jxz)
    _gain(scratch, 15, drawn, g_center_y + perspective * (ONE - free_y) * inverse_z * g_jyz)


@kernel(inline="always")
def _keep(scratch, place, drawn, value):
    """Keep one column for writing; 0 for splats that were not drawn."""
    store(scratch, GEOMETRY + place * LANES, where_gt(drawn, spread(ZERO), value, spread(ZERO)))


@kernel(inline="always")
def _gain(scratch, place, drawn, value):
    """Add to a sum over splats."""
    at = CAMERA_SUMS + place * LANES
    store(scratch, at, load(scratch, at) + where_gt(drawn, spread(ZERO), value, spread(ZERO)))


@kernel
def _write_eight(first, lanes, add, scratch, g_means, g_quats, g_log_scales, g_logits):
    for lane in range(lanes):
        at, splat = GEOMETRY + lane, first + lane
        for axis in range(3):
            old = g_means[splat, axis] if add else ZERO
            g_means[splat, axis] = old + scratch[at + axis * LANES]
            old = g_log_scales[splat, axis] if add else ZERO
            g_log_scales[splat, axis] = old + scratch[at + (7 + axis) * LANES]
        for axis in range(4):
            old = g_quats[splat, axis] if add else ZERO
            g_quats[splat, axis] = old + scratch[at + (3 + axis) * LANES]
        old = g_logits[splat] if add else ZERO
        g_logits[splat] = old + scratch[at + 10 * LANES]


@kernel
def _write_features(first, lanes, add, starts, slots, by_extra, normals, g_features):
    start = 3 if normals else 0
    for lane in range(lanes):
        splat = first + lane
        for feature in range(g_features.shape[1]):
            total = g_features[splat, feature] if add else ZERO
            channel = start + feature
            if by_extra:
                for slot in range(starts[splat], starts[splat + 1]):
                    total += slots[1 + channel // 4, slot, 6 + channel % 4]
            g_features[splat, feature] = total


@kernel
def _write_nothing(first, lanes, g_means, g_quats, g_log_scales, g_logits, g_sh, g_features):
    for splat in range(first, first + lanes):
        g_means[splat] = ZERO
        g_quats[splat] = ZERO
        g_log_scales[splat] = ZERO
        g_logits[splat] = ZERO
        g_sh[splat] = ZERO
        g_features[splat] = ZERO
