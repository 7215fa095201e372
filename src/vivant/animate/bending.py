"""The range-of-motion test: every joint goes to its limits, which shows what skinning cannot bear."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import joint_limits
from vivant.records import Pose, Rig

TWIST, FLEX, SWING = 0, 1, 2

PARTS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("neck", "head"), FLEX),
    (("neck", "head"), TWIST),
    (("spine",), FLEX),
    (("spine",), SWING),
    (("spine",), TWIST),
    (("clavicle", "shoulder01"), SWING),
    (("upperarm01",), SWING),
    (("upperarm01",), FLEX),
    (("upperarm01", "upperarm02"), TWIST),
    (("lowerarm01",), FLEX),
    (("lowerarm01", "lowerarm02"), TWIST),
    (("wrist",), FLEX),
    (("wrist",), SWING),
    (("finger1",), FLEX),
    (("finger2", "finger3", "finger4", "finger5"), FLEX),
    (("upperleg01",), FLEX),
    (("upperleg01",), SWING),
    (("upperleg01", "upperleg02"), TWIST),
    (("lowerleg01",), FLEX),
    (("foot",), FLEX),
    (("foot",), TWIST),
    (("toe",), FLEX),
)
"""Which joints bend together, about which of their axes; both sides at once."""


def bend_everything(rig: Rig, phase: Float[Tensor, " frames"]) -> Pose:
    """Take one part after the other to its upper limit, to its lower one, and back; the hips stay.

    Raises:
        BadInputError: If the rig's joints have no known limits.
    """
    limits = joint_limits(rig)
    names = [rig.joint_names[joint] for joint in limits.joints.tolist()]
    angles = torch.zeros(len(phase), len(names), 3)
    at = (phase * len(PARTS)).clamp(max=len(PARTS) - 1e-4)
    for number, (stems, axis) in enumerate(PARTS):
        wave = torch.where(at.floor() == number, torch.sin(math.tau * (at - number)), torch.zeros_like(at))
        for row, name in enumerate(names):
            if name.startswith(stems):
                up, down = limits.upper[row, axis], limits.lower[row, axis]
                angles[:, row, axis] = torch.where(wave > 0, wave * up, -wave * down)
    return Pose(limits.local_quats(angles, len(rig.joint_names)), torch.zeros(len(phase), 3))


def natural_seconds() -> float:
    """A little over a second a part: slow enough to look at."""
    return 1.2 * len(PARTS)
