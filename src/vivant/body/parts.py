"""Which part of the body a vertex belongs to, whichever rig it hangs on."""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.records import Rig

PARTS = (
    "face", "scalp", "neck", "torso", "hips",
    *(f"{side}_{part}" for side in ("left", "right") for part in (
        "upper_arm", "forearm", "hand", "fingers", "thigh", "shin", "foot", "toes")),
)  # fmt: skip
"""All parts, in the order of their numbers. Ears belong to the scalp: hair may cover them."""

REGIONS = {
    "head": ("face", "scalp", "neck"),
    "torso": ("torso", "hips"),
    **{f"{side}_arm": (f"{side}_upper_arm", f"{side}_forearm") for side in ("left", "right")},
    **{f"{side}_hand": (f"{side}_hand", f"{side}_fingers") for side in ("left", "right")},
    **{f"{side}_leg": (f"{side}_thigh", f"{side}_shin") for side in ("left", "right")},
    **{f"{side}_foot": (f"{side}_foot", f"{side}_toes") for side in ("left", "right")},
}
"""What `Person.visible_parts` names, and the parts each consists of."""

HEAD = len(PARTS)
"""Number of the whole head before it is split into face and scalp."""

JOINT_PATTERNS = (
    # anny, then SMPL-X.
    (r"root|pelvis.*|(left|right)_hip_roll", "hips"),
    (r"spine\d*|clavicle.*|shoulder01.*|(left|right)_collar", "torso"),
    (r"neck\d*", "neck"),
    (r"head|eye\..*|jaw|(left|right)_eye_smplhf", "head"),
    (r"upperarm.*|(left|right)_shoulder", "upper_arm"),
    (r"lowerarm.*|(left|right)_elbow", "forearm"),
    (r"wrist.*|metacarpal.*|(left|right)_wrist", "hand"),
    (r"finger.*|(left|right)_(index|middle|pinky|ring|thumb)\d", "fingers"),
    (r"upperleg.*|(left|right)_hip", "thigh"),
    (r"lowerleg.*|(left|right)_knee", "shin"),
    (r"foot\..*|(left|right)_ankle", "foot"),
    (r"toe.*|(left|right)_foot", "toes"),
)
"""Joint names and the part that moves with them (without its side)."""


FACE_BEGINS = 0.55
"""Part of the head's depth, from the back, at which the face begins: just before the ears."""

JAW_BEGINS, EAR_LOBES = 0.35, 0.32
"""Below the ears the face reaches further back: parts of the head's depth and height."""

HAIRLINE = 0.80
"""Part of the head's height, from the chin, at which the face ends."""


@dataclass(frozen=True)
class BodyParts:
    """A part for each vertex of one rig."""

    label: Int[Tensor, " verts"]
    """Number in `PARTS`."""

    front: Bool[Tensor, " verts"]
    """Whether the skin faces forward (+z) at rest."""

    def member(self, *names: str) -> Bool[Tensor, " verts"]:
        """Which vertices belong to any of these parts or regions.

        Raises:
            BadInputError: If a name is neither in `PARTS` nor in `REGIONS`.
        """
        unknown = [name for name in names if name not in PARTS and name not in REGIONS]
        if unknown:
            raise BadInputError(f"{unknown} are no parts of the body; there are {[*PARTS, *REGIONS]}.")
        wanted = {part for name in names for part in REGIONS.get(name, (name,))}
        numbers = torch.tensor([PARTS.index(part) for part in sorted(wanted)], dtype=torch.long)
        return torch.isin(self.label, numbers)


def part_labels(rig: Rig) -> BodyParts:
    """Label a rig's vertices by the joints they follow; the head is split at ears and hairline.

    Raises:
        BadInputError: If no joint's name says where it is.
    """
    joint_part = torch.tensor([_part_of_joint(name) for name in rig.joint_names])
    votes = torch.zeros(len(rig.verts), len(PARTS) + 1)
    part = joint_part[rig.skin_joints]
    votes.scatter_add_(1, part.clamp(min=0), rig.skin_weights * (part >= 0))
    if not bool((votes.sum(1) > 0).all()):
        raise BadInputError(
            "Some vertices follow no joint whose name tells a part of the body, as anny's or SMPL-X's do."
        )
    label = votes.argmax(1)
    torso, hips = PARTS.index("torso"), PARTS.index("hips")
    waist = rig.joints_world[[_is_waist(name) for name in rig.joint_names], 1]
    if len(waist):
        label[(label == torso) & (rig.verts[:, 1] < waist.mean())] = hips
        label[(label == hips) & (rig.verts[:, 1] >= waist.mean())] = torso
    head = label == HEAD
    face = _is_face(rig.verts, head)
    label = torch.where(head, torch.where(face, PARTS.index("face"), PARTS.index("scalp")), label)
    return BodyParts(label=label, front=_vertex_normals(rig)[:, 2] > 0)


def joints_of(rig: Rig, *parts: str) -> Bool[Tensor, " joints"]:
    """Which joints move any of these parts; face and scalp both go with the head's.

    Raises:
        BadInputError: If a name is not in `PARTS`.
    """
    if unknown := set(parts) - set(PARTS):
        raise BadInputError(f"{sorted(unknown)} are no parts of the body; there are {[*PARTS]}.")
    numbers = {HEAD if part in ("face", "scalp") else PARTS.index(part) for part in parts}
    return torch.tensor([_part_of_joint(name) in numbers for name in rig.joint_names])


def _part_of_joint(name: str) -> int:
    """Number of the part that moves with a joint; -1 if its name tells nothing."""
    side = "left_" if name.endswith(".L") or name.startswith("left_") else "right_"
    for pattern, part in JOINT_PATTERNS:
        if re.fullmatch(pattern, name):
            if part == "head":
                return HEAD
            return PARTS.index(part if part in PARTS else side + part)
    return -1


def _is_waist(name: str) -> bool:
    """Whether a joint lies where trousers end."""
    return name in ("spine04", "spine1")


def _is_face(verts: Float[Tensor, "verts 3"], head: Bool[Tensor, " verts"]) -> Bool[Tensor, " verts"]:
    """Split the head: the face ends before the ears and at a hairline that rises towards the front."""
    if not bool(head.any()):
        return head
    low, high = verts[head].amin(0), verts[head].amax(0)
    _, up, ahead = ((verts - low) / (high - low).clamp(min=1e-6)).unbind(1)
    cheek_or_jaw = (ahead > FACE_BEGINS) | ((up < EAR_LOBES) & (ahead > JAW_BEGINS))
    return head & cheek_or_jaw & (up < HAIRLINE)


def _vertex_normals(rig: Rig) -> Float[Tensor, "verts 3"]:
    """Outward directions, weighted by area (not unit)."""
    a, b, c = rig.verts[rig.faces].unbind(1)
    normal = torch.linalg.cross(b - a, c - a)
    return torch.zeros_like(rig.verts).index_add(0, rig.faces.flatten(), normal.repeat_interleave(3, 0))
