"""VRM 1.0: a rigged mesh as avatars in games and video calls (vrm-c/vrm-specification, VRMC_vrm-1.0).

A VRM is a GLB whose rest pose is a T-pose, with names for a human's bones, and a licence inside: who may wear
this person, and for what. The defaults are the specification's own, and allow next to nothing.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch

from vivant.core.cameras import orbit
from vivant.core.errors import BadInputError
from vivant.export.face import EXPRESSIONS
from vivant.export.figure import Figure, in_t_pose
from vivant.export.gltf import Builder, build_figure
from vivant.records import Avatar
from vivant.splat import rasterize

LICENSE_URL = "https://vrm.dev/licenses/1.0/"
"""The one licence of VRM 1.0; the fields below fill it in."""

THUMBNAIL = 512
"""Pixels, square."""


@dataclass(frozen=True)
class VrmMeta:
    """Who made an avatar, and what others may do with it."""

    name: str = ""
    """Of the avatar; the file's name if empty."""

    authors: tuple[str, ...] = ("unknown",)
    """At least one."""

    version: str = ""
    """Of the avatar."""

    copyright: str = ""
    """Who holds the rights, e.g. of the photo."""

    contact: str = ""
    """How to reach the author."""

    permission: Literal["onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"] = "onlyAuthor"
    """Who may act as this avatar."""

    commercial: Literal["personalNonProfit", "personalProfit", "corporation"] = "personalNonProfit"
    """Who may earn money with it."""

    credit: Literal["required", "unnecessary"] = "required"
    """Whether the authors must be named."""

    modification: Literal["prohibited", "allowModification", "allowModificationRedistribution"] = "prohibited"
    """Whether it may be changed."""

    redistribution: bool = False
    """Whether it may be passed on."""

    violent: bool = False
    """Whether it may show excessive violence."""

    sexual: bool = False
    """Whether it may be used sexually."""

    political: bool = False
    """Whether it may be used for politics or religion."""

    antisocial: bool = False
    """Whether it may be used for hate or antisocial ends."""

    def __post_init__(self) -> None:
        """Check what VRM asks for.

        Raises:
            BadInputError: If no author is named.
        """
        if not self.authors or not all(author.strip() for author in self.authors):
            raise BadInputError("A VRM needs at least one author. Name one with --meta.authors.")


def _fingers(side: str) -> dict[str, tuple[str, ...]]:
    letter, smplx = side[0].upper(), {"Little": "pinky"}
    parts = ("Proximal", "Intermediate", "Distal")
    found = {
        f"{side}Thumb{part}": (f"finger1-{i}.{letter}", f"{side}_thumb{i}")
        for i, part in enumerate(("Metacarpal", "Proximal", "Distal"), 1)
    }
    for number, finger in enumerate(("Index", "Middle", "Ring", "Little"), 2):
        for i, part in enumerate(parts, 1):
            other = smplx.get(finger, finger.lower())
            found[f"{side}{finger}{part}"] = (f"finger{number}-{i}.{letter}", f"{side}_{other}{i}")
    return found


def _limbs(side: str) -> dict[str, tuple[str, ...]]:
    letter = side[0].upper()
    return {
        f"{side}Eye": (f"eye.{letter}", f"{side}_eye_smplhf"),
        f"{side}UpperLeg": (f"upperleg01.{letter}", f"{side}_hip"),
        f"{side}LowerLeg": (f"lowerleg01.{letter}", f"{side}_knee"),
        f"{side}Foot": (f"foot.{letter}", f"{side}_ankle"),
        f"{side}Toes": (f"{side}_foot",),
        f"{side}Shoulder": (f"clavicle.{letter}", f"{side}_collar"),
        f"{side}UpperArm": (f"upperarm01.{letter}", f"{side}_shoulder"),
        f"{side}LowerArm": (f"lowerarm01.{letter}", f"{side}_elbow"),
        f"{side}Hand": (f"wrist.{letter}", f"{side}_wrist"),
    }


