"""From what an animator says (feet here, elbow there, look that way) to a pose of the rig.

Arms and legs are said as directions and places, not as joint angles, so the same motion fits every body,
however its rig stands at rest.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.core.rotations import (
    invert_quats,
    matrices_from_quats,
    multiply_quats,
    quats_from_matrices,
    quats_from_rotvecs,
    quats_identity,
)
from vivant.records import Pose, Rig

AHEAD, BEHIND = (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)
"""Where a forearm and a shin go when elbow and knee bend, at rest."""

STRAIGHT = 0.05
"""Sine of the bend below which two bones count as straight."""


@dataclass(frozen=True)
class Arm:
    """Where one arm points; in the chest's axes (as at rest: x to the person's left, y up, z ahead)."""

    upper: Float[Tensor, "frames 3"]
    """From shoulder to elbow."""

    lower: Float[Tensor, "frames 3"]
    """From elbow to wrist; never quite straight on, for the bend tells where the elbow points."""

    shrug: Float[Tensor, " frames"]
    """Radians that the collarbone lifts the shoulder."""

    pronation: Float[Tensor, " frames"]
    """Radians that the palm turns backwards when the arm hangs; 0 faces the thigh."""

    wrist: Float[Tensor, " frames"]
    """Radians that the hand bends sideways, away from the thumb."""

    curl: Float[Tensor, " frames"]
    """Radians that each finger joint bends."""


@dataclass(frozen=True)
class Foot:
    """Where one foot stands."""

    ankle: Float[Tensor, "frames 3"]
    """World, metres."""

    yaw: Float[Tensor, " frames"]
    """Radians the toes point to the person's left."""

    pitch: Float[Tensor, " frames"]
    """Radians the toes point down."""


@dataclass(frozen=True)
class Act:
    """Everything an animator says, over time. Vectors of turns are axis times angle, in radians."""

    hips: Float[Tensor, "frames 3"]
    """Where the root joint is: world, metres."""

    hips_turn: Float[Tensor, "frames 3"]
    spine: Float[Tensor, "frames 3"]
    """Turn of the chest against the hips, shared by the whole spine."""

    head: Float[Tensor, "frames 3"]
    """Turn of the head against the chest, shared by the neck."""

    left_arm: Arm
    right_arm: Arm
    left_foot: Foot
    right_foot: Foot


@dataclass(frozen=True)
class Side:
    """Names of one side's joints in a rig."""

    clavicle: str
    upper_arm: str
    lower_arm: str
    forearm_twist: str
    """Carries half of the turn of the forearm; empty if the rig has no such joint."""

    wrist: str
    index: str
    """First joint of the index finger."""

    pinky: str
    fingers: tuple[str, ...]
    """All finger joints but the thumb's."""

    upper_leg: str
    lower_leg: str
    foot: str
    sign: float
    """1 on the left, -1 on the right."""


@dataclass(frozen=True)
class Skeleton:
    """Names of a rig's joints, by what they do."""

    root: str
    spine: tuple[str, ...]
    neck: tuple[str, ...]
    left: Side
    right: Side


def pose_from_act(rig: Rig, act: Act) -> Pose:
    """Turn what the animator says into joint turns.

    Raises:
        BadInputError: If the rig's joints are not known.
    """
    names = skeleton_of(rig)
    frames = len(act.hips)
    quats = quats_identity(frames, len(rig.joint_names))
    root = quats_from_rotvecs(act.hips_turn)
    quats[:, rig.joint(names.root)] = root
    for chain, turn in ((names.spine, act.spine), (names.neck, act.head)):
        for name in chain:
            quats[:, rig.joint(name)] = quats_from_rotvecs(turn / len(chain))
    for side, arm in ((names.left, act.left_arm), (names.right, act.right_arm)):
        _set_arm(rig, quats, side, arm)
    for side, foot in ((names.left, act.left_foot), (names.right, act.right_foot)):
        _set_leg(rig, quats, side, foot, act.hips, root)
    return Pose(quats, act.hips - rig.joints_world[rig.joint(names.root)])


def skeleton_of(rig: Rig) -> Skeleton:
    """Find out which known naming a rig follows.

    Raises:
        BadInputError: If none.
    """
    for skeleton in (ANNY, SMPLX):
        if skeleton.left.upper_leg in rig.joint_names and skeleton.spine[-1] in rig.joint_names:
            return skeleton
    raise BadInputError(
        f"The rig's joints ({', '.join(rig.joint_names[:4])} ...) are of no kind that built-in motions know; "
        "anny's and SMPL-X's names are. Make the motion yourself as a `vivant.records.Motion`."
    )


