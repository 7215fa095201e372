"""Poses laid on views: found again from wrong ones, and nothing else moved."""

import math
from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.core.rotations import multiply_quats, quats_from_rotvecs
from vivant.core.run import Context
from vivant.reconstruct import AlignConfig, align_poses
from vivant.reconstruct.align import moved_joints
from vivant.records import Avatar, Pose, Views
from vivant.splat import pose_splats, rasterize

from .bodies import avatar

SIDES = (0.0, 40.0, 80.0)
QUICK = AlignConfig(max_side=96, threads=1)
MAIN = ("upperarm01.L", "lowerarm01.R", "upperleg01.L", "lowerleg01.L", "upperleg01.R", "head")


def colourful() -> Avatar:
    """Each side of each limb has its own colour."""
    made = avatar()
    places = made.splats.means
    waves = torch.sin(torch.stack([7 * places[:, 0], 5 * places[:, 1], 30 * places[:, 2]], -1))
    return replace(made, splats=replace(made.splats, sh=waves[:, None] * 1.2))


def true_poses() -> Pose:
    pose = fakes.body().pose
    return Pose(pose.local_quats.repeat(len(SIDES), 1, 1), pose.root.repeat(len(SIDES), 1))


def cameras() -> Cameras:
    return orbit(torch.tensor([0.0, 0.85, 0.0]), list(SIDES), extent=1.9, width=72, height=96)


def filmed(shown: Avatar, poses: Pose) -> Views:
    images, alphas = [], []
    for view in range(len(SIDES)):
        joints = forward_kinematics(
            shown.rig.joint_parents, shown.rig.joints_world, Pose(poses.local_quats[view], poses.root[view])
        )
        drawn = rasterize(pose_splats(shown.splats, shown.binding, joints), cameras()[view], normals=False)
        alphas.append(drawn.alpha[0].clamp(0, 1))
        images.append(drawn.color[0] / alphas[-1].clamp(min=1e-3)[..., None])
    return Views(
        torch.stack(images), torch.stack(alphas), None, torch.ones(len(SIDES), 96, 72), cameras(), poses
    )


def turned(shown: Avatar, poses: Pose, angle: float, shift: float, views: tuple[int, ...]) -> Pose:
    """Main joints turned, each about another axis, and the whole moved."""
    quats, root = poses.local_quats.clone(), poses.root.clone()
    axes = torch.nn.functional.normalize(torch.randn(len(MAIN), 3, generator=torch.Generator().manual_seed(4)))
    for view in views:
        for name, axis in zip(MAIN, axes, strict=True):
            joint = shown.rig.joint(name)
            quats[view, joint] = multiply_quats(quats_from_rotvecs(angle * axis), quats[view, joint])
        root[view] += shift * torch.tensor([1.0, -1.0, 0.5])
    return Pose(quats, root)


def error(shown: Avatar, found: Pose, true: Pose, view: int) -> float:
    """Mean distance of wrists, ankles and head in metres, but for what goes along the view's rays."""
    places = []
    for poses in (found, true):
        pose = Pose(poses.local_quats[view], poses.root[view])
        joints = forward_kinematics(shown.rig.joint_parents, shown.rig.joints_world, pose)
        index = [shown.rig.joint(name) for name in ("wrist.L", "wrist.R", "foot.L", "foot.R", "head")]
        rest = shown.rig.joints_world[index]
        places.append((joints[index, :3, :3] @ rest[..., None])[..., 0] + joints[index, :3, 3])
    seen = (places[0] - places[1]) @ cameras().cam_from_world[view, :2, :3].T
    return float(seen.norm(dim=1).mean())


def test_wrong_poses_are_found_again_and_fingers_and_avatar_stay() -> None:
    shown, true = colourful(), true_poses()
    given = turned(shown, true, 0.15, 0.02, (0, 1, 2))
    views = replace(filmed(shown, true), poses=given)
    before = shown.splats.means.clone()
    found = align_poses(Context(), shown, views, replace(QUICK, steps=60))
    for view in range(len(SIDES)):
        assert error(shown, found, true, view) < error(shown, given, true, view) / 2.5
    assert torch.equal(shown.splats.means, before)
    still = torch.ones(len(shown.rig.joint_names), dtype=torch.bool)
    still[moved_joints(shown.rig)] = False
    assert any("finger" in name for name, s in zip(shown.rig.joint_names, still.tolist(), strict=True) if s)
    torch.testing.assert_close(found.local_quats[:, still], given.local_quats[:, still], atol=1e-6, rtol=0)
    torch.testing.assert_close(found.local_quats.norm(dim=-1), torch.ones(found.local_quats.shape[:2]))


def test_right_poses_stay_where_they_are() -> None:
    shown, true = colourful(), true_poses()
    found = align_poses(Context(), shown, filmed(shown, true), QUICK)
    assert max(error(shown, found, true, view) for view in range(len(SIDES))) < 0.006


def test_a_view_that_went_astray_begins_again_beside_its_neighbour() -> None:
    shown, true = colourful(), true_poses()
    given = turned(shown, true, 1.3, 0.0, (1,))
    views = replace(filmed(shown, true), poses=given)
    errors = {}
    for astray in (0.05, 1.0):
        found = align_poses(Context(), shown, views, replace(QUICK, astray=astray))
        errors[astray] = error(shown, found, true, 1)
    assert errors[0.05] < 0.03 < errors[1.0]


def test_views_that_stay_keep_every_bit_and_others_may_begin_from_them() -> None:
    shown, true = colourful(), true_poses()
    given = turned(shown, true, 1.3, 0.0, (1,))
    views = replace(filmed(shown, true), poses=given)
    found = align_poses(Context(), shown, views, replace(QUICK, astray=0.05), (0, 2))
    for view in (0, 2):
        assert torch.equal(found.local_quats[view], given.local_quats[view])
        assert torch.equal(found.root[view], given.root[view])
    assert error(shown, found, true, 1) < 0.03


def test_threads_change_nothing_and_a_view_without_the_person_keeps_its_pose() -> None:
    shown, true = colourful(), true_poses()
    given = turned(shown, true, 0.1, 0.01, (0, 1, 2))
    views = replace(filmed(shown, true), poses=given)
    views = replace(views, alphas=views.alphas * torch.tensor([1.0, 0.0, 1.0])[:, None, None])
    one, two = (
        align_poses(Context(), shown, views, replace(QUICK, steps=5, threads=threads)) for threads in (1, 2)
    )
    assert torch.equal(one.local_quats, two.local_quats) and torch.equal(one.root, two.root)
    assert torch.equal(one.local_quats[1], given.local_quats[1]) and torch.equal(one.root[1], given.root[1])
    assert not torch.equal(one.root[0], given.root[0])


def test_impossible_settings_and_rigs_are_refused() -> None:
    for bad in ({"steps": 0}, {"turns": 0.0}, {"astray": 2.0}, {"hold": math.nan}):
        with pytest.raises(BadInputError):
            AlignConfig(**bad)  # pyright: ignore[reportArgumentType]
    rig = colourful().rig
    with pytest.raises(BadInputError, match="known by name"):
        moved_joints(replace(rig, joint_names=tuple(f"bone{n}" for n in range(len(rig.joint_names)))))
