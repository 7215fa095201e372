"""Forward kinematics: from a pose to one rigid transform a joint."""

from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.rotations import matrices_from_quats, quats_identity
from vivant.records import Pose


def rest_pose(num_joints: int, *frames: int) -> Pose:
    """Turn and move nothing."""
    return Pose(quats_identity(*frames, num_joints), torch.zeros(*frames, 3))


def forward_kinematics(
    joint_parents: tuple[int, ...], joints_rest: Float[Tensor, "joints 3"], pose: Pose
) -> Float[Tensor, "*frames joints 4 4"]:
    """How each joint carries points from rest to the pose; differentiable.

    A joint turns what hangs on it about its own place at rest, in world axes; its parents' turns come on top.
    """
    turns = matrices_from_quats(pose.local_quats)
    shifts = joints_rest - (turns @ joints_rest[..., None])[..., 0]
    is_root = torch.tensor([parent < 0 for parent in joint_parents])
    shifts = shifts + pose.root[..., None, :] * is_root[:, None]
    return compose_along_tree(joint_parents, _affine(turns, shifts))


def compose_along_tree(
    joint_parents: tuple[int, ...], parent_from_joint: Float[Tensor, "*frames joints 4 4"]
) -> Float[Tensor, "*frames joints 4 4"]:
    """Multiply transforms from the root down to each joint.

    By pointer jumping: after n rounds each joint holds the product over its 2^n nearest ancestors, so a tree
    of depth 20 takes 5 batched products.
    """
    world = parent_from_joint
    for ancestor, has_one in _jumps(joint_parents):
        # Joints whose product already reaches the root are left as they are.
        world = world.index_copy(-3, has_one, world[..., ancestor, :, :] @ world[..., has_one, :, :])
    return world


@lru_cache(maxsize=32)
def _jumps(joint_parents: tuple[int, ...]) -> tuple[tuple[Int[Tensor, " some"], Int[Tensor, " some"]], ...]:
    """For each round: the ancestors to multiply with, and the joints that have one."""
    pointer, rounds = list(joint_parents), []
    while any(p >= 0 for p in pointer):
        has_one = [j for j, p in enumerate(pointer) if p >= 0]
        rounds.append((torch.tensor([pointer[j] for j in has_one]), torch.tensor(has_one)))
        pointer = [pointer[p] if p >= 0 else -1 for p in pointer]
    return tuple(rounds)


def _affine(
    turns: Float[Tensor, "*frames joints 3 3"], shifts: Float[Tensor, "*frames joints 3"]
) -> Float[Tensor, "*frames joints 4 4"]:
    """Matrices of a turn followed by a shift."""
    upper = torch.cat([turns, shifts[..., None]], dim=-1)
    lower = upper.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*upper.shape[:-2], 1, 4)
    return torch.cat([upper, lower], dim=-2)