def _set_arm(rig: Rig, quats: Float[Tensor, "frames joints 4"], side: Side, arm: Arm) -> None:
    at = rig.joints_world
    upper, lower, wrist = (rig.joint(name) for name in (side.upper_arm, side.lower_arm, side.wrist))
    lift = torch.stack([0 * arm.shrug, 0 * arm.shrug, arm.shrug * side.sign], dim=-1)
    collar = quats_from_rotvecs(lift)
    quats[:, rig.joint(side.clavicle)] = collar
    # Directions are said in the chest's axes; the joint counts from the collarbone's.
    back = matrices_from_quats(invert_quats(collar))
    u, f = (back @ arm.upper[..., None])[..., 0], (back @ arm.lower[..., None])[..., 0]
    bone_u, bone_f = at[lower] - at[upper], at[wrist] - at[lower]
    quats[:, upper], quats[:, lower] = _hinge(bone_u, bone_f, u, f, AHEAD)
    along = torch.nn.functional.normalize(bone_f, dim=0)
    twist = side.sign * arm.pronation[:, None] * along
    palm = _palm(rig, side)
    sideways = side.sign * arm.wrist[:, None] * palm
    if side.forearm_twist:
        quats[:, rig.joint(side.forearm_twist)] = quats_from_rotvecs(twist / 2)
        twist = twist / 2
    quats[:, wrist] = multiply_quats(quats_from_rotvecs(twist), quats_from_rotvecs(sideways))
    for name in side.fingers:
        axis = _finger_axis(rig, name, palm)
        quats[:, rig.joint(name)] = quats_from_rotvecs(arm.curl[:, None] * axis)


def _set_leg(
    rig: Rig,
    quats: Float[Tensor, "frames joints 4"],
    side: Side,
    foot: Foot,
    hips: Float[Tensor, "frames 3"],
    root: Float[Tensor, "frames 4"],
) -> None:
    at = rig.joints_world
    upper, lower, ankle = (rig.joint(name) for name in (side.upper_leg, side.lower_leg, side.foot))
    root_joint = rig.joint(skeleton_of(rig).root)
    turned = matrices_from_quats(root)
    hip = hips + (turned @ (at[upper] - at[root_joint]))
    flat = quats_from_rotvecs(torch.stack([0 * foot.yaw, foot.yaw, 0 * foot.yaw], dim=-1))
    ahead = matrices_from_quats(flat)[..., 2] + turned[..., 2]
    bone_u, bone_f = at[lower] - at[upper], at[ankle] - at[lower]
    u, f = _two_bones(hip, foot.ankle, float(bone_u.norm()), float(bone_f.norm()), ahead)
    back = turned.transpose(-1, -2)
    u, f = (back @ u[..., None])[..., 0], (back @ f[..., None])[..., 0]
    quats[:, upper], quats[:, lower] = _hinge(bone_u, bone_f, u, f, BEHIND)
    world = multiply_quats(root, multiply_quats(quats[:, upper], quats[:, lower]))
    tip = quats_from_rotvecs(torch.stack([foot.pitch, 0 * foot.pitch, 0 * foot.pitch], dim=-1))
    quats[:, ankle] = multiply_quats(invert_quats(world), multiply_quats(flat, tip))


def _two_bones(
    start: Float[Tensor, "frames 3"],
    end: Float[Tensor, "frames 3"],
    upper: float,
    lower: float,
    ahead: Float[Tensor, "frames 3"],
) -> tuple[Float[Tensor, "frames 3"], Float[Tensor, "frames 3"]]:
    """Place the knee by the law of cosines; an end out of reach is pointed at."""
    way = end - start
    length = way.norm(dim=-1, keepdim=True)
    along = way / length.clamp(min=1e-6)
    # Never quite straight: the knee would lose its direction.
    length = length.clamp(abs(upper - lower) + 1e-3, (upper + lower) * 0.9995)
    before = (length**2 + upper**2 - lower**2) / (2 * length)
    aside = (upper**2 - before**2).clamp(min=1e-8).sqrt()
    ahead = torch.nn.functional.normalize(ahead - (ahead * along).sum(-1, keepdim=True) * along, dim=-1)
    knee = before * along + aside * ahead
    return knee, length * along - knee


