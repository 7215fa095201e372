"""Rigs of other makers: whatever their rest pose, limbs go where they are told to."""

from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.body.test_smplx import written

from vivant.animate import builtin_motion
from vivant.animate.puppet import ANNY, SMPLX, skeleton_of
from vivant.body import forward_kinematics, load_smplx
from vivant.records import Motion, Rig


@pytest.fixture
def smplx(tmp_path: Path) -> Rig:
    """A made-up model of that layout, whose limbs are quite straight in its own T-pose."""
    model = load_smplx(written(tmp_path / "tiny.npz"))
    return model.rig(model.default_shape())


def places(rig: Rig, motion: Motion) -> torch.Tensor:
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, motion.pose)
    return (transforms[..., :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[..., :3, 3]


def test_both_namings_are_known(smplx: Rig) -> None:
    assert skeleton_of(fakes.rig()) is ANNY
    assert skeleton_of(smplx) is SMPLX


def test_feet_of_a_straight_legged_rig_stay_where_they_stand(smplx: Rig) -> None:
    at = places(smplx, builtin_motion("idle", smplx, fps=10.0))
    for ankle in ("left_ankle", "right_ankle"):
        foot = at[:, smplx.joint(ankle)]
        assert float((foot - foot[0]).norm(dim=-1).max()) < 1e-3


def test_knees_of_a_straight_legged_rig_bend_forward(smplx: Rig) -> None:
    at = places(smplx, builtin_motion("walk", smplx, fps=10.0))
    hip, knee, ankle = (at[:, smplx.joint(f"left_{name}")] for name in ("hip", "knee", "ankle"))
    assert float((knee - (hip + ankle) / 2)[:, 2].min()) > -1e-3
    assert float((knee - (hip + ankle) / 2)[:, 2].max()) > 0.05


def test_a_straight_armed_rig_waves(smplx: Rig) -> None:
    at = places(smplx, builtin_motion("wave", smplx, fps=10.0))
    above = (at[:, smplx.joint("right_wrist")] - at[:, smplx.joint("right_shoulder")])[:, 1]
    assert float(above.max()) > 0.05 and float(above[0]) < -0.3


def test_bones_keep_their_length(smplx: Rig) -> None:
    for rig in (smplx, fakes.rig()):
        at = places(rig, builtin_motion("walk", rig, fps=5.0))
        for joint, parent in enumerate(rig.joint_parents):
            if parent >= 0:
                length = (at[:, joint] - at[:, parent]).norm(dim=-1)
                rest = (rig.joints_world[joint] - rig.joints_world[parent]).norm()
                torch.testing.assert_close(length, rest.expand(len(length)), atol=1e-5, rtol=0)
