"""How a body stands at ease, and the words in which motions are told."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.puppet import Act, Arm, Foot, Side, skeleton_of
from vivant.records import Rig


@dataclass(frozen=True)
class Frame:
    """What a motion needs to know of a body."""

    scale: float
    """Leg length against a 0.9 m leg."""

    ankle: Float[Tensor, "3"]
    """Of the left foot in a relaxed stand; the right one mirrors it."""

    hips: Float[Tensor, "3"]
    """Of the root joint in a relaxed stand."""

    toe: float
    """Metres that the foot reaches ahead of the ankle."""

    heel: float
    """Metres that the foot reaches behind the ankle."""

    spread: float
    """Radians that a hanging arm keeps from the trunk, so that the hand clears the hips."""


def measure(rig: Rig) -> Frame:
    """Find out what motions need to know of a body.

    Raises:
        BadInputError: If the rig's joints are unknown.
    """
    names = skeleton_of(rig)
    side, at = names.left, rig.joints_world
    hip, ankle = at[rig.joint(side.upper_leg)], at[rig.joint(side.foot)]
    knee, root = at[rig.joint(side.lower_leg)], at[rig.joint(names.root)]
    leg = float((knee - hip).norm() + (ankle - knee).norm())
    # Feet a little outside the hips.
    stand = torch.tensor([float(hip[0]) + 0.01 * leg, float(ankle[1]), float(hip[2]) - 0.02 * leg])
    # As straight as one stands at ease, not locked.
    height = math.sqrt((0.994 * leg) ** 2 - float((stand - hip)[[0, 2]].square().sum()))
    hips = root + torch.tensor([0.0, float(stand[1]) + height - float(hip[1]), 0.0])
    low = rig.verts[(rig.verts[:, 1] < ankle[1]) & (rig.verts[:, 0] > 0), 2]
    toe, heel = (float(low.max() - ankle[2]), float(ankle[2] - low.min())) if len(low) else (0.18, 0.06)
    hips = torch.stack([0 * hips[0], hips[1], hips[2]])
    return Frame(leg / 0.9, stand, hips, toe, heel, _clear_of_hips(rig, side))


def _clear_of_hips(rig: Rig, side: Side) -> float:
    """How far the arm must stand off so that the hand passes the widest place of the trunk and thighs."""
    at = rig.joints_world
    shoulder, elbow, wrist = (at[rig.joint(name)] for name in (side.upper_arm, side.lower_arm, side.wrist))
    reach = float((elbow - shoulder).norm() + (wrist - elbow).norm())
    arm = {j for j in range(len(rig.joint_parents)) if _hangs_on(rig, j, rig.joint(side.clavicle))}
    of_arm = torch.tensor([j in arm for j in range(len(rig.joint_parents))])[rig.skin_joints]
    trunk = (rig.skin_weights * of_arm).sum(-1) < 0.1
    # The part of the trunk beside which the forearm and the hand hang.
    level = (rig.verts[:, 1] > shoulder[1] - 1.15 * reach) & (rig.verts[:, 1] < shoulder[1] - 0.45 * reach)
    beside = rig.verts[trunk & level]
    width = float(beside[:, 0].max()) if len(beside) else float(shoulder[0])
    sine = (width + 0.10 * reach - float(shoulder[0])) / (0.9 * reach)
    return min(max(math.asin(min(max(sine, 0.0), 0.9)), math.radians(7)), math.radians(50))


def _hangs_on(rig: Rig, joint: int, ancestor: int) -> bool:
    while joint >= 0 and joint != ancestor:
        joint = rig.joint_parents[joint]
    return joint == ancestor


def relaxed(frame: Frame, count: int) -> Act:
    """A relaxed stand, repeated; motions change what moves."""
    ones = torch.ones(count)
    nothing = torch.zeros(count, 3)
    return Act(
        hips=frame.hips.expand(count, 3),
        hips_turn=nothing,
        spine=nothing + torch.tensor([0.02, 0.0, 0.0]),
        head=nothing + torch.tensor([-0.02, 0.0, 0.0]),
        left_arm=_hanging(frame, count, 1.0),
        right_arm=_hanging(frame, count, -1.0),
        left_foot=Foot(frame.ankle.expand(count, 3), 0.08 * ones, 0 * ones),
        right_foot=Foot((frame.ankle * torch.tensor([-1.0, 1, 1])).expand(count, 3), -0.08 * ones, 0 * ones),
    )


def _hanging(frame: Frame, count: int, sign: float) -> Arm:
    ones = torch.ones(count)
    upper = torch.tensor([sign * math.sin(frame.spread), -math.cos(frame.spread), -0.03])
    lower = torch.tensor([sign * math.sin(frame.spread * 0.75), -math.cos(frame.spread * 0.75), 0.24])
    return Arm(upper.expand(count, 3), lower.expand(count, 3), -0.04 * ones, 0.04 * ones, 0 * ones, 0.17 * ones)


def swayed(arm: Arm, sway: Float[Tensor, " frames"], breath: Float[Tensor, " frames"]) -> Arm:
    """A hanging arm while the body sways and breathes."""
    # Hanging arms stay plumb while the chest leans: they turn against it.
    lean = vector(0.02 * sway, 0 * sway, 0.012 * torch.roll(sway, len(sway) // 12) - 0.01 * breath)
    return replace(arm, upper=arm.upper + lean, lower=arm.lower + lean, shrug=arm.shrug + 0.02 * breath)


def ankle_height(
    flat: Float[Tensor, " frames"], pitch: Float[Tensor, " frames"], frame: Frame
) -> Float[Tensor, " frames"]:
    """How high the ankle is when a tipped foot touches the floor with its toes or its heel."""
    return flat * pitch.cos() + torch.where(pitch > 0, frame.toe * pitch.sin(), -frame.heel * pitch.sin())


def vector(*parts: Float[Tensor, " frames"]) -> Float[Tensor, "frames 3"]:
    """Columns of vectors."""
    return torch.stack(parts, dim=-1)


def smooth(x: Float[Tensor, " frames"]) -> Float[Tensor, " frames"]:
    """From 0 to 1 while x goes from 0 to 1, with no jerk at the ends."""
    x = x.clamp(0, 1)
    return x * x * x * (x * (6 * x - 15) + 10)


def between(
    a: Float[Tensor, "frames 3"],
    b: Float[Tensor, "frames 3"],
    amount: Float[Tensor, " frames"],
    past: Float[Tensor, "3"] | None = None,
) -> Float[Tensor, "frames 3"]:
    """Swing from one direction to another, along the way past a third if one is given."""
    amount = amount[:, None]
    a, b = torch.nn.functional.normalize(a, dim=-1), torch.nn.functional.normalize(b, dim=-1)
    if past is None:
        return torch.nn.functional.normalize((1 - amount) * a + amount * b, dim=-1)
    middle = torch.nn.functional.normalize(past, dim=0)
    curve = (1 - amount) ** 2 * a + 2 * amount * (1 - amount) * middle + amount**2 * b
    return torch.nn.functional.normalize(curve, dim=-1)


def about_y(points: Float[Tensor, "frames 3"], yaw: Float[Tensor, " frames"]) -> Float[Tensor, "frames 3"]:
    """Turn points about the vertical axis."""
    x, y, z = points.unbind(-1)
    return vector(x * yaw.cos() + z * yaw.sin(), y, z * yaw.cos() - x * yaw.sin())
