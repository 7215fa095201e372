"""Skin follows bones, there and back."""

import torch

from vivant.body import (
    blend_transforms,
    forward_kinematics,
    nearest_rotations,
    pose_verts,
    rest_pose,
    skin_points,
    skin_quats,
    unpose_points,
)
from vivant.core.rotations import matrices_from_quats, matrices_from_rotvecs, quats_from_rotvecs
from vivant.records import Pose, Rig


def random_pose(rig: Rig, size: float, *frames: int) -> Pose:
    generator = torch.Generator().manual_seed(5)
    rotvecs = size * torch.randn(*frames, len(rig.joint_names), 3, generator=generator)
    return Pose(quats_from_rotvecs(rotvecs), torch.randn(*frames, 3, generator=generator))


def test_blending_is_the_weighted_sum_of_transforms(rig: Rig) -> None:
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, random_pose(rig, 0.3, 2))
    some = torch.arange(0, 13718, 97)
    joints, weights = rig.skin_joints[some], rig.skin_weights[some]
    expected = (transforms[:, joints] * weights[..., None, None]).sum(2)[..., :3, :]
    torch.testing.assert_close(blend_transforms(joints, weights, transforms), expected, atol=1e-5, rtol=0)


def test_a_point_of_one_joint_moves_rigidly_with_it() -> None:
    turn = torch.eye(4).repeat(2, 1, 1)
    turn[1, :3, :3] = matrices_from_rotvecs(torch.tensor([0, 0, torch.pi / 2]))
    turn[1, :3, 3] = torch.tensor([0, 0, 5.0])
    point = torch.tensor([[1.0, 0, 0]])
    moved = skin_points(point, torch.tensor([[1, 0]]), torch.tensor([[1.0, 0.0]]), turn)
    torch.testing.assert_close(moved, torch.tensor([[0.0, 1, 5]]), atol=1e-6, rtol=0)


def test_unposing_undoes_posing(rig: Rig) -> None:
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, random_pose(rig, 0.15, 3))
    posed = skin_points(rig.verts, rig.skin_joints, rig.skin_weights, transforms)
    back = unpose_points(posed, rig.skin_joints, rig.skin_weights, transforms)
    torch.testing.assert_close(back, rig.verts.expand_as(back), atol=1e-4, rtol=0)


def test_frames_turn_with_their_bone(rig: Rig) -> None:
    pose = rest_pose(len(rig.joint_names))
    turn = torch.tensor([0.3, -0.2, 0.9])
    pose.local_quats[0] = quats_from_rotvecs(turn)
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    generator = torch.Generator().manual_seed(0)
    quats = torch.nn.functional.normalize(torch.randn(len(rig.verts), 4, generator=generator), dim=1)
    turned = skin_quats(quats, rig.skin_joints, rig.skin_weights, transforms)
    expected = matrices_from_rotvecs(turn) @ matrices_from_quats(quats)
    torch.testing.assert_close(matrices_from_quats(turned), expected, atol=1e-4, rtol=0)


def test_nearest_rotations_are_those_of_the_singular_value_decomposition() -> None:
    generator = torch.Generator().manual_seed(3)
    turn = matrices_from_rotvecs(torch.randn(200, 3, generator=generator, dtype=torch.float64))
    # As far from rigid as two bones bent by 100 degrees blend.
    other = matrices_from_rotvecs(torch.randn(200, 3, generator=generator, dtype=torch.float64) * 0.6)
    blended = turn @ (0.5 * torch.eye(3).double() + 0.5 * other)
    left, _, right = torch.linalg.svd(blended)
    torch.testing.assert_close(nearest_rotations(blended), left @ right, atol=1e-4, rtol=0)


def test_gradients_of_skinning_are_true() -> None:
    generator = torch.Generator().manual_seed(8)
    points = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(5, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    transforms = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    joints = torch.tensor([[0, 1], [1, 2], [2, 0], [0, 2], [1, 0]])

    def skin(points: torch.Tensor, weights: torch.Tensor, transforms: torch.Tensor) -> torch.Tensor:
        return skin_points(points, joints, weights, transforms)

    assert torch.autograd.gradcheck(skin, (points, weights, transforms))


def test_many_frames_of_verts_are_the_same_as_one_by_one(rig: Rig) -> None:
    pose = random_pose(rig, 0.3, 2)
    both = pose_verts(rig, pose)
    second = pose_verts(rig, Pose(pose.local_quats[1], pose.root[1]))
    torch.testing.assert_close(both[1], second, atol=1e-5, rtol=0)
