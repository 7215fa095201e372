"""What joints are called: many makers' names for the same parts of a body.

A role is our own name for a part: `hips`, `spine`, `neck`, `head`, `jaw`, and on each side (`left_`, `right_`)
`clavicle upper_arm lower_arm hand upper_leg lower_leg foot toe` and fifteen finger bones such as `index2`.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from vivant.core.errors import BadInputError

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
LIMBS = ("clavicle", "upper_arm", "lower_arm", "hand", "upper_leg", "lower_leg", "foot", "toe")
MIDDLE = ("hips", "spine", "neck", "head", "jaw")
CHAINS = ("spine", "neck")
"""Roles that several joints in a row may share."""

ROLES = (
    *MIDDLE,
    *(f"{side}_{part}" for side in ("left", "right")
      for part in (*LIMBS, *(f"{finger}{bone}" for finger in FINGERS for bone in (1, 2, 3)))),
)  # fmt: skip

NEEDED = (
    "hips",
    *(f"{side}_{part}" for side in ("left", "right")
      for part in ("upper_arm", "lower_arm", "upper_leg", "lower_leg", "foot")),
)  # fmt: skip
"""Without these there is no body to speak of."""

_PREFIX = re.compile(
    r"^(mixamorig\d*|character\d*|bip\d+|biped|j_bip(?=_[clr])|cc_base|def|valvebiped)[ :_\-.]+", re.I
)

SCHEMES: dict[str, dict[str, str]] = {
    # Patterns for names in small letters without side, blanks, dots, dashes and underscores.
    "Mixamo / HumanIK": {
        "hips": "hips", "spine": r"spine\d*|chest|lowerback", "neck": r"neck\d*", "head": "head", "jaw": "jaw",
        "clavicle": "shoulder", "upper_arm": "arm|uparm", "lower_arm": "forearm", "hand": "hand",
        "upper_leg": "upleg", "lower_leg": "leg", "foot": "foot", "toe": "toebase|toe",
        "finger": r"hand(thumb|index|middle|ring|pinky)(\d)",
    },
    "Rigify": {
        "hips": "hips|spine", "spine": r"spine0*[1-3]|spine00[1-3]", "neck": r"neck\d*|spine00[45]",
        "head": "head|spine006", "jaw": "jaw", "clavicle": "shoulder", "upper_arm": "upperarm",
        "lower_arm": "forearm", "hand": "hand", "upper_leg": "thigh", "lower_leg": "shin", "foot": "foot",
        "toe": "toe", "finger": r"f?(thumb|index|middle|ring|pinky)0*(\d)",
    },
    "SMPL-X": {
        "hips": "pelvis", "spine": r"spine\d", "neck": "neck", "head": "head", "jaw": "jaw",
        "clavicle": "collar", "upper_arm": "shoulder", "lower_arm": "elbow", "hand": "wrist",
        "upper_leg": "hip", "lower_leg": "knee", "foot": "ankle", "toe": "foot",
        "finger": r"(thumb|index|middle|ring|pinky)(\d)",
    },
    "CMU (ASF)": {
        "hips": "root", "spine": "lowerback|upperback|thorax", "neck": "lowerneck|upperneck", "head": "head",
        "clavicle": "clavicle", "upper_arm": "humerus", "lower_arm": "radius", "hand": "hand",
        "upper_leg": "femur", "lower_leg": "tibia", "foot": "foot", "toe": "toes",
    },
    "MakeHuman": {
        "hips": "hips", "spine": r"spine\d*", "neck": r"neck\d*", "head": "head", "jaw": "jaw",
        "clavicle": "clavicle", "upper_arm": "uparm", "lower_arm": "loarm", "hand": "hand",
        "upper_leg": "upleg", "lower_leg": "loleg", "foot": "foot", "toe": "toe",
        "finger": r"(thumb|index|middle|ring|pinky)(\d)",
    },
    "anny": {
        "hips": "root", "spine": r"spine0\d", "neck": r"neck0\d", "head": "head",
        "clavicle": "clavicle", "upper_arm": "upperarm01", "lower_arm": "lowerarm01", "hand": "wrist",
        "upper_leg": "upperleg01", "lower_leg": "lowerleg01", "foot": "foot", "toe": "toe31",
        "finger": r"finger(\d)(\d)",
    },
    "Unreal": {
        "hips": "pelvis", "spine": r"spine0\d", "neck": r"neck0\d", "head": "head", "jaw": "jaw",
        "clavicle": "clavicle", "upper_arm": "upperarm", "lower_arm": "lowerarm", "hand": "hand",
        "upper_leg": "thigh", "lower_leg": "calf", "foot": "foot", "toe": "ball",
        "finger": r"(thumb|index|middle|ring|pinky)0(\d)",
    },
    "Biped": {
        "hips": "pelvis", "spine": r"spine\d*", "neck": r"neck\d*", "head": "head",
        "clavicle": "clavicle", "upper_arm": "upperarm", "lower_arm": "forearm", "hand": "hand",
        "upper_leg": "thigh", "lower_leg": "calf", "foot": "foot", "toe": "toe0",
        "finger": r"finger(\d)(\d?)", "counted": "from 0",
    },
    "VRM / Unity": {
        "hips": "hips", "spine": "spine|chest|upperchest", "neck": "neck", "head": "head", "jaw": "jaw",
        "clavicle": "shoulder", "upper_arm": "upperarm", "lower_arm": "lowerarm", "hand": "hand",
        "upper_leg": "upperleg", "lower_leg": "lowerleg", "foot": "foot", "toe": "toes|toebase",
        "finger": r"(thumb|index|middle|ring|pinky|little)(proximal|intermediate|distal|metacarpal|\d)",
    },
    "OptiTrack / CMU (BVH)": {
        "hips": "hips?", "spine": r"chest\d*|ab|spine\d*|abdomen", "neck": r"neck\d*", "head": "head",
        "clavicle": "collar", "upper_arm": "shoulder|uarm", "lower_arm": "elbow|farm|lowarm",
        "hand": "wrist|hand", "upper_leg": "hip|thigh|upleg", "lower_leg": "knee|shin|lowleg",
        "foot": "ankle|foot", "toe": "toe",
    },
}  # fmt: skip
"""Name of a naming: pattern of each role. `finger` tells which finger and which bone of it."""

_BONES = {"proximal": 1, "intermediate": 2, "distal": 3, "metacarpal": 0, "": 1}


def match_joints(joint_names: Sequence[str]) -> tuple[str, dict[str, tuple[int, ...]]]:
    """Find which naming a skeleton follows, and each role's joints in it (chains may have several).

    Raises:
        BadInputError: If no naming finds a body.
    """
    parts = [_side_and_stem(name) for name in joint_names]
    found = {scheme: _match(parts, patterns) for scheme, patterns in SCHEMES.items()}

    def fits(scheme: str) -> tuple[int, int]:
        return sum(role in found[scheme] for role in NEEDED), len(found[scheme])

    best = max(found, key=fits)
    expect_body(found[best], joint_names)
    return best, found[best]


def read_joint_map(path: Path, joint_names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Read a user's own table: a JSON object of joint name: role, or role: joint name (or list of names).

    Raises:
        BadInputError: If it cannot be read, names unknown roles or joints, or leaves out what is needed.
    """
    try:
        if path.stat().st_size > 1_000_000:
            raise ValueError("it is larger than 1 MB")
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInputError(f"The joint map {path} cannot be read: {error}.") from error
    if not isinstance(table, dict):
        raise BadInputError(f"The joint map {path} must be a JSON object of joint names and roles.")
    roles: dict[str, list[str]] = {}
    for key, value in table.items():
        values = value if isinstance(value, list) else [value]
        pairs = [(key, one) for one in values] if key in ROLES else [(one, key) for one in values]
        for role, joint in pairs:
            if role not in ROLES or not isinstance(joint, str):
                raise BadInputError(
                    f"The joint map {path} has {key!r}: {value!r}; one of the two must be a role: "
                    f"{', '.join(ROLES[:12])} ... (docs/motions.md lists all)."
                )
            roles.setdefault(role, []).append(joint)
    unknown = [joint for joints in roles.values() for joint in joints if joint not in joint_names]
    if unknown:
        raise BadInputError(
            f"The joint map {path} names {unknown[0]!r}, which the motion lacks; it has "
            f"{', '.join(list(joint_names)[:30])}."
        )
    found = {role: tuple(sorted(list(joint_names).index(j) for j in joints)) for role, joints in roles.items()}
    found = {role: joints if role in CHAINS else joints[:1] for role, joints in found.items()}
    expect_body(found, joint_names)
    return found


