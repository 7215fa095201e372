"""Built-in motions, made by rule for any body."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.bending import bend_everything, natural_seconds
from vivant.animate.face import BLINK, SPOKEN, blinking, speaking
from vivant.animate.puppet import Act, Arm, Foot, Side, pose_from_act, skeleton_of
from vivant.core.errors import BadInputError
from vivant.records import Motion, Pose, Rig


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


def builtin_motion(name: str, rig: Rig, seconds: float | None = None, fps: float = 30.0) -> Motion:
    """Make a motion for a body, on the floor at y = 0, in place; the eyes blink.

    Args:
        name: One of `MOTIONS`.
        rig: The body; feet stay on the floor and hands clear of the hips whatever its shape.
        seconds: How long; the motion's natural length if None.
        fps: Frames a second.

    Raises:
        BadInputError: If there is no such motion, the time is not positive, or the rig's joints are unknown.
    """
    if name not in MOTIONS:
        raise BadInputError(f"There is no motion {name!r}; there are {', '.join(MOTIONS)}.")
    natural, loops = MOTIONS[name]
    seconds = natural if seconds is None else seconds
    # Said so that NaN fails, too; it cannot be rounded.
    if not (0 < fps <= 1000 and 0.5 < seconds * fps <= 100_000):
        raise BadInputError(
            f"{seconds} s at {fps} frames a second; 1 to 100,000 frames at up to 1000 a second are possible."
        )
    count = round(seconds * fps)
    # A loop's last frame leads into its first, so it stops one frame short.
    phase = torch.arange(count) / (count if loops else max(count - 1, 1))
    if name == "range_of_motion":
        return Motion(name, bend_everything(rig, phase), fps, loops)
    pose = pose_from_act(rig, _MAKERS[name](_measure(rig), phase, seconds))
    if name == "talk":
        return Motion(name, pose, fps, loops, SPOKEN, speaking(count, fps, loops))
    return Motion(name, pose, fps, loops, BLINK, blinking(count, fps, loops))


def standing(rig: Rig) -> Pose:
    """Stand at ease: one moment.

    Raises:
        BadInputError: If the rig's joints are unknown.
    """
    pose = pose_from_act(rig, _stand(_measure(rig), 1))
    return Pose(pose.local_quats[0], pose.root[0])


def _measure(rig: Rig) -> Frame:
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


def _stand(frame: Frame, count: int) -> Act:
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


def _idle(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Breathe, shift the weight from leg to leg, look about a little."""
    sway = torch.sin(math.tau * phase)
    breaths = max(round(seconds / 3.2), 1)
    breath = 0.5 - 0.5 * torch.cos(math.tau * breaths * phase)
    look = torch.sin(math.tau * phase + 0.8) + 0.4 * torch.sin(math.tau * 2 * phase + 0.3)
    act = _stand(frame, len(phase))
    # The hip over the standing leg is higher, the chest leans back over it.
    shift = _vector(0.028 * sway, -0.006 * sway.square(), 0.004 * torch.cos(math.tau * phase)) * frame.scale
    turn = _vector(0 * sway, 0.03 * sway, 0.035 * sway)
    spine = act.spine + _vector(-0.022 * breath, -0.02 * sway, -0.05 * sway)
    return replace(
        act,
        hips=act.hips + shift,
        hips_turn=turn,
        spine=spine,
        head=act.head + _vector(0.015 * breath, 0.11 * look, 0.012 * look),
        left_arm=_swayed(act.left_arm, sway, breath),
        right_arm=_swayed(act.right_arm, sway, breath),
    )


