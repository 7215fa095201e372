"""Which joints the solver bends, about which axes, how far they go, and what is natural.

Angles are radians from the rig's rest (A-pose, elbows bent by 40 degrees). Limb joints turn about their own
twist, flex and swing axes, so that a knee is a hinge; the trunk's turn about the world's x, y, z at rest.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import AnnyModel

SIDES = (("L", 1.0), ("R", -1.0))


class Range(NamedTuple):
    """One kind of joint: Gaussian spread and limits of its three bends."""

    spread: tuple[float, float, float]
    low: tuple[float, float, float]
    high: tuple[float, float, float]


def _evenly(spread: tuple[float, float, float], reach: tuple[float, float, float]) -> Range:
    return Range(spread, (-reach[0], -reach[1], -reach[2]), reach)


TRUNK = {
    "spine05": _evenly((0.12, 0.10, 0.10), (0.45, 0.30, 0.30)),
    "spine04": _evenly((0.12, 0.10, 0.10), (0.40, 0.30, 0.30)),
    "spine03": _evenly((0.12, 0.10, 0.10), (0.40, 0.30, 0.30)),
    "spine02": _evenly((0.12, 0.10, 0.10), (0.40, 0.30, 0.30)),
    "spine01": _evenly((0.10, 0.10, 0.10), (0.35, 0.30, 0.25)),
    "neck01": _evenly((0.12, 0.12, 0.12), (0.40, 0.40, 0.30)),
    "neck02": _evenly((0.12, 0.12, 0.12), (0.40, 0.40, 0.30)),
    "neck03": _evenly((0.12, 0.12, 0.12), (0.40, 0.40, 0.30)),
    "head": _evenly((0.20, 0.25, 0.20), (0.60, 0.60, 0.45)),
}
"""Bends about x (nod), y (turn), z (tilt)."""

LIMBS = {
    "clavicle": _evenly((0.10, 0.12, 0.12), (0.30, 0.35, 0.45)),
    "shoulder01": _evenly((0.15, 0.15, 0.15), (0.40, 0.40, 0.50)),
    "upperarm01": Range((0.60, 1.00, 1.00), (-1.60, -2.60, -2.60), (1.60, 2.60, 2.60)),
    "upperarm02": _evenly((0.30, 0.02, 0.02), (0.80, 0.04, 0.04)),
    "lowerarm01": Range((0.15, 1.00, 0.05), (-0.40, -0.75, -0.12), (0.40, 1.90, 0.12)),
    "lowerarm02": _evenly((0.50, 0.02, 0.02), (1.30, 0.04, 0.04)),
    "wrist": _evenly((0.15, 0.30, 0.25), (0.40, 1.20, 0.60)),
    "upperleg01": Range((0.35, 0.80, 0.35), (-0.90, -2.40, -0.90), (0.90, 0.60, 0.90)),
    "upperleg02": _evenly((0.10, 0.02, 0.02), (0.30, 0.04, 0.04)),
    "lowerleg01": Range((0.10, 1.00, 0.04), (-0.30, -0.02, -0.10), (0.30, 2.60, 0.10)),
    "lowerleg02": _evenly((0.10, 0.02, 0.02), (0.30, 0.04, 0.04)),
    "foot": Range((0.20, 0.30, 0.20), (-0.60, -0.60, -0.50), (0.60, 0.90, 0.50)),
}
"""Bends about the limb (twist), about the hinge (flex), about the third axis (swing)."""

FINGERS = {
    "finger1-1": Range((0.20, 0.35, 0.30), (-0.50, -0.60, -0.70), (0.50, 0.90, 0.70)),
    "finger1-2": Range((0.05, 0.45, 0.10), (-0.15, -0.40, -0.25), (0.15, 1.00, 0.25)),
    "finger1-3": Range((0.03, 0.50, 0.03), (-0.10, -0.50, -0.10), (0.10, 1.30, 0.10)),
    "fingerN-1": Range((0.10, 0.55, 0.20), (-0.30, -0.50, -0.45), (0.30, 1.40, 0.45)),
    "fingerN-2": Range((0.03, 0.60, 0.03), (-0.10, -0.25, -0.10), (0.10, 1.60, 0.10)),
    "fingerN-3": Range((0.03, 0.45, 0.03), (-0.10, -0.25, -0.10), (0.10, 1.20, 0.10)),
}
"""Twist, flex (making a fist), spread."""

RELAXED_CURL = {"1-1": 0.0, "1-2": 0.20, "1-3": 0.25, "N-1": 0.35, "N-2": 0.50, "N-3": 0.30}
"""Flex of a hand that does nothing, beyond the rest pose's own."""

GATHERED = 0.7
"""How much of the rest pose's splay the fingers of such a hand give up."""

THUMB_IN = 0.45
"""How far its thumb swings towards the forefinger's direction."""

RELAXED_TURNS = {
    "upperarm01": (0.05, 0.0, -0.42),
    "upperleg01": (0.0, 0.0, -0.07),
}
"""World turns at rest (radians, left side) that make the A-pose a person who just stands, arms at the sides."""

RELAXED_ELBOW = (0.0, -0.4, 0.0)
"""Relaxed elbows hang nearly straight, while the rest pose bends them."""


