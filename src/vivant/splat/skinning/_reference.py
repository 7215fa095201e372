"""Skinning of splats in plain torch, to be read beside the papers: any device, any float type.

Linear blending: Magnenat-Thalmann 1988. Dual quaternions: Kavan et al. 2007. Polar decomposition: Higham 1986.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.rotations import (
    invert_quats,
    matrices_from_quats,
    multiply_quats,
    quats_from_matrices,
)
from vivant.records import Binding, Splats
from vivant.splat.skinning.turning import turn_sh

NEWTON_STEPS = 9
"""Enough for two bones turned against each other by 179 degrees."""


def pose(splats: Splats, binding: Binding, world_from_rest: Float[Tensor, "joints 4 4"], blend: str) -> Splats:
    """Carry splats to a pose."""
    if blend == "linear":
        linear, shifts = _blend_linear(binding, world_from_rest)
        turns = nearest_rotations(linear)
    else:
        turns, shifts = _blend_dual(binding, world_from_rest)
        linear = turns
    means = (linear @ splats.means[..., None])[..., 0] + shifts
    quats = multiply_quats(quats_from_matrices(turns), splats.quats)
    sh = splats.sh if splats.sh.shape[1] == 1 else turn_sh(splats.sh, turns.detach())
    return Splats(means, quats, splats.log_scales, splats.opacity_logits, sh)


def _blend_linear(binding: Binding, world_from_rest: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted sums of the joints' transforms: matrices and shifts, one a splat."""
    chosen = world_from_rest[binding.skin_joints]
    blended = (binding.skin_weights.to(chosen)[..., None, None] * chosen).sum(1)
    return blended[:, :3, :3], blended[:, :3, 3]


def nearest_rotations(matrices: Float[Tensor, "splats 3 3"]) -> Float[Tensor, "splats 3 3"]:
    """Rotation part of the polar decomposition, by Newton's iteration."""
    rotation = matrices
    for _ in range(NEWTON_STEPS):
        rotation = (rotation + torch.linalg.inv(rotation).transpose(-1, -2)) / 2
    return rotation


def _blend_dual(binding: Binding, world_from_rest: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations and shifts of the normalised weighted sums of dual quaternions."""
    real, dual = dual_quats_from_transforms(world_from_rest)
    real, dual = real[binding.skin_joints], dual[binding.skin_joints]
    # A quaternion and its negative turn alike; all are taken on the side of the heaviest joint.
    heaviest = binding.skin_weights.argmax(1)[:, None, None].expand(-1, 1, 4)
    agreement = (real * real.gather(1, heaviest)).sum(-1, keepdim=True)
    weights = binding.skin_weights.to(real)[..., None] * torch.where(agreement < 0, -1.0, 1.0).to(real)
    real, dual = (weights * real).sum(1), (weights * dual).sum(1)
    length = real.norm(dim=-1, keepdim=True)
    real, dual = real / length, dual / length
    shifts = 2 * multiply_quats(dual, invert_quats(real))[:, 1:]
    return matrices_from_quats(real), shifts


def dual_quats_from_transforms(
    transforms: Float[Tensor, "joints 4 4"],
) -> tuple[Float[Tensor, "joints 4"], Float[Tensor, "joints 4"]]:
    """Real and dual part of rigid transforms: the turn, and half the shift times the turn."""
    real = quats_from_matrices(transforms[:, :3, :3])
    shift = torch.nn.functional.pad(transforms[:, :3, 3], (1, 0))
    return real, 0.5 * multiply_quats(shift, real)
