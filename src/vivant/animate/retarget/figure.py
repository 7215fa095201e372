"""A skeleton at rest, seen as a body: where limbs point, about which axes they bend, which way palms face."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.readers.clip import Clip
from vivant.animate.retarget.roles import FINGERS, match_joints
from vivant.core.rotations import invert_quats, matrices_from_quats, multiply_quats, quats_from_matrices
from vivant.records import Rig

CLEAR_BEND = 0.17
"""Sine of a bend from which on the plane of two bones is believed."""

UPRIGHT = 0.82
"""Cosine of the angle up to which a trunk's direction means one of the file's axes."""


@dataclass(frozen=True)
class Figure:
    """A body at rest in our axes: y up, facing +z, the left at +x."""

    roles: dict[str, tuple[int, ...]]
    places: Float[Tensor, "joints 3"]
    parents: tuple[int, ...]
    hinges: dict[str, Float[Tensor, "3"]]
    """Of `left_arm`, `left_leg` ...: the axis about which elbow or knee bends, positive for bending."""

    def place(self, role: str) -> Float[Tensor, "3"]:
        """Where a role's (first) joint lies."""
        return self.places[self.roles[role][0]]

    def mid_hips(self) -> Float[Tensor, "3"]:
        """Between the hip joints."""
        return (self.place("left_upper_leg") + self.place("right_upper_leg")) / 2

    def leg_length(self) -> float:
        """Thigh and shin, the mean of both sides."""
        total = 0.0
        for side in ("left", "right"):
            hip, knee, ankle = (self.place(f"{side}_{part}") for part in ("upper_leg", "lower_leg", "foot"))
            total += float((knee - hip).norm() + (ankle - knee).norm())
        return total / 2

    def frame(self, role: str) -> Float[Tensor, "3 3"] | None:
        """Columns: along a limb's bone, across it (its hinge, or out of the palm), and across both.

        None for roles that count as parallel in all rest poses (trunk, head, collarbones), or cannot be told.
        """
        side, _, part = role.partition("_")
        if part in ("upper_arm", "lower_arm", "upper_leg", "lower_leg"):
            limb = f"{side}_{part.partition('_')[2]}"
            along = self._along(side, part)
            return None if along is None else _frame(along, self.hinges[limb])
        if part == "hand" or part[:-1] in FINGERS:
            hand = self.hand(side)
            if part == "hand" or hand is None:
                return hand
            along = self._finger(side, part)
            return None if along is None else _frame(along, hand[:, 1])
        if part in ("foot", "toe"):
            return self._foot(side)
        return None

    def hand(self, side: str) -> Float[Tensor, "3 3"] | None:
        """Along the hand, and out of the left palm (the right palm: into it)."""
        forearm = self._along(side, "lower_arm")
        if forearm is None:
            return None
        wrist, hinge = self.place(f"{side}_hand"), self.hinges[f"{side}_arm"]
        knuckle = self._first(f"{side}_middle1", f"{side}_index1", f"{side}_ring1")
        along = forearm if knuckle is None else knuckle - wrist
        if f"{side}_index1" in self.roles and f"{side}_pinky1" in self.roles:
            across = self.place(f"{side}_index1") - self.place(f"{side}_pinky1")
        elif f"{side}_thumb1" in self.roles:
            across = self.place(f"{side}_thumb1") - wrist
        else:
            # Hanging at ease or in a T, palms face the way the elbow's hinge points.
            return _frame(along, hinge)
        palm = torch.linalg.cross(_unit(along), _unit(across))
        return _frame(along, palm if float(palm.norm()) > 0.3 else hinge)

    def _along(self, side: str, part: str) -> Float[Tensor, "3"] | None:
        following = {
            "upper_arm": "lower_arm",
            "lower_arm": "hand",
            "upper_leg": "lower_leg",
            "lower_leg": "foot",
        }
        here, there = f"{side}_{part}", f"{side}_{following[part]}"
        if here not in self.roles or there not in self.roles:
            return None
        bone = self.place(there) - self.place(here)
        return bone if float(bone.norm()) > 1e-9 else None

    def _finger(self, side: str, part: str) -> Float[Tensor, "3"] | None:
        """Along a finger's bone; the last one lies as the one before it."""
        finger, number = part[:-1], int(part[-1])
        for first, second in ((number, number + 1), (number - 1, number)):
            a, b = f"{side}_{finger}{first}", f"{side}_{finger}{second}"
            if a in self.roles and b in self.roles:
                bone = self.place(b) - self.place(a)
                return bone if float(bone.norm()) > 1e-9 else None
        return None

    def _foot(self, side: str) -> Float[Tensor, "3 3"] | None:
        """Where the toes point over the floor; soles are flat at rest."""
        if f"{side}_toe" not in self.roles:
            return None
        along = self.place(f"{side}_toe") - self.place(f"{side}_foot")
        flat = along * along.new_tensor([1.0, 0.0, 1.0])
        if float(flat.norm()) < 0.4 * float(along.norm()) or float(flat[2]) <= 0:
            return None
        return _frame(flat, flat.new_tensor([0.0, 1.0, 0.0]))

    def _first(self, *roles: str) -> Float[Tensor, "3"] | None:
        return next((self.place(role) for role in roles if role in self.roles), None)