def expect_body(found: dict[str, tuple[int, ...]], joint_names: Sequence[str]) -> None:
    """Make sure that hips, arms and legs are known.

    Raises:
        BadInputError: If not; tells what is missing and what there is.
    """
    missing = [role for role in NEEDED if role not in found]
    if missing:
        raise BadInputError(
            f"The motion's joints are of no naming that is known: {', '.join(missing)} were not found among "
            f"{', '.join(list(joint_names)[:30])}. Give --joint-map FILE (docs/motions.md shows one)."
        )


def _match(parts: list[tuple[str, str]], patterns: dict[str, str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for joint, (side, stem) in enumerate(parts):
        for role in _roles(side, stem, patterns):
            if role in CHAINS or role not in found:
                found.setdefault(role, []).append(joint)
                break
    return {role: tuple(joints) for role, joints in found.items()}


def _roles(side: str, stem: str, patterns: dict[str, str]) -> list[str]:
    """Roles that a name may have, the likeliest first."""
    if not side:
        return [role for role in MIDDLE if role in patterns and re.fullmatch(patterns[role], stem)]
    roles = [f"{side}_{role}" for role in LIMBS if re.fullmatch(patterns[role], stem)]
    finger = re.fullmatch(patterns.get("finger", "(?!)"), stem)
    if finger:
        which, bone = finger[1], finger[2]
        number = _BONES[bone] if bone in _BONES else int(bone)
        if which.isdigit():
            # anny counts fingers from 1; Biped from 0, and its bones (nothing), 1, 2.
            if "counted" in patterns:
                number, which = (int(bone) + 1 if bone else 1), str(int(which) + 1)
            which = FINGERS[int(which) - 1] if 1 <= int(which) <= 5 else ""
        which = "pinky" if which == "little" else which
        if which and number in (1, 2, 3):
            roles.append(f"{side}_{which}{number}")
    return roles


def _side_and_stem(name: str) -> tuple[str, str]:
    """Take a joint's side out of its name."""
    if name.startswith("__"):
        # MakeHuman's BVH puts a joint before each branch only to carry an offset.
        return "", ""
    name = _PREFIX.sub("", name.strip().rsplit(":", 1)[-1])
    # Where a word begins with a capital letter, a blank is meant.
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.split(r"[ _\-.]+", spaced.lower())
    side = ""
    for mark, meaning in (("left", "left"), ("right", "right"), ("l", "left"), ("r", "right")):
        if mark in words:
            side = meaning
            words.remove(mark)
            break
    stem = "".join(words)
    if not side:
        # CMU writes lfemur, LHipJoint, rclavicle.
        short = re.fullmatch(
            r"([lr])(femur|tibia|foot|toes?|clavicle|humerus|radius|wrist|hand|hipjoint|shoulder|collar|hip|knee|"
            r"ankle|elbow|thigh|shin|uarm|farm)",
            stem,
        )
        if short:
            side, stem = ("left" if short[1] == "l" else "right"), short[2]
    return side, stem
