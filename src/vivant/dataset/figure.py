"""A dressed person: textured triangles that follow the anny body beside them into any pose."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import forward_kinematics, pose_verts, skin_points
from vivant.core.errors import BadInputError
from vivant.mesh import TexturedMesh
from vivant.records import Pose, Rig, Shape

ANNY_FROM_MIXAMO = {
    "Hips": "root", "Spine": "spine04", "Spine1": "spine03", "Spine2": "spine01", "Neck": "neck02",
    "Head": "head",
    **{f"{side}{theirs}": f"{ours}.{side[0]}" for side in ("Left", "Right") for theirs, ours in (
        ("Shoulder", "clavicle"), ("Arm", "upperarm01"), ("ForeArm", "lowerarm01"), ("Hand", "wrist"),
        ("UpLeg", "upperleg01"), ("Leg", "lowerleg01"), ("Foot", "foot"), ("ToeBase", "toe2-1"),
        *((f"Hand{name}{joint}", f"finger{finger}-{joint}")
          for finger, name in enumerate(("Thumb", "Index", "Middle", "Ring", "Pinky"), 1)
          for joint in (1, 2, 3)))},
}  # fmt: skip
"""Joints of Mixamo and HumanIK rigs, and the anny joints that turn as they do."""

MAX_VERTS, MAX_FACES = 2_000_000, 4_000_000
"""Larger meshes are no people."""


@dataclass(frozen=True)
class Figure:
    """Somebody, dressed. Poses are always said for the anny body."""

    name: str
    identity: str
    """Two figures of one identity are the same person in other clothes."""

    rig: Rig
    """The dressed surface at its own rest, with its own joints."""

    mesh: TexturedMesh
    """What is on the rig's triangles."""

    body: Rig
    """The anny body inside."""

    shape: Shape
    start: Pose
    """Of the anny body: where it lies as the figure does at rest."""

    exact: bool
    """True: the body is the truth. False: it was fitted."""

    fit_error_mm: float
    """Mean distance of the joints that both have; 0 where the body is exact."""

    licence: str
    parts: tuple[str, ...] = field(default=())
    """What the figure wears."""

    def __post_init__(self) -> None:
        """Check sizes."""
        if len(self.rig.verts) > MAX_VERTS or len(self.rig.faces) > MAX_FACES:
            raise BadInputError(f"{self.name} has {len(self.rig.faces)} triangles; {MAX_FACES} are the most.")


def pose_figure(figure: Figure, pose: Pose) -> Float[Tensor, "verts 3"]:
    """Where the dressed surface is when the anny body is in a pose (one moment)."""
    if figure.rig.joint_names == figure.body.joint_names:
        return pose_verts(figure.rig, pose)
    rig = figure.rig
    transforms = carried_joints(figure, pose)
    return skin_points(rig.verts, rig.skin_joints, rig.skin_weights, transforms)


def carried_joints(figure: Figure, pose: Pose) -> Float[Tensor, "joints 4 4"]:
    """How the figure's own joints carry points from its rest, when the anny body goes into a pose.

    Each joint turns as much as the anny joint of the same meaning turns from `start` on; bones keep lengths.
    """
    rig, body = figure.rig, figure.body
    now = forward_kinematics(body.joint_parents, body.joints_world, pose)
    begin = forward_kinematics(body.joint_parents, body.joints_world, figure.start)
    turned = now[:, :3, :3] @ begin[:, :3, :3].transpose(1, 2)
    # Where the anny root lies, before and now.
    home = body.joints_world[0]
    root_begin, root_now = ((t[0, :3, :3] @ home + t[0, :3, 3]).numpy() for t in (begin, now))
    turns, places = turned.numpy(), rig.joints_world.numpy()
    transforms = np.tile(np.eye(4, dtype=np.float32), (len(rig.joint_names), 1, 1))
    numbers = {name: joint for joint, name in enumerate(body.joint_names)}
    for joint, (name, parent) in enumerate(zip(rig.joint_names, rig.joint_parents, strict=True)):
        place = places[joint]
        theirs = ANNY_FROM_MIXAMO.get(short_name(name))
        if parent < 0:
            turn, moved = turns[0], root_now + turns[0] @ (place - root_begin)
        else:
            turn, moved = (
                transforms[parent, :3, :3],
                transforms[parent, :3, :3] @ place + transforms[parent, :3, 3],
            )
        if theirs is not None:
            turn = turns[numbers[theirs]]
        transforms[joint, :3, :3] = turn
        transforms[joint, :3, 3] = moved - turn @ place
    return torch.from_numpy(transforms)


def short_name(joint: str) -> str:
    """A joint's name without what some programs put before it."""
    return joint.split(":")[-1].removeprefix("mixamorig")


def weld_verts(verts: Float[Tensor, "verts 3"]) -> Int[Tensor, " verts"]:
    """For each vertex the first one at the same place, to a hundredth of a millimetre."""
    _, number = np.unique(np.round(verts.numpy(), 5), axis=0, return_inverse=True)
    number = number.reshape(-1)
    first = np.zeros(number.max() + 1, np.int64)
    first[number[::-1]] = np.arange(len(number))[::-1]
    return torch.from_numpy(first[number])
