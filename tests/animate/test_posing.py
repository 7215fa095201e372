from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.animate import builtin_motion, pose_avatar
from vivant.body import forward_kinematics, pose_verts, rest_pose
from vivant.core.errors import BadInputError
from vivant.core.rotations import matrices_from_quats, multiply_quats, quats_from_rotvecs
from vivant.records import Pose


def test_the_rest_pose_changes_nothing() -> None:
    avatar = fakes.avatar()
    posed = pose_avatar(avatar, rest_pose(len(avatar.rig.joint_names)))
    torch.testing.assert_close(posed.means, avatar.splats.means, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        matrices_from_quats(posed.quats), matrices_from_quats(avatar.splats.quats), atol=1e-5, rtol=0
    )


def test_turning_the_root_turns_everything_rigidly() -> None:
    avatar = fakes.avatar()
    pose, turn = rest_pose(len(avatar.rig.joint_names)), quats_from_rotvecs(torch.tensor([0.2, 1.0, -0.3]))
    pose.local_quats[0] = turn
    posed = pose_avatar(avatar, Pose(pose.local_quats, torch.tensor([0.1, 0.2, 0.3])))
    about = avatar.rig.joints_world[0]
    expected = (
        (avatar.splats.means - about) @ matrices_from_quats(turn).T + about + torch.tensor([0.1, 0.2, 0.3])
    )
    torch.testing.assert_close(posed.means, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        matrices_from_quats(posed.quats),
        matrices_from_quats(multiply_quats(turn, avatar.splats.quats)),
        atol=1e-5,
        rtol=0,
    )


def test_splats_stay_on_the_skin_they_are_bound_to() -> None:
    avatar = fakes.avatar()
    motion = builtin_motion("wave", avatar.rig, fps=3.0)
    pose = Pose(motion.pose.local_quats[6], motion.pose.root[6])
    skin, posed = pose_verts(avatar.rig, pose), pose_avatar(avatar, pose)
    corners = skin[avatar.rig.faces[avatar.binding.face]]
    expected = (corners * avatar.binding.barycentric[..., None]).sum(1)
    # Four weights a splat instead of eight a vertex.
    assert float((posed.means - expected).norm(dim=-1).quantile(0.99)) < 0.01


def test_a_splat_turns_with_its_bone() -> None:
    avatar = fakes.avatar()
    rig, binding = avatar.rig, avatar.binding
    motion = builtin_motion("wave", rig, fps=3.0)
    pose = Pose(motion.pose.local_quats[6], motion.pose.root[6])
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    alone = (binding.skin_weights[:, 0] > 0.999).nonzero()[:, 0]
    assert len(alone) > 50
    turns = transforms[binding.skin_joints[alone, 0], :3, :3]
    expected = turns @ matrices_from_quats(avatar.splats.quats[alone])
    actual = matrices_from_quats(pose_avatar(avatar, pose).quats[alone])
    torch.testing.assert_close(actual, expected, atol=3e-3, rtol=0)


def test_a_pose_of_another_rig_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"\(7, 4\)"):
        pose_avatar(fakes.avatar(), rest_pose(7))


def test_a_whole_motion_is_no_moment() -> None:
    motion = builtin_motion("idle", fakes.rig(), fps=2.0)
    with pytest.raises(BadInputError, match="one moment"):
        pose_avatar(fakes.avatar(), motion.pose)


def test_the_avatar_is_not_changed() -> None:
    avatar = fakes.avatar()
    before = avatar.splats.means.clone()
    pose_avatar(avatar, replace(rest_pose(len(avatar.rig.joint_names)), root=torch.ones(3)))
    assert torch.equal(before, avatar.splats.means)


def test_dual_quaternions_keep_the_girth_of_a_twisted_wrist() -> None:
    """A linear blend of a turn and none shrinks what lies between; dual quaternions do not (Kavan 2007)."""
    avatar = fakes.avatar()
    rig, pose = avatar.rig, rest_pose(len(avatar.rig.joint_names))
    hand = rig.joint("wrist.L")
    along = rig.joints_world[hand] - rig.joints_world[rig.joint_parents[hand]]
    along = torch.nn.functional.normalize(along, dim=0)
    pose.local_quats[hand] = quats_from_rotvecs(2.6 * along)

    def girth(means: torch.Tensor) -> torch.Tensor:
        apart = means - rig.joints_world[hand]
        return (apart - (apart @ along)[:, None] * along).norm(dim=1)

    moved = pose_avatar(avatar, pose, stretch=False).means
    kept = pose_avatar(avatar, pose, blend="dual_quaternion").means
    between = (avatar.binding.skin_joints == hand) & (avatar.binding.skin_weights - 0.5).abs().lt(0.25)
    here = between.any(1)
    assert int(here.sum()) > 3
    before = girth(avatar.splats.means)[here]
    assert float((girth(moved)[here] / before).mean()) < 0.8
    assert float((girth(kept)[here] / before).mean()) > 0.95
