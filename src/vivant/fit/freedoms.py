"""Which joints the solver bends, how far they go beyond usual ranges, and what is natural.

Axes and ranges are the body's own (`vivant.body.joint_limits`): radians about twist, flex and swing axes,
counted from the rig's rest (A-pose, elbows bent by 40 degrees).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import AnnyModel, joint_limits

SIDES = (("L", 1.0), ("R", -1.0))

TRUNK = ("spine05", "spine04", "spine03", "spine02", "spine01", "neck01", "neck02", "neck03", "head")

LIMBS = (
    "clavicle", "shoulder01", "upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist",
    "upperleg01", "upperleg02", "lowerleg01", "lowerleg02", "foot",
)  # fmt: skip

SLACK = 1.3
"""How far beyond usual ranges a fit may go: people are more limber than tables, and cloth hides joints."""

HINGES = ("lowerarm01", "lowerleg01")
"""These stop where they are straight, in photographs too."""

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
    rig = model.rig(model.default_shape())
    places = dict(zip(rig.joint_names, rig.joints_world.unbind(), strict=True))
    limits = joint_limits(rig)
    names = _bent_names()
    joints = torch.tensor([rig.joint(name) for name in names])
    rows = torch.tensor([limits.joints.tolist().index(int(joint)) for joint in joints])
    axes, low, high = limits.axes[rows], SLACK * limits.lower[rows], SLACK * limits.upper[rows]
    hinges = torch.tensor([name.startswith(HINGES) for name in names])
    low[hinges, 1], high[hinges, 1] = limits.lower[rows][hinges, 1], limits.upper[rows][hinges, 1]
    natural = torch.stack([_natural(name, own, places) for name, own in zip(names, axes, strict=True)])
    return Freedoms(names, joints, axes, natural.clamp(low, high), limits.sigma[rows], low, high)


def _bent_names() -> tuple[str, ...]:
    limbs = [f"{name}.{side}" for side, _ in SIDES for name in LIMBS]
    bones = [
        f"finger{finger}-{bone}.{side}" for side, _ in SIDES for finger in range(1, 6) for bone in range(1, 4)
    ]
    return (*TRUNK, *limbs, *bones)


def _natural(name: str, axes: Float[Tensor, "3 3"], places: dict[str, Tensor]) -> Float[Tensor, "3"]:
    """Bends of a joint of a person who just stands."""
    stem, _, side = name.partition(".")
    sign = -1.0 if side == "R" else 1.0
    if stem == "lowerarm01":
        return torch.tensor(RELAXED_ELBOW)
    if not stem.startswith("finger"):
        return axes @ (torch.tensor(RELAXED_TURNS.get(stem, (0.0, 0.0, 0.0))) * torch.tensor([1.0, sign, sign]))
    finger, bone = int(stem[6]), int(stem[8])
    curl = torch.tensor([0.0, RELAXED_CURL[f"{finger if finger == 1 else 'N'}-{bone}"], 0.0])
    if bone > 1:
        return curl
    own = _finger_axes(finger, bone, side, sign, places)
    # Told about the finger's own axes, in which a positive swing moves it along the knuckles.
    return curl + axes @ own.T @ _gathering(finger, own, side, sign, places)


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
