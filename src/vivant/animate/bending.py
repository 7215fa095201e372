"""The range-of-motion test: every joint goes to its limits, which shows what skinning cannot bear."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics, joint_limits
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
    """Take one part after the other to its upper limit, to its lower one, and back.

    The hips stay where they are, but rise where the toes would go through the floor.

    Raises:
        BadInputError: If the rig's joints have no known limits.
    """
    limits = joint_limits(rig)
    names = [rig.joint_names[joint] for joint in limits.joints.tolist()]
    angles = torch.zeros(len(phase), len(names), 3)
    at = (phase * len(PARTS)).clamp(max=len(PARTS) - 1e-4)
    for number, (stems, axis) in enumerate(PARTS):
        wave = torch.where(at.floor() == number, _there_and_back(at - number), torch.zeros_like(at))
        for row, name in enumerate(names):
            if name.startswith(stems):
                up, down = limits.upper[row, axis], limits.lower[row, axis]
                angles[:, row, axis] = torch.where(wave > 0, wave * up, -wave * down)
    quats = limits.local_quats(angles, len(rig.joint_names))
    still = torch.zeros(len(phase), 3)
    rise = (-_lowest(rig, Pose(quats, still))).clamp(min=0)
    return Pose(quats, torch.stack([still[:, 0], rise, still[:, 2]], dim=-1))


def _there_and_back(x: Float[Tensor, " frames"]) -> Float[Tensor, " frames"]:
    """From 0 to 1, 0, -1 and 0 while x goes from 0 to 1; it rests at all of them, so that nothing jerks."""
    hump = 0.5 - 0.5 * torch.cos(2 * math.tau * x)
    return torch.where(x < 0.5, hump, -hump)


def _lowest(rig: Rig, pose: Pose) -> Float[Tensor, " frames"]:
    """Height of the soles' lowest point; each of their vertices goes with the joint that moves it most."""
    sole = rig.verts[:, 1] < 0.06
    strongest = rig.skin_weights[sole].argmax(dim=1, keepdim=True)
    joints = rig.skin_joints[sole].gather(1, strongest)[:, 0]
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)[:, joints]
    heights = (transforms[..., 1, :3] * rig.verts[sole]).sum(-1) + transforms[..., 1, 3]
    return heights.amin(dim=1)


def natural_seconds() -> float:
    """A second and a half a part: slow enough to look at."""
    return 1.5 * len(PARTS)