def _swayed(arm: Arm, sway: Float[Tensor, " frames"], breath: Float[Tensor, " frames"]) -> Arm:
    # Hanging arms stay plumb while the chest leans: they turn against it.
    lean = _vector(0.02 * sway, 0 * sway, 0.012 * torch.roll(sway, len(sway) // 12) - 0.01 * breath)
    return replace(arm, upper=arm.upper + lean, lower=arm.lower + lean, shrug=arm.shrug + 0.02 * breath)


def _wave(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Lift the right hand, wave three times, let it sink."""
    act = _idle(frame, phase, seconds)
    up = _smooth(phase / 0.24) * (1 - _smooth((phase - 0.78) / 0.22))
    waving = _smooth((phase - 0.14) / 0.12) * (1 - _smooth((phase - 0.76) / 0.1))
    swing = waving * torch.sin(math.tau * 3.5 * (phase - 0.2) / 0.6)
    raised_upper = _vector(-0.80 + 0 * up, -0.30 + 0.03 * swing, 0.36 + 0 * up)
    raised_lower = _vector(-0.10 - 0.34 * swing, 1.0 + 0 * up, 0.30 + 0 * up)
    # On the way the elbow leads and the hand follows close to the body, as an arm is lifted.
    late = _smooth((up - 0.12) / 0.88)
    arm = act.right_arm
    upper = _between(arm.upper, raised_upper, up)
    lower = _between(arm.lower, raised_lower, late, past=torch.tensor([-0.35, -0.2, 0.95]))
    right = replace(
        arm,
        upper=upper,
        lower=lower,
        shrug=arm.shrug + 0.20 * up,
        pronation=arm.pronation + 0.6 * late,
        wrist=-0.18 * swing,
        curl=arm.curl * (1 - 0.9 * up),
    )
    return replace(
        act,
        right_arm=right,
        spine=act.spine + _vector(0 * up, -0.05 * up, 0.06 * up),
        head=act.head * (1 - up)[:, None] + _vector(0.02 * up, 0 * up, -0.07 * up),
    )


def _turn(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Turn once round on the spot, in twelve small steps."""
    act = _stand(frame, len(phase))
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
    hips = act.hips + _about_y(_vector(lean, -0.012 * lifted, 0 * lean), yaw)
    bob = torch.sin(math.tau * eased / 2)
    return replace(
        act,
        hips=hips,
        hips_turn=_vector(0 * yaw, yaw, 0 * yaw),
        spine=act.spine + _vector(0 * yaw, 0.06 + 0 * yaw, 0.03 * bob),
        head=act.head + _vector(0 * yaw, 0.12 + 0 * yaw, 0 * yaw),
        left_arm=_swayed(act.left_arm, bob, 0 * bob),
        right_arm=_swayed(act.right_arm, bob, 0 * bob),
        left_foot=_stepping(act.left_foot, left, lifted * on_right, frame),
        right_foot=_stepping(act.right_foot, right, lifted * ~on_right, frame),
    )


def _dance(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Step from side to side on the beat, hips first, arms swinging up in turn."""
    act = _stand(frame, len(phase))
    bars = max(round(seconds / 2.0), 1)
    beat = bars * phase
    side, bounce = torch.sin(math.tau * beat), torch.cos(2 * math.tau * beat)
    lifted = (torch.sin(math.tau * beat - 0.6)).clamp(min=0).square()
    other = (-torch.sin(math.tau * beat - 0.6)).clamp(min=0).square()
    groove = torch.sin(math.tau * 2 * beat)
    shift = _vector(0.075 * side, -0.045 - 0.02 * bounce, 0.012 * groove) * frame.scale
    return replace(
        act,
        hips=act.hips + shift,
        hips_turn=_vector(0.02 + 0 * side, 0.16 * side, 0.07 * side),
        spine=act.spine + _vector(0.05 * bounce, -0.22 * side, -0.16 * side),
        head=act.head + _vector(0.06 * bounce, 0.10 * side, 0.05 * side),
        left_arm=_dancing(act.left_arm, 0.5 + 0.5 * side, groove, 1.0),
        right_arm=_dancing(act.right_arm, 0.5 - 0.5 * side, groove, -1.0),
        left_foot=_tapping(act.left_foot, other, frame),
        right_foot=_tapping(act.right_foot, lifted, frame),
    )


def _dancing(arm: Arm, up: Float[Tensor, " frames"], groove: Float[Tensor, " frames"], sign: float) -> Arm:
    up = _smooth(up)
    still = 0 * up
    upper = _between(arm.upper, _vector(sign * 0.85 + still, -0.25 + 0.35 * up, 0.35 + still), 0.35 + 0.6 * up)
    lower = _vector(sign * (0.25 - 0.35 * up), -0.35 + 1.25 * up, 0.75 - 0.35 * up + 0.12 * groove)
    return replace(arm, upper=upper, lower=lower, shrug=arm.shrug + 0.12 * up, curl=arm.curl + 0.45)


def _tapping(foot: Foot, lifted: Float[Tensor, " frames"], frame: Frame) -> Foot:
    """Lift the heel, and the foot a little, where the weight is on the other side."""
    pitch = 0.45 * lifted
    height = 0.035 * frame.scale * lifted + _ankle_height(foot.ankle[:, 1], pitch, frame)
    return Foot(_vector(foot.ankle[:, 0] * 1.25, height, foot.ankle[:, 2]), foot.yaw, pitch)


def _talk(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Stand at ease and speak, with nods and a hand that goes along."""
    act = _idle(frame, phase, seconds)
    phrases = max(1, round(seconds / 3.0))
    within = (phrases * phase) % 1.0
    goes = _smooth(within / 0.15) * (1 - _smooth((within - 0.5) / 0.2))
    beat = torch.sin(math.tau * 3 * within) * goes
    still = 0 * goes
    upper = _between(act.right_arm.upper, _vector(-0.35 + still, -0.85 + still, 0.30 + 0.05 * beat), goes)
    shown = _vector(0.05 - 0.25 * beat, 0.25 + 0.15 * beat, 0.95 + still)
    lower = _between(act.right_arm.lower, shown, goes, past=torch.tensor([-0.2, -0.5, 0.85]))
    right = replace(act.right_arm, upper=upper, lower=lower, pronation=act.right_arm.pronation - 0.8 * goes)
    nod = _vector(0.05 * beat, 0.04 * beat, 0.03 * goes)
    return replace(act, right_arm=right, head=act.head + nod)


def _stepped(eased: Float[Tensor, " frames"], parity: int) -> Float[Tensor, " frames"]:
    """How many steps' worth a foot has turned: two in every second step, half a step off the hips."""
    pair = (eased - parity) / 2
    whole = pair.floor()
    return 2 * (whole + _smooth((pair - whole) * 2)) + parity - 0.5


def _stepping(
    foot: Foot, yaw: Float[Tensor, " frames"], lifted: Float[Tensor, " frames"], frame: Frame
) -> Foot:
    pitch = 0.18 * lifted
    height = 0.02 * frame.scale * lifted + _ankle_height(foot.ankle[:, 1], pitch, frame)
    x, _, z = _about_y(foot.ankle, yaw).unbind(-1)
    return Foot(_vector(x, height, z), foot.yaw + yaw, pitch)


def _walk(frame: Frame, phase: Float[Tensor, " frames"], seconds: float) -> Act:
    """Walk in place, as on a treadmill."""
    act = _stand(frame, len(phase))
    cycles = max(round(seconds / 1.15), 1)
    cycle = cycles * phase
    stride = 0.30 * frame.scale
    left, right = (
        _stride(act.left_foot, cycle, stride, frame),
        _stride(act.right_foot, cycle + 0.5, stride, frame),
    )
    sway, bob = torch.sin(math.tau * (cycle + 0.02)), torch.cos(2 * math.tau * cycle)
    swing = torch.cos(math.tau * cycle)
    hips = act.hips + _vector(0.018 * sway, -0.028 - 0.012 * bob, 0.02 + 0 * bob) * frame.scale
    return replace(
        act,
        hips=hips,
        hips_turn=_vector(0.02 + 0 * swing, -0.07 * swing, 0.02 * sway),
        spine=act.spine + _vector(0.02 + 0 * swing, 0.15 * swing, -0.03 * sway),
        head=act.head + _vector(-0.02 + 0 * swing, -0.08 * swing, 0.01 * sway),
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
    off = _smooth((part - 0.42) / 0.18) * (1 - _smooth((part - 0.6) / 0.28))
    land = _smooth((part - 0.82) / 0.14) + (1 - _smooth(part / 0.1)) * stands
    pitch = 0.55 * off - 0.26 * land * (part > 0.5) - 0.26 * (1 - _smooth(part / 0.1)) * stands
    height = lift + _ankle_height(foot.ankle[:, 1], pitch, frame)
    ankle = _vector(0.62 * foot.ankle[:, 0], height, foot.ankle[:, 2] + ahead)
    return Foot(ankle, 0.5 * foot.yaw, pitch)


def _ankle_height(
    flat: Float[Tensor, " frames"], pitch: Float[Tensor, " frames"], frame: Frame
) -> Float[Tensor, " frames"]:
    """How high the ankle is when a tipped foot touches the floor with its toes or its heel."""
    return flat * pitch.cos() + torch.where(pitch > 0, frame.toe * pitch.sin(), -frame.heel * pitch.sin())


def _swung(arm: Arm, swing: Float[Tensor, " frames"]) -> Arm:
    ahead = _vector(0 * swing, 0.03 * swing.abs(), 0.30 * swing - 0.04)
    bend = _vector(0 * swing, 0.08 + 0 * swing, 0.40 * swing + 0.16)
    return replace(arm, upper=arm.upper + ahead, lower=arm.lower + bend, curl=arm.curl + 0.15)


def _vector(*parts: Float[Tensor, " frames"]) -> Float[Tensor, "frames 3"]:
    return torch.stack(parts, dim=-1)


def _smooth(x: Float[Tensor, " frames"]) -> Float[Tensor, " frames"]:
    """From 0 to 1 while x goes from 0 to 1, with no jerk at the ends."""
    x = x.clamp(0, 1)
    return x * x * x * (x * (6 * x - 15) + 10)


def _between(
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


def _about_y(points: Float[Tensor, "frames 3"], yaw: Float[Tensor, " frames"]) -> Float[Tensor, "frames 3"]:
    x, y, z = points.unbind(-1)
    return _vector(x * yaw.cos() + z * yaw.sin(), y, z * yaw.cos() - x * yaw.sin())


Maker = Callable[[Frame, Float[Tensor, " frames"], float], Act]

_MAKERS: dict[str, Maker] = {
    "idle": _idle, "wave": _wave, "turn": _turn, "walk": _walk, "dance": _dance, "talk": _talk,
}  # fmt: skip

MOTIONS: dict[str, tuple[float, bool]] = {
    "idle": (6.4, True),
    "wave": (4.0, True),
    "turn": (6.0, True),
    "walk": (4.6, True),
    "dance": (8.0, True),
    "talk": (6.0, True),
    "range_of_motion": (natural_seconds(), False),
}
"""Name: its natural length in seconds, and whether it loops."""