def figure_of_rig(rig: Rig) -> Figure:
    """See an avatar's rig as a body.

    Raises:
        BadInputError: If its joints have unknown names.
    """
    _, roles = match_joints(rig.joint_names)
    hinges = _hinges(roles, rig.joints_world, None)
    return Figure(roles, rig.joints_world, rig.joint_parents, hinges)


def figure_of_clip(
    clip: Clip, roles: dict[str, tuple[int, ...]]
) -> tuple[Figure, Float[Tensor, "frames joints 4"], Float[Tensor, "frames joints 3"]]:
    """See a clip's skeleton as a body in our axes; also how each joint turns from rest, and its places."""
    ours = _our_axes(clip, roles)
    turn = quats_from_matrices(ours)
    rest, places = clip.rest_places @ ours.T, clip.places @ ours.T
    turns = multiply_quats(
        multiply_quats(turn, clip.quats), invert_quats(multiply_quats(turn, clip.rest_quats))
    )
    hinges = _hinges(roles, rest, (turns, places))
    return Figure(roles, rest, clip.joint_parents, hinges), turns, places


def _our_axes(clip: Clip, roles: dict[str, tuple[int, ...]]) -> Float[Tensor, "3 3"]:
    """Rotation from the file's axes to ours, read off the body at rest."""

    def place(role: str) -> Tensor:
        return clip.rest_places[roles[role][0]]

    hips = (place("left_upper_leg") + place("right_upper_leg")) / 2
    up = _unit((place("left_upper_arm") + place("right_upper_arm")) / 2 - hips)
    if float(up.abs().max()) > UPRIGHT:
        # The file's axis is meant: a trunk that leans at rest must not tilt the floor.
        up = torch.eye(3)[int(up.abs().argmax())] * up[int(up.abs().argmax())].sign()
    left = place("left_upper_leg") - place("right_upper_leg")
    left = _unit(left - (left @ up) * up)
    if float(left.abs().max()) > 0.97:
        left = torch.eye(3)[int(left.abs().argmax())] * left[int(left.abs().argmax())].sign()
    return torch.stack([left, up, torch.linalg.cross(left, up)])


def _hinges(
    roles: dict[str, tuple[int, ...]],
    rest: Float[Tensor, "joints 3"],
    moving: tuple[Float[Tensor, "frames joints 4"], Float[Tensor, "frames joints 3"]] | None,
) -> dict[str, Float[Tensor, "3"]]:
    """About which axes elbows and knees bend: as they do over the clip, at rest, or as anatomy has it."""
    hinges = {}
    for side in ("left", "right"):
        for limb, end, towards in (("arm", "hand", 1.0), ("leg", "foot", -1.0)):
            upper, lower = roles[f"{side}_upper_{limb}"][0], roles[f"{side}_lower_{limb}"][0]
            bone = _unit(rest[lower] - rest[upper])
            usual = _unit(torch.linalg.cross(bone, bone.new_tensor([0.0, 0.0, towards])) + 1e-6)
            hinge = usual
            if f"{side}_{end}" in roles:
                tip = roles[f"{side}_{end}"][0]
                bent = torch.linalg.cross(bone, _unit(rest[tip] - rest[lower]))
                if float(bent.norm()) > CLEAR_BEND / 2:
                    hinge = _unit(bent)
                if moving is not None:
                    seen = _seen_hinge(moving[0][:, upper], moving[1], (upper, lower, tip))
                    hinge = hinge if seen is None else seen
            # Elbows and knees do not bend backwards; whatever says so is mistaken.
            hinges[f"{side}_{limb}"] = hinge if float(hinge @ usual) > -0.3 else usual
    return hinges


def _seen_hinge(
    turns: Float[Tensor, "frames 4"], places: Float[Tensor, "frames joints 3"], chain: tuple[int, int, int]
) -> Float[Tensor, "3"] | None:
    """The mean axis about which a limb is bent over a clip, in rest axes; None if it hardly bends or varies."""
    upper, lower, tip = (places[:, joint] for joint in chain)
    normals = torch.linalg.cross(_unit(lower - upper), _unit(tip - lower))
    back = matrices_from_quats(invert_quats(turns))
    normals = (back @ normals[..., None])[..., 0]
    clear = normals[normals.norm(dim=-1) > CLEAR_BEND]
    if len(clear) < 0.05 * len(normals):
        return None
    mean = clear.sum(0)
    return _unit(mean) if float(mean.norm()) > 0.7 * float(clear.norm(dim=-1).sum()) else None


def _unit(vectors: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    return torch.nn.functional.normalize(vectors, dim=-1, eps=1e-9)


def _frame(along: Float[Tensor, "3"], across: Float[Tensor, "3"]) -> Float[Tensor, "3 3"] | None:
    along = _unit(along)
    across = across - (across @ along) * along
    if float(across.norm()) < 1e-3:
        return None
    across = _unit(across)
    return torch.stack([along, across, torch.linalg.cross(along, across)], dim=-1)
