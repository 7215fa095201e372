"""Which part of a person each place of the skin is, found from the rig's bones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vivant.lift.surface import Skin
from vivant.records import Rig

TRUNK, HEAD, LEFT_ARM, RIGHT_ARM, LEFT_HAND, RIGHT_HAND, LEFT_LEG, RIGHT_LEG, LEFT_FOOT, RIGHT_FOOT = range(10)
PART_NAMES = ("trunk", "head", "left_arm", "right_arm", "left_hand", "right_hand",
              "left_leg", "right_leg", "left_foot", "right_foot")  # fmt: skip

STEMS = (
    ("head", HEAD), ("eye", HEAD), ("jaw", HEAD), ("neck", HEAD),
    ("upperarm", LEFT_ARM), ("lowerarm", LEFT_ARM), ("elbow", LEFT_ARM),
    ("wrist", LEFT_HAND), ("finger", LEFT_HAND), ("metacarpal", LEFT_HAND), ("thumb", LEFT_HAND),
    ("index", LEFT_HAND), ("middle", LEFT_HAND), ("ring", LEFT_HAND), ("pinky", LEFT_HAND),
    ("upperleg", LEFT_LEG), ("lowerleg", LEFT_LEG), ("knee", LEFT_LEG),
    ("foot", LEFT_FOOT), ("toe", LEFT_FOOT), ("ankle", LEFT_FOOT),
)  # fmt: skip
"""How bones of anny and SMPL-X begin (their side left out); what is not here belongs to the trunk."""


@dataclass(frozen=True)
class Regions:
    """What each vertex of the skin is."""

    part: Int[ndarray, " verts"]
    """One of the ten numbers above."""

    share: Float[ndarray, "verts 10"]
    """How much of its skin weight each part has."""

    along: Float[ndarray, " verts"]
    """Metres along the part: up for trunk, head and legs, from the shoulder for arms, forward for feet."""

    across: Float[ndarray, " verts"]
    """Metres across it as seen from the front, growing to the person's left."""

    face: Float[ndarray, " verts"]
    """1 on the face (brow to chin, no ears), 0 elsewhere."""

    scalp: Float[ndarray, " verts"]
    """1 where hair grows: top, sides and back of the head down to the nape."""

    nape: float
    """Height of the lowest hair of a short cut, in metres."""

    eyes: float
    """Their height, in metres."""

    front: float
    """How far forward they lie, in metres."""

    unit: float
    """Height of the head, in metres."""


def find_regions(skin: Skin, rig: Rig) -> Regions:
    """Tell the parts of the skin."""
    parts = np.array([_part_of(name) for name in rig.joint_names])
    share = np.stack([skin.weights[:, parts == part].sum(1) for part in range(10)], 1).astype(float)
    part = share.argmax(1)
    along, across = skin.verts[:, 1].copy(), skin.verts[:, 0].copy()
    joints = rig.joints_world.double().numpy()
    for side in (0, 1):
        hand = part == LEFT_HAND + side
        arm = (part == LEFT_ARM + side) | hand
        starts = joints[parts == LEFT_ARM + side]
        ends = joints[parts == LEFT_HAND + side]
        if len(starts) and len(ends):
            along[arm], across[arm] = _along_limb(skin.verts[arm], starts[0], ends[0])
        foot = part == LEFT_FOOT + side
        along[foot] = skin.verts[foot, 2]
    face, scalp, eye, unit = _split_head(skin, rig, part)
    nape = float(eye[1] - 0.22 * unit)
    return Regions(part, share, along, across, face, scalp, nape, float(eye[1]), float(eye[2]), unit)


def joints_of(rig: Rig, *parts: int) -> Int[ndarray, " some"]:
    """Joints that move some parts."""
    return np.flatnonzero(np.isin([_part_of(name) for name in rig.joint_names], parts))


def _part_of(name: str) -> int:
    stem, right = name, False
    for mark in (".L", ".R"):
        if name.endswith(mark):
            stem, right = name.removesuffix(mark), mark == ".R"
    for mark in ("left_", "right_"):
        if name.startswith(mark):
            stem, right = name.removeprefix(mark), mark == "right_"
            stem = {"shoulder": "upperarm", "hip": "upperleg"}.get(stem, stem)
    for beginning, part in STEMS:
        if stem.startswith(beginning):
            return part + (right and part >= LEFT_ARM)
    return TRUNK


def _along_limb(verts: ndarray, start: ndarray, end: ndarray) -> tuple[ndarray, ndarray]:
    """Metres along the line from start to end, and across it in the plane that faces the front."""
    axis = (end - start) / np.linalg.norm(end - start)
    side = np.cross(axis, [0.0, 0.0, 1.0])
    side = side / max(float(np.linalg.norm(side)), 1e-6)
    side = side if side[0] >= 0 else -side
    return (verts - start) @ axis, (verts - start) @ side


def _split_head(skin: Skin, rig: Rig, part: ndarray) -> tuple[ndarray, ndarray, ndarray, float]:
    """Face and scalp, the place between the eyes, and the head's own height, which is the measure."""
    verts = skin.verts
    head = part == HEAD
    eyes = [i for i, name in enumerate(rig.joint_names) if "eye" in name and "brow" not in name]
    top = verts[head, 1].max()
    eye = rig.joints_world[eyes].double().numpy().mean(0) if eyes else verts[head].mean(0) + [0, 0.02, 0.08]
    # From the eyes to the top of the skull is half of a head.
    unit = float(2 * (top - eye[1]))
    height, front = (verts[:, 1] - eye[1]) / unit, (verts[:, 2] - eye[2]) / unit
    wide = np.abs(verts[:, 0]) / unit
    in_head = share_of(skin, rig, HEAD) > 0.5
    face = _ramp(front, -0.36, -0.28) * _ramp(-wide, -0.33, -0.30) * in_head
    face = face * _ramp(-height, -0.27, -0.22) * _ramp(height, -0.58, -0.50)
    # From the forehead down the temples, round the ears, to the nape.
    hairline = np.interp(
        front, [-0.62, -0.54, -0.48, -0.40, -0.34, -0.28], [-0.22, -0.17, -0.05, 0.00, 0.10, 0.25]
    )
    scalp = _ramp(height - hairline, -0.03, 0.03) * (in_head | (height > -0.3) & (front < -0.4) & (wide < 0.4))
    return face, scalp * (1 - face), eye, unit


def share_of(skin: Skin, rig: Rig, part: int) -> Float[ndarray, " verts"]:
    """Skin weight of one part."""
    return skin.weights[:, joints_of(rig, part)].sum(1)


def _ramp(value: ndarray, low: float, high: float) -> ndarray:
    """0 below, 1 above, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)
