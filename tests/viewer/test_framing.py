from typing import Any

import pytest
import torch
from tests import fakes

from vivant.animate import builtin_motion
from vivant.body import forward_kinematics
from vivant.records import Motion, Pose
from vivant.viewer.framing import MOST_RISE, frame_figure


def heights(motion: Motion) -> torch.Tensor:
    rig = fakes.rig()
    moved = forward_kinematics(rig.joint_parents, rig.joints_world, motion.pose)
    return (moved[..., :3, :3] @ rig.joints_world[..., None])[..., 1, 0] + moved[..., 1, 3]


def seen(room: dict[str, Any], focal: float) -> tuple[float, float]:
    """Lowest and highest place in the picture, at the person's depth."""
    half = room["distance"] / focal / 2
    return room["target"][1] - half, room["target"][1] + half


def test_hands_above_the_head_stay_in_the_picture() -> None:
    still = builtin_motion("idle", fakes.rig(), 1.0, fps=5.0)
    raised = builtin_motion("range_of_motion", fakes.rig(), fps=5.0)
    home, rooms = frame_figure(fakes.avatar(), [still, raised])
    assert home["distance"] == rooms[1]["distance"] < rooms[2]["distance"]
    low, high = heights(raised).min(), heights(raised).max()
    floor, ceiling = seen(rooms[2], home["focal"])
    assert floor < low and high < ceiling
    # At home they would not.
    assert seen(home, home["focal"])[1] < high


def test_a_leap_to_the_moon_leaves_the_picture() -> None:
    still = builtin_motion("idle", fakes.rig(), 1.0, fps=5.0)
    leap = Motion(
        "leap", Pose(still.pose.local_quats, still.pose.root + torch.tensor([0.0, 4e8, 0.0])), 5.0, False
    )
    home, rooms = frame_figure(fakes.avatar(), [still, leap])
    assert rooms[2]["distance"] == pytest.approx((1 + MOST_RISE) * home["distance"])