def _hinge(
    bone_u: Float[Tensor, "3"],
    bone_f: Float[Tensor, "3"],
    u: Float[Tensor, "frames 3"],
    f: Float[Tensor, "frames 3"],
    flex: tuple[float, float, float],
) -> tuple[Float[Tensor, "frames 4"], Float[Tensor, "frames 4"]]:
    """Turns of a ball joint and of the hinge after it that bring two bones into two directions.

    The hinge's axis stands across both bones, at rest and in the pose; nothing twists besides. Bones that are
    straight at rest tell no axis; there the lower one bends towards `flex`.
    """
    along, beyond = torch.nn.functional.normalize(torch.stack([bone_u, bone_f]), dim=-1)
    straight = float(torch.linalg.cross(along, beyond).norm()) < STRAIGHT
    rest = _frame(along[None], bone_u.new_tensor([flex]) if straight else beyond[None])
    axis = rest[0, :, 1]
    at_rest = torch.atan2(torch.linalg.cross(along, beyond) @ axis, along @ beyond)
    ball = quats_from_matrices(_frame(u, f) @ rest.transpose(-1, -2))
    return ball, quats_from_rotvecs((_angle(u, f) - at_rest)[:, None] * axis)


def _frame(u: Float[Tensor, "frames 3"], f: Float[Tensor, "frames 3"]) -> Float[Tensor, "frames 3 3"]:
    """Columns: along the first bone, along the hinge, and across both."""
    along = torch.nn.functional.normalize(u, dim=-1)
    hinge = torch.nn.functional.normalize(torch.linalg.cross(along, f), dim=-1)
    return torch.stack([along, hinge, torch.linalg.cross(along, hinge)], dim=-1)


def _angle(a: Float[Tensor, "frames 3"], b: Float[Tensor, "frames 3"]) -> Float[Tensor, " frames"]:
    return torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1))


def _palm(rig: Rig, side: Side) -> Float[Tensor, "3"]:
    """Direction the palm faces at rest."""
    at, wrist = rig.joints_world, rig.joints_world[rig.joint(side.wrist)]
    across = torch.linalg.cross(at[rig.joint(side.index)] - wrist, at[rig.joint(side.pinky)] - wrist)
    return -side.sign * torch.nn.functional.normalize(across, dim=0)


def _finger_axis(rig: Rig, name: str, palm: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """Axis about which a finger joint bends towards the palm."""
    joint, at = rig.joint(name), rig.joints_world
    children = [child for child, parent in enumerate(rig.joint_parents) if parent == joint]
    bone = at[children[0]] - at[joint] if children else at[joint] - at[rig.joint_parents[joint]]
    return torch.nn.functional.normalize(torch.linalg.cross(bone, palm), dim=0)


def _anny_side(letter: str, sign: float) -> Side:
    return Side(
        clavicle=f"clavicle.{letter}",
        upper_arm=f"upperarm01.{letter}",
        lower_arm=f"lowerarm01.{letter}",
        forearm_twist=f"lowerarm02.{letter}",
        wrist=f"wrist.{letter}",
        index=f"finger2-1.{letter}",
        pinky=f"finger5-1.{letter}",
        fingers=tuple(f"finger{finger}-{joint}.{letter}" for finger in (2, 3, 4, 5) for joint in (1, 2, 3)),
        upper_leg=f"upperleg01.{letter}",
        lower_leg=f"lowerleg01.{letter}",
        foot=f"foot.{letter}",
        sign=sign,
    )


def _smplx_side(side: str, sign: float) -> Side:
    return Side(
        clavicle=f"{side}_collar",
        upper_arm=f"{side}_shoulder",
        lower_arm=f"{side}_elbow",
        forearm_twist="",
        wrist=f"{side}_wrist",
        index=f"{side}_index1",
        pinky=f"{side}_pinky1",
        fingers=tuple(
            f"{side}_{finger}{joint}" for finger in ("index", "middle", "ring", "pinky") for joint in (1, 2, 3)
        ),
        upper_leg=f"{side}_hip",
        lower_leg=f"{side}_knee",
        foot=f"{side}_ankle",
        sign=sign,
    )


ANNY = Skeleton(
    root="root",
    spine=("spine05", "spine04", "spine03", "spine02", "spine01"),
    neck=("neck01", "neck02", "neck03", "head"),
    left=_anny_side("L", 1.0),
    right=_anny_side("R", -1.0),
)

SMPLX = Skeleton(
    root="pelvis",
    spine=("spine1", "spine2", "spine3"),
    neck=("neck", "head"),
    left=_smplx_side("left", 1.0),
    right=_smplx_side("right", -1.0),
)
