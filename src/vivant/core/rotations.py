"""Rotations: quaternions (wxyz), matrices, rotation vectors. Plain torch, any batch shape.

Sources: Shoemake 1985 (quaternions); Zhou et al., CVPR 2019 (six numbers).
"""

import torch
from jaxtyping import Float
from torch import Tensor


def quats_identity(*shape: int) -> Float[Tensor, "*batch 4"]:
    """Give quaternions that turn nothing."""
    quats = torch.zeros(*shape, 4)
    quats[..., 0] = 1.0
    return quats


def normalize_quats(quats: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Scale to unit length."""
    return quats / quats.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def multiply_quats(a: Float[Tensor, "*batch_a 4"], b: Float[Tensor, "*batch_b 4"]) -> Float[Tensor, "*batch 4"]:
    """Compose: the result turns by `b` first, then by `a`."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )


def invert_quats(quats: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 4"]:
    """Turn back (for unit quaternions)."""
    return quats * quats.new_tensor([1.0, -1.0, -1.0, -1.0])


def matrices_from_quats(quats: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices of quaternions of any length but zero."""
    w, x, y, z = normalize_quats(quats).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).reshape(*quats.shape[:-1], 3, 3)


def quats_from_matrices(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternions with w >= 0 of rotation matrices.

    Of the four algebraic forms the one with the largest divisor is taken, so no angle is lost.
    """
    m = matrices
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = torch.stack([1 + d0 + d1 + d2, 1 + d0 - d1 - d2, 1 - d0 + d1 - d2, 1 - d0 - d1 + d2], -1)
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    p, q, r = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    forms = torch.stack(
        [
            torch.stack([squares[..., 0], a, b, c], -1),
            torch.stack([a, squares[..., 1], p, q], -1),
            torch.stack([b, p, squares[..., 2], r], -1),
            torch.stack([c, q, r, squares[..., 3]], -1),
        ],
        dim=-2,
    )
    best = squares.argmax(-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    quats = normalize_quats(forms.gather(-2, best)[..., 0, :])
    return torch.where(quats[..., :1] < 0, -quats, quats)


def quats_from_rotvecs(rotvecs: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4"]:
    """Quaternions of axis times angle (radians); smooth at zero."""
    half_squared = (rotvecs * rotvecs).sum(-1, keepdim=True) / 4
    small = half_squared < 1e-8
    half = torch.where(small, torch.ones_like(half_squared), half_squared).sqrt()
    sinc = torch.where(small, 1 - half_squared / 6, half.sin() / half)
    cosine = torch.where(small, 1 - half_squared / 2, half.cos())
    return torch.cat([cosine, rotvecs * (sinc / 2)], dim=-1)


def rotvecs_from_quats(quats: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3"]:
    """Axis times angle (radians, at most pi) of unit quaternions."""
    quats = torch.where(quats[..., :1] < 0, -quats, quats)
    length = quats[..., 1:].norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(length, quats[..., :1])
    return torch.where(length < 1e-7, 2.0 * quats[..., 1:], quats[..., 1:] * (angle / length.clamp(min=1e-12)))


def matrices_from_rotvecs(rotvecs: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices of axis times angle (radians)."""
    return matrices_from_quats(quats_from_rotvecs(rotvecs))


def matrices_from_6d(six: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Gram-Schmidt of the first two columns (Zhou et al. 2019): continuous, for optimisers."""
    x = torch.nn.functional.normalize(six[..., :3], dim=-1)
    y = six[..., 3:] - (x * six[..., 3:]).sum(-1, keepdim=True) * x
    y = torch.nn.functional.normalize(y, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def six_from_matrices(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """First two columns of a rotation matrix."""
    return torch.cat([matrices[..., :, 0], matrices[..., :, 1]], dim=-1)


def slerp_quats(
    a: Float[Tensor, "*batch 4"],
    b: Float[Tensor, "*batch 4"],
    amount: Float[Tensor, "*#batch 1"] | float,
) -> Float[Tensor, "*batch 4"]:
    """Go from `a` to `b` the short way; `amount` 0 gives `a`, 1 gives `b`."""
    b = torch.where((a * b).sum(-1, keepdim=True) < 0, -b, b)
    step = rotvecs_from_quats(multiply_quats(invert_quats(a), b))
    return multiply_quats(a, quats_from_rotvecs(step * amount))
