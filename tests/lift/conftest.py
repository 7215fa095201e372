import pytest
import torch
from tests.lift.synthetic import Truth, make_truth

from vivant.body import forward_kinematics
from vivant.core.run import Context
from vivant.lift import LiftConfig, lift
from vivant.records import Avatar, Pose, Splats
from vivant.splat import pose_splats


@pytest.fixture(scope="session")
def truth() -> Truth:
    return make_truth()


@pytest.fixture(scope="session")
def avatar(truth: Truth) -> Avatar:
    return lift(Context(), truth.person, truth.body, LiftConfig(splats=40_000))


@pytest.fixture(scope="session")
def turned_truth() -> Truth:
    return make_truth(turn=0.6, logo=False)


@pytest.fixture(scope="session")
def turned_avatar(turned_truth: Truth) -> Avatar:
    return lift(Context(), turned_truth.person, turned_truth.body, LiftConfig(splats=40_000))


def posed(avatar: Avatar, pose: Pose | None = None) -> Splats:
    pose = pose or avatar.photo_pose
    transforms = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, pose)
    return pose_splats(avatar.splats, avatar.binding, transforms)


def psnr(error: torch.Tensor) -> float:
    return float(-10 * torch.log10((error**2).mean()))