@dataclass(frozen=True)
class Freedoms:
    """The joints that bend: body first, fingers after."""

    names: tuple[str, ...]
    joints: Int[Tensor, " free"]
    axes: Float[Tensor, "free 3 3"]
    """Rows: twist, flex, swing axes in world axes at rest."""

    natural: Float[Tensor, "free 3"]
    """What a joint does when nothing is known."""

    spread: Float[Tensor, "free 3"]
    low: Float[Tensor, "free 3"]
    high: Float[Tensor, "free 3"]

    def index(self, name: str) -> int:
        """Row of a joint."""
        return self.names.index(name)

    def rows(self, *kinds: str) -> list[int]:
        """Rows of all joints whose names start with one of these."""
        return [row for row, name in enumerate(self.names) if name.startswith(kinds)]


def make_freedoms(model: AnnyModel) -> Freedoms:
    """Set up axes on the default body; they hardly change with the shape."""
    places = dict(
        zip(model.joint_names, model.rest_joints(model.default_shape().coefficients).unbind(), strict=True)
    )
    rows: list[tuple[str, Tensor, Tensor, Range]] = []
    for name, allowed in TRUNK.items():
        rows.append((name, torch.eye(3), torch.zeros(3), allowed))
    for side, sign in SIDES:
        for name, allowed in LIMBS.items():
            axes = _limb_axes(name, side, places)
            turn = torch.tensor(RELAXED_TURNS.get(name, (0.0, 0.0, 0.0))) * torch.tensor([1.0, sign, sign])
            natural = torch.tensor(RELAXED_ELBOW) if name == "lowerarm01" else axes @ turn
            rows.append((f"{name}.{side}", axes, natural, allowed))
    for side, sign in SIDES:
        for finger in range(1, 6):
            for bone in range(1, 4):
                kind = f"{finger if finger == 1 else 'N'}-{bone}"
                axes = _finger_axes(finger, bone, side, sign, places)
                natural = torch.tensor([0.0, RELAXED_CURL[kind], 0.0])
                if bone == 1:
                    natural = natural + _gathering(finger, axes, side, sign, places)
                allowed = FINGERS[f"finger{kind}"]
                natural = natural.clamp(torch.tensor(allowed.low), torch.tensor(allowed.high))
                rows.append((f"finger{finger}-{bone}.{side}", axes, natural, allowed))
    return Freedoms(
        names=tuple(row[0] for row in rows),
        joints=torch.tensor([model.joint_names.index(row[0]) for row in rows]),
        axes=torch.stack([row[1] for row in rows]),
        natural=torch.stack([row[2] for row in rows]),
        spread=torch.tensor([row[3].spread for row in rows]),
        low=torch.tensor([row[3].low for row in rows]),
        high=torch.tensor([row[3].high for row in rows]),
    )


def _limb_axes(name: str, side: str, places: dict[str, Tensor]) -> Float[Tensor, "3 3"]:
    if name in ("clavicle", "shoulder01"):
        # Same meaning on both sides; the limits are even, so signs do not matter.
        return torch.eye(3)
    if name.startswith(("upperarm", "lowerarm", "wrist")):
        shoulder, elbow = places[f"upperarm01.{side}"], places[f"lowerarm01.{side}"]
        upper, lower = elbow - shoulder, places[f"wrist.{side}"] - elbow
        twist = upper if name.startswith("upperarm") else lower
        return _frame(twist, torch.linalg.cross(upper, lower))
    twist = places[f"foot.{side}"] - places[f"upperleg01.{side}"]
    return _frame(twist, torch.tensor([1.0, 0.0, 0.0]))


def _finger_axes(
    finger: int, bone: int, side: str, sign: float, places: dict[str, Tensor]
) -> Float[Tensor, "3 3"]:
    """The flex axis lies across the knuckles; the thumb bends across the palm."""
    here, first = places[f"finger{finger}-{bone}.{side}"], min(bone, 2)
    twist = places[f"finger{finger}-{first + 1}.{side}"] - places[f"finger{finger}-{first}.{side}"]
    if bone == 3:
        twist = here - places[f"finger{finger}-2.{side}"]
    across = places[f"finger5-1.{side}"] - places[f"finger2-1.{side}"]
    if finger == 1:
        across = torch.linalg.cross(twist, torch.linalg.cross(across, twist))
    return _frame(twist, across * sign)


def _gathering(
    finger: int, axes: Float[Tensor, "3 3"], side: str, sign: float, places: dict[str, Tensor]
) -> Float[Tensor, "3"]:
    """Bends that bring a finger's first bone towards its neighbours."""
    if finger == 1:
        goal = _finger_axes(2, 1, side, sign, places)[0]
        axis = torch.linalg.cross(axes[0], goal)
        angle = torch.atan2(axis.norm(), axes[0] @ goal)
        return THUMB_IN * angle * (axes @ axis) / axis.norm()
    # A positive swing moves the finger along its flex axis.
    middle = _finger_axes(3, 1, side, sign, places)
    return torch.tensor([0.0, 0.0, -GATHERED]) * (axes[0] @ middle[1])


def _frame(twist: Float[Tensor, "3"], flex: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """Orthonormal rows: the twist axis, the flex axis made square to it, and their cross product."""
    twist = twist / twist.norm()
    flex = flex - (flex @ twist) * twist
    flex = flex / flex.norm()
    return torch.stack([twist, flex, torch.linalg.cross(twist, flex)])
