"""Joints turn about axes that mean what they are called."""

import math

import pytest
import torch

from vivant.body import AnnyModel, JointLimits, forward_kinematics, joint_limits, rest_pose
from vivant.core.errors import BadInputError
from vivant.records import Pose, Rig

TWIST, FLEX, SWING = range(3)


def moved(rig: Rig, limits: JointLimits, joint: str, axis: int, angle: float, watch: str) -> torch.Tensor:
    """Where a watched joint goes, relative to its place at rest, when another turns."""
    angles = torch.zeros(len(limits.joints), 3)
    angles[limits.joints.tolist().index(rig.joint(joint)), axis] = angle
    pose = Pose(limits.local_quats(angles, len(rig.joint_names)), torch.zeros(3))
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    place, j = rig.joints_world[rig.joint(watch)], rig.joint(watch)
    return transforms[j, :3, :3] @ place + transforms[j, :3, 3] - place


@pytest.mark.parametrize(
    ("joint", "axis", "watch", "direction"),
    [
        ("lowerleg01.L", FLEX, "foot.L", (0, 0, -1)),
        ("upperleg01.L", FLEX, "foot.L", (0, 0, 1)),
        ("upperleg01.L", SWING, "foot.L", (1, 0, 0)),
        ("upperleg01.R", SWING, "foot.R", (-1, 0, 0)),
        ("foot.L", FLEX, "toe3-3.L", (0, 1, 0)),
        ("upperarm01.L", SWING, "lowerarm01.L", (1, 1, 0)),
        ("upperarm01.R", SWING, "lowerarm01.R", (-1, 1, 0)),
        ("upperarm01.L", FLEX, "lowerarm01.L", (0, 0, 1)),
        ("upperarm01.R", FLEX, "lowerarm01.R", (0, 0, 1)),
        ("clavicle.L", SWING, "upperarm01.L", (0, 1, 0)),
        ("clavicle.R", FLEX, "upperarm01.R", (0, 0, 1)),
        ("spine03", FLEX, "head", (0, 0, 1)),
        ("neck01", TWIST, "eye.R", (1, 0, 0)),
    ],
)
def test_positive_angles_go_where_their_name_says(
    rig: Rig, joint: str, axis: int, watch: str, direction: tuple[int, int, int]
) -> None:
    way = moved(rig, joint_limits(rig), joint, axis, 0.3, watch)
    aim = torch.tensor(direction).float()
    assert float(way @ aim / (way.norm() * aim.norm())) > 0.7


def test_bending_elbows_and_fingers_brings_their_ends_nearer(rig: Rig) -> None:
    limits = joint_limits(rig)
    for joint, watch, towards in (
        ("lowerarm01.R", "wrist.R", "upperarm01.R"),
        ("finger3-1.L", "finger3-3.L", "lowerarm01.L"),
        ("finger1-2.L", "finger1-3.L", "finger5-1.L"),
        ("wrist.R", "finger3-1.R", "upperarm01.R"),
    ):
        way = moved(rig, limits, joint, FLEX, 0.4, watch)
        start = rig.joints_world[rig.joint(watch)] - rig.joints_world[rig.joint(towards)]
        assert float((start + way).norm()) < float(start.norm()), joint


def test_fingers_bend_to_the_palm_and_not_to_the_back(rig: Rig) -> None:
    # In the A-pose the palms look down and inward, so the left fingers go towards -x and down.
    way = moved(rig, joint_limits(rig), "finger3-1.L", FLEX, 0.5, "finger3-3.L")
    assert float(way[0]) < 0


def test_equal_angles_make_a_symmetric_pose(rig: Rig) -> None:
    limits = joint_limits(rig)
    names = [rig.joint_names[j] for j in limits.joints]
    generator = torch.Generator().manual_seed(2)
    angles = 0.3 * torch.randn(len(names), 3, generator=generator)
    for k, name in enumerate(names):
        if name.endswith(".R"):
            angles[k] = angles[names.index(name[:-1] + "L")]
        elif not name.endswith(".L"):
            angles[k] = angles[k] * torch.tensor([0.0, 1.0, 0.0])
    pose = Pose(limits.local_quats(angles, len(rig.joint_names)), torch.zeros(3))
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    places = (transforms[:, :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[:, :3, 3]
    for j, name in enumerate(rig.joint_names):
        if name.endswith(".L"):
            other = places[rig.joint(name[:-1] + "R")]
            torch.testing.assert_close(places[j] * torch.tensor([-1.0, 1, 1]), other, atol=1e-4, rtol=0)


def test_the_a_pose_is_inside_all_ranges_and_the_knee_opens_to_straight(rig: Rig, model: AnnyModel) -> None:
    for shape in (model.default_shape(), model.default_shape(age=0.4, weight=0.9, gender=1.0)):
        limits = joint_limits(model.rig(shape))
        assert float(limits.excess(rest_pose(104)).max()) == 0
        assert bool((limits.lower < limits.upper).all())
    limits = joint_limits(rig)
    knee = limits.joints.tolist().index(rig.joint("lowerleg01.L"))
    bent = torch.zeros(len(limits.joints), 3)
    bent[knee, FLEX] = -0.5
    pose = Pose(limits.local_quats(bent, 104), torch.zeros(3))
    assert float(limits.excess(pose)[knee, FLEX]) > 0.2


def test_angles_come_back_from_a_pose(rig: Rig) -> None:
    limits = joint_limits(rig)
    generator = torch.Generator().manual_seed(4)
    angles = torch.randn(2, len(limits.joints), 3, generator=generator) * 0.5
    pose = Pose(limits.local_quats(angles, 104), torch.zeros(2, 3))
    torch.testing.assert_close(limits.angles(pose), angles, atol=1e-5, rtol=0)


def test_axes_are_unit_and_at_right_angles(rig: Rig) -> None:
    axes = joint_limits(rig).axes
    torch.testing.assert_close(axes @ axes.transpose(1, 2), torch.eye(3).expand_as(axes), atol=1e-5, rtol=0)
    assert math.isclose(float(axes.abs().amax()), 1.0, abs_tol=1e-5)


def test_other_rigs_are_refused(rig: Rig) -> None:
    other = Rig(
        rig.verts, rig.faces, tuple(f"j{k}" for k in range(104)), rig.joint_parents, rig.world_from_joint,
        rig.skin_joints, rig.skin_weights, rig.uv, rig.uv_faces,
    )  # fmt: skip
    with pytest.raises(BadInputError, match="anny"):
        joint_limits(other)