BONES: dict[str, tuple[str, ...]] = {
    "hips": ("root", "pelvis"),
    "spine": ("spine05", "spine1"),
    "chest": ("spine03", "spine2"),
    "upperChest": ("spine01", "spine3"),
    "neck": ("neck01", "neck"),
    "head": ("head",),
    **_limbs("left"),
    **_limbs("right"),
    **_fingers("left"),
    **_fingers("right"),
}
"""VRM's bones, and what anny and SMPL-X call them."""

REQUIRED = (
    "hips", "spine", "head",
    *(side + part for side in ("left", "right")
      for part in ("UpperLeg", "LowerLeg", "Foot", "UpperArm", "LowerArm", "Hand")),
)  # fmt: skip


def humanoid_joints(joint_names: tuple[str, ...]) -> dict[str, int]:
    """Joints by VRM's names of bones.

    Raises:
        BadInputError: If a bone that VRM requires is missing.
    """
    found = {
        bone: joint_names.index(name) for bone, names in BONES.items() for name in names if name in joint_names
    }
    missing = [bone for bone in REQUIRED if bone not in found]
    if missing:
        raise BadInputError(
            f"The rig has no joint for {', '.join(missing)}, which VRM requires. Export it as .glb instead."
        )
    return found


def build_vrm(figure: Figure, avatar: Avatar, meta: VrmMeta, *, quality: int) -> Builder:
    """Make a VRM document of a figure; clips are carried along, though VRM players overlook them.

    Raises:
        BadInputError: If the rig lacks a bone.
    """
    humanoid = humanoid_joints(figure.joint_names)
    builder = build_figure(in_t_pose(figure, humanoid), unlit=True, quality=quality)
    thumbnail = builder.picture(_portrait(avatar, humanoid["head"]), quality)
    builder.document["extensionsUsed"].append("VRMC_vrm")
    builder.document["extensions"] = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "meta": _meta(meta, thumbnail),
            "humanoid": {"humanBones": {bone: {"node": joint} for bone, joint in humanoid.items()}},
        }
    }
    if figure.face is not None:
        # The mesh's node stands behind the joints.
        presets = _expressions(figure.face.action_names, len(figure.joint_names))
        builder.document["extensions"]["VRMC_vrm"]["expressions"] = {"preset": presets}
    return builder


def _expressions(action_names: tuple[str, ...], node: int) -> dict[str, Any]:
    """VRM's expressions as sums of morph targets."""
    return {
        expression: {
            "morphTargetBinds": [
                {"node": node, "index": action_names.index(name), "weight": weight}
                for name, weight in actions.items()
                if name in action_names
            ]
        }
        for expression, actions in EXPRESSIONS.items()
    }


def _meta(meta: VrmMeta, thumbnail: int) -> dict[str, Any]:
    told = {
        "name": meta.name,
        "version": meta.version,
        "authors": list(meta.authors),
        "copyrightInformation": meta.copyright,
        "contactInformation": meta.contact,
        "licenseUrl": LICENSE_URL,
        "thumbnailImage": thumbnail,
        "avatarPermission": meta.permission,
        "allowExcessivelyViolentUsage": meta.violent,
        "allowExcessivelySexualUsage": meta.sexual,
        "commercialUsage": meta.commercial,
        "allowPoliticalOrReligiousUsage": meta.political,
        "allowAntisocialOrHateUsage": meta.antisocial,
        "creditNotation": meta.credit,
        "allowRedistribution": meta.redistribution,
        "modification": meta.modification,
    }
    return {key: value for key, value in told.items() if value != ""}


def _portrait(avatar: Avatar, head: int) -> torch.Tensor:
    """Head and shoulders on white, for lists of avatars."""
    middle = avatar.rig.joints_world[head] + torch.tensor([0.0, 0.03, 0.0])
    camera = orbit(middle, [0.0], extent=0.5, elevation_deg=3.0, width=THUMBNAIL, height=THUMBNAIL)
    return rasterize(avatar.splats, camera, background=torch.ones(3), normals=False).color[0].clamp(0, 1)
