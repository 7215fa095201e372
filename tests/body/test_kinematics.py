"""Joints carry what hangs on them."""

import torch

from vivant.body import compose_along_tree, forward_kinematics, rest_pose
from vivant.core.rotations import matrices_from_quats, quats_from_rotvecs
from vivant.records import Pose

PARENTS = (-1, 0, 1, 2, 1, 4, 0, 6)


def random_pose(*frames: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, Pose]:
    generator = torch.Generator().manual_seed(1)
    joints = torch.randn(len(PARENTS), 3, generator=generator, dtype=dtype)
    rotvecs = torch.randn(*frames, len(PARENTS), 3, generator=generator, dtype=dtype)
    return joints, Pose(quats_from_rotvecs(rotvecs), torch.randn(*frames, 3, generator=generator, dtype=dtype))


def test_it_agrees_with_walking_the_tree_joint_by_joint() -> None:
    joints, pose = random_pose()
    turns = matrices_from_quats(pose.local_quats)
    world_turn: list[torch.Tensor] = []
    place: list[torch.Tensor] = []
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            world_turn.append(turns[joint])
            place.append(joints[joint] + pose.root)
        else:
            world_turn.append(world_turn[parent] @ turns[joint])
            place.append(place[parent] + world_turn[parent] @ (joints[joint] - joints[parent]))
    transforms = forward_kinematics(PARENTS, joints, pose)
    torch.testing.assert_close(transforms[:, :3, :3], torch.stack(world_turn))
    moved = (transforms[:, :3, :3] @ joints[..., None])[..., 0] + transforms[:, :3, 3]
    torch.testing.assert_close(moved, torch.stack(place))
    torch.testing.assert_close(transforms[:, 3], torch.tensor([[0.0, 0, 0, 1]]).double().expand(8, 4))


def test_many_frames_are_the_same_as_one_by_one() -> None:
    joints, pose = random_pose(2, 3)
    together = forward_kinematics(PARENTS, joints, pose)
    assert together.shape == (2, 3, 8, 4, 4)
    alone = forward_kinematics(PARENTS, joints, Pose(pose.local_quats[1, 2], pose.root[1, 2]))
    torch.testing.assert_close(together[1, 2], alone)


def test_gradients_are_true() -> None:
    joints, pose = random_pose(2)

    def moved(joints: torch.Tensor, quats: torch.Tensor, root: torch.Tensor) -> torch.Tensor:
        return forward_kinematics(PARENTS, joints, Pose(quats, root))

    leaves = [t.clone().requires_grad_() for t in (joints, pose.local_quats, pose.root)]
    assert torch.autograd.gradcheck(moved, leaves)


def test_the_rest_pose_moves_nothing() -> None:
    joints, _ = random_pose(dtype=torch.float32)
    transforms = forward_kinematics(PARENTS, joints, rest_pose(len(PARENTS), 5))
    torch.testing.assert_close(transforms, torch.eye(4).expand(5, len(PARENTS), 4, 4))


def test_a_chain_of_forty_joints_multiplies_in_order() -> None:
    generator = torch.Generator().manual_seed(2)
    parents = tuple(range(-1, 39))
    steps = torch.eye(4).double() + 0.1 * torch.randn(40, 4, 4, generator=generator, dtype=torch.float64)
    product = torch.eye(4).double()
    for step in steps:
        product = product @ step
    torch.testing.assert_close(compose_along_tree(parents, steps)[-1], product)


def test_several_roots_move_alike() -> None:
    pose = Pose(rest_pose(2).local_quats, torch.tensor([1.0, 2.0, 3.0]))
    transforms = forward_kinematics((-1, -1), torch.zeros(2, 3), pose)
    torch.testing.assert_close(transforms[:, :3, 3], pose.root.expand(2, 3))
