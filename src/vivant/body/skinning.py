"""Linear blend skinning of points and of little frames, there and back."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body.kinematics import forward_kinematics
from vivant.core.rotations import multiply_quats, quats_from_matrices
from vivant.records import Pose, Rig

NEWTON_STEPS = 5
"""Enough for a blend shrunk to a fifth along one axis; bent skin keeps more."""


def blend_transforms(
    skin_joints: Int[Tensor, "points influences"],
    skin_weights: Float[Tensor, "points influences"],
    world_from_rest: Float[Tensor, "*frames joints 4 4"],
) -> Float[Tensor, "*frames points 3 4"]:
    """Weighted sums of the joints' transforms, one a point; differentiable."""
    frames = world_from_rest.shape[:-3]
    table = world_from_rest[..., :3, :].reshape(-1, world_from_rest.shape[-3], 12).transpose(0, 1)
    mixed = torch.nn.functional.embedding_bag(
        skin_joints, table.flatten(1), per_sample_weights=skin_weights, mode="sum"
    )
    return mixed.reshape(len(skin_joints), -1, 3, 4).transpose(0, 1).reshape(*frames, -1, 3, 4)


def skin_points(
    points: Float[Tensor, "*#frames points 3"],
    skin_joints: Int[Tensor, "points influences"],
    skin_weights: Float[Tensor, "points influences"],
    world_from_rest: Float[Tensor, "*frames joints 4 4"],
) -> Float[Tensor, "*frames points 3"]:
    """Carry points from rest to a pose; differentiable."""
    blended = blend_transforms(skin_joints, skin_weights, world_from_rest)
    return (blended[..., :3] @ points[..., None])[..., 0] + blended[..., 3]


def unpose_points(
    points_posed: Float[Tensor, "*#frames points 3"],
    skin_joints: Int[Tensor, "points influences"],
    skin_weights: Float[Tensor, "points influences"],
    world_from_rest: Float[Tensor, "*frames joints 4 4"],
) -> Float[Tensor, "*frames points 3"]:
    """Carry points from a pose back to rest: the exact inverse of `skin_points` with the same weights.

    Where joints turn against each other by nearly half a circle the blend has no inverse; keep away from there.
    """
    blended = blend_transforms(skin_joints, skin_weights, world_from_rest)
    return torch.linalg.solve(blended[..., :3], (points_posed - blended[..., 3])[..., None])[..., 0]


def skin_quats(
    quats: Float[Tensor, "*#frames points 4"],
    skin_joints: Int[Tensor, "points influences"],
    skin_weights: Float[Tensor, "points influences"],
    world_from_rest: Float[Tensor, "*frames joints 4 4"],
) -> Float[Tensor, "*frames points 4"]:
    """Turn the points' own frames as their skin turns."""
    blended = blend_transforms(skin_joints, skin_weights, world_from_rest)
    return multiply_quats(quats_from_matrices(nearest_rotations(blended[..., :3])), quats)


def nearest_rotations(matrices: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation part of nearly rigid matrices: Newton's iteration for the polar decomposition (Higham 1986)."""
    rotations = matrices
    for _ in range(NEWTON_STEPS):
        a, b, c = rotations.unbind(-2)
        cofactors = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
        # Cofactors over the determinant: the inverse, transposed.
        volume = (a * cofactors[0]).sum(-1).clamp(min=1e-12)
        rotations = (rotations + torch.stack(cofactors, -2) / volume[..., None, None]) / 2
    return rotations


def pose_verts(rig: Rig, pose: Pose) -> Float[Tensor, "*frames verts 3"]:
    """The rig's vertices in a pose."""
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    return skin_points(rig.verts, rig.skin_joints, rig.skin_weights, transforms)
