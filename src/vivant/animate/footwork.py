"""What one does on one's feet: turn, walk, dance; in place."""

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.puppet import Act, Arm, Foot
from vivant.animate.stance import Frame, about_y, ankle_height, between, relaxed, smooth, swayed, vector


def turn(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Turn once round on the spot, in twelve small steps."""
    act = relaxed(frame, len(phase))
    steps = 12
    # It begins after the left foot's step, with toes turned outwards as people stand.
    eased = phase * steps + 1
    yaw = math.tau * phase
    left = (_stepped(eased, parity=0) - 1) * math.tau / steps
    right = (_stepped(eased, parity=1) - 1) * math.tau / steps
    lifted = torch.sin(math.pi * (eased % 1)).square()
    on_right = (eased.floor() % 2) == 0
    # The weight goes over the foot that stands.
    lean = -torch.sin(math.pi * eased) * 0.022 * frame.scale
    hips = act.hips + about_y(vector(lean, -0.012 * lifted, 0 * lean), yaw)
    bob = torch.sin(math.tau * eased / 2)
    return replace(
        act,
        hips=hips,
        hips_turn=vector(0 * yaw, yaw, 0 * yaw),
        spine=act.spine + vector(0 * yaw, 0.06 + 0 * yaw, 0.03 * bob),
        head=act.head + vector(0 * yaw, 0.12 + 0 * yaw, 0 * yaw),
        left_arm=swayed(act.left_arm, bob, 0 * bob),
        right_arm=swayed(act.right_arm, bob, 0 * bob),
        left_foot=_stepping(act.left_foot, left, lifted * on_right, frame),
        right_foot=_stepping(act.right_foot, right, lifted * ~on_right, frame),
    )


def _stepped(eased: Float[Tensor, " frames"], parity: int) -> Float[Tensor, " frames"]:
    """How many steps' worth a foot has turned: two in every second step, half a step off the hips."""
    pair = (eased - parity) / 2
    whole = pair.floor()
    return 2 * (whole + smooth((pair - whole) * 2)) + parity - 0.5


def _stepping(
    foot: Foot, yaw: Float[Tensor, " frames"], lifted: Float[Tensor, " frames"], frame: Frame
) -> Foot:
    pitch = 0.18 * lifted
    height = 0.02 * frame.scale * lifted + ankle_height(foot.ankle[:, 1], pitch, frame)
    x, _, z = about_y(foot.ankle, yaw).unbind(-1)
    return Foot(vector(x, height, z), foot.yaw + yaw, pitch)


def walk(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Walk in place, as on a treadmill."""
    act = relaxed(frame, len(phase))
    cycles = max(round(seconds / 1.15), 1)
    cycle = cycles * phase
    stride = 0.30 * frame.scale
    left, right = (
        _stride(act.left_foot, cycle, stride, frame),
        _stride(act.right_foot, cycle + 0.5, stride, frame),
    )
    sway, bob = torch.sin(math.tau * (cycle + 0.02)), torch.cos(2 * math.tau * cycle)
    swing = torch.cos(math.tau * cycle)
    hips = act.hips + vector(0.018 * sway, -0.028 - 0.012 * bob, 0.02 + 0 * bob) * frame.scale
    return replace(
        act,
        hips=hips,
        hips_turn=vector(0.02 + 0 * swing, -0.07 * swing, 0.02 * sway),
        spine=act.spine + vector(0.02 + 0 * swing, 0.15 * swing, -0.03 * sway),
        head=act.head + vector(-0.02 + 0 * swing, -0.08 * swing, 0.01 * sway),
        left_arm=_swung(act.left_arm, -swing),
        right_arm=_swung(act.right_arm, swing),
        left_foot=left,
        right_foot=right,
    )


def _stride(foot: Foot, cycle: Float[Tensor, " frames"], stride: float, frame: Frame) -> Foot:
    """One foot of a walk: 60 % of the time it stands and goes back with the ground, then it swings forward."""
    part = cycle % 1.0
    stands = part < 0.6
    back = 1 - 2 * part / 0.6
    swing = ((part - 0.6) / 0.4).clamp(0, 1)
    ahead = torch.where(stands, back, -torch.cos(math.pi * swing)) * stride
    lift = torch.where(stands, 0 * part, torch.sin(math.pi * swing) * 0.075 * frame.scale)
    # Heel up before the toe leaves, toe up before the heel lands.
    off = smooth((part - 0.42) / 0.18) * (1 - smooth((part - 0.6) / 0.28))
    land = smooth((part - 0.82) / 0.14) + (1 - smooth(part / 0.1)) * stands
    pitch = 0.55 * off - 0.26 * land * (part > 0.5) - 0.26 * (1 - smooth(part / 0.1)) * stands
    height = lift + ankle_height(foot.ankle[:, 1], pitch, frame)
    ankle = vector(0.62 * foot.ankle[:, 0], height, foot.ankle[:, 2] + ahead)
    return Foot(ankle, 0.5 * foot.yaw, pitch)


def _swung(arm: Arm, swing: Float[Tensor, " frames"]) -> Arm:
    ahead = vector(0 * swing, 0.03 * swing.abs(), 0.30 * swing - 0.04)
    bend = vector(0 * swing, 0.08 + 0 * swing, 0.40 * swing + 0.16)
    return replace(arm, upper=arm.upper + ahead, lower=arm.lower + bend, curl=arm.curl + 0.15)


def dance(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Step from side to side on the beat, hips first, arms swinging up in turn."""
    act = relaxed(frame, len(phase))
    bars = max(round(seconds / 2.0), 1)
    beat = bars * phase
    side, bounce = torch.sin(math.tau * beat), torch.cos(2 * math.tau * beat)
    lifted = (torch.sin(math.tau * beat - 0.6)).clamp(min=0).square()
    other = (-torch.sin(math.tau * beat - 0.6)).clamp(min=0).square()
    groove = torch.sin(math.tau * 2 * beat)
    shift = vector(0.075 * side, -0.045 - 0.02 * bounce, 0.012 * groove) * frame.scale
    return replace(
        act,
        hips=act.hips + shift,
        hips_turn=vector(0.02 + 0 * side, 0.16 * side, 0.07 * side),
        spine=act.spine + vector(0.05 * bounce, -0.22 * side, -0.16 * side),
        head=act.head + vector(0.06 * bounce, 0.10 * side, 0.05 * side),
        left_arm=_dancing(act.left_arm, 0.5 + 0.5 * side, groove, 1.0),
        right_arm=_dancing(act.right_arm, 0.5 - 0.5 * side, groove, -1.0),
        left_foot=_tapping(act.left_foot, other, frame),
        right_foot=_tapping(act.right_foot, lifted, frame),
    )


def _dancing(arm: Arm, up: Float[Tensor, " frames"], groove: Float[Tensor, " frames"], sign: float) -> Arm:
    up = smooth(up)
    still = 0 * up
    upper = between(arm.upper, vector(sign * 0.85 + still, -0.25 + 0.35 * up, 0.35 + still), 0.35 + 0.6 * up)
    lower = vector(sign * (0.25 - 0.35 * up), -0.35 + 1.25 * up, 0.75 - 0.35 * up + 0.12 * groove)
    return replace(arm, upper=upper, lower=lower, shrug=arm.shrug + 0.12 * up, curl=arm.curl + 0.45)


def _tapping(foot: Foot, lifted: Float[Tensor, " frames"], frame: Frame) -> Foot:
    """Lift the heel, and the foot a little, where the weight is on the other side."""
    pitch = 0.45 * lifted
    height = 0.035 * frame.scale * lifted + ankle_height(foot.ankle[:, 1], pitch, frame)
    return Foot(vector(foot.ankle[:, 0] * 1.25, height, foot.ankle[:, 2]), foot.yaw, pitch)
