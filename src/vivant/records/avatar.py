"""The product, and its file."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from vivant.core import store
from vivant.core.cameras import Cameras
from vivant.core.checks import expect_counts
from vivant.core.errors import BadFileError, BadInputError
from vivant.records.body import Pose, Rig, Shape
from vivant.records.splats import Binding, Splats

FORMAT = 1
"""Version of the avatar file."""

PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""How JPEG, PNG, GIF, BMP and TIFF begin."""


@dataclass(frozen=True)
class Origin:
    """Where an avatar came from."""

    recipe: str
    photo: str
    """SHA-256 of the photo's file."""

    config: str
    """The recipe's config as JSON."""

    engines: tuple[str, ...]
    """`job: name version (licence)` each."""

    versions: tuple[str, ...]
    """`package version` each."""

    notes: tuple[str, ...]
    """Plain sentences: what was guessed."""


@dataclass(frozen=True)
class Avatar:
    """Splats at rest, bound to a rig, and where they came from."""

    splats: Splats
    """In the rig's rest pose."""

    binding: Binding
    trust: Float[Tensor, " splats"]
    """1: the photo shows it. Less: guessed."""

    rig: Rig
    shape: Shape
    photo_pose: Pose
    """The pose in the photo."""

    photo_camera: Cameras
    """The photo's camera, in world axes."""

    origin: Origin
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Check counts and version."""
        expect_counts("Avatar", splats=len(self.splats), binding=len(self.binding.face), trust=len(self.trust))
        if self.format != FORMAT:
            raise BadFileError(f"The avatar is of format {self.format}; this vivant reads format {FORMAT}.")


def save_avatar(avatar: Avatar, path: Path | str) -> None:
    """Write an avatar as one file: safetensors with a JSON header.

    Raises:
        BadInputError: If a number is not finite: nothing could read the file.
        OutputError: If the file cannot be written.
    """
    bad = _bad_number(avatar)
    if bad is not None:
        raise BadInputError(f"`{bad}` has values that are not finite; {path} would be unreadable.")
    store.save(avatar, Path(path))


def load_avatar(path: Path | str) -> Avatar:
    """Read an avatar.

    Raises:
        BadFileError: If the file is missing, damaged, hostile, or of another version.
    """
    path = Path(path)
    if _is_picture(path):
        raise BadFileError(
            f"{path} is a picture, not an avatar. Make an avatar of it first: `vivant create {path}`."
        )
    avatar = store.load(Avatar, path)
    bad = _bad_number(avatar)
    if bad is not None:
        raise BadFileError(f"{path} is damaged: `{bad}` has values that are not finite.")
    _refuse_bad_indices(avatar, path)
    return avatar


def _is_picture(path: Path) -> bool:
    """Whether a file begins like a picture."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        # Reading it will tell why.
        return False
    if start[4:8] == bytes(4):
        # An avatar begins with the length of its header, in eight bytes; the first four may be anything.
        return False
    return (
        start.startswith(PICTURES) or start[4:8] == b"ftyp" or (start[:4] == b"RIFF" and start[8:] == b"WEBP")
    )


def _bad_number(record: Any, prefix: str = "") -> str | None:
    """Name an array with a number that is none: it would spread, and be found out late."""
    for field in dataclasses.fields(record):
        value, name = getattr(record, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            bad = _bad_number(value, name + ".")
            if bad is not None:
                return bad
        elif isinstance(value, Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            return name
    return None


def _refuse_bad_indices(avatar: Avatar, path: Path) -> None:
    """An index out of range would crash or read foreign memory in compiled code."""
    rig, binding = avatar.rig, avatar.binding
    limits = {
        "rig.faces": (rig.faces, len(rig.verts)),
        "rig.uv_faces": (rig.uv_faces, len(rig.uv)),
        "rig.skin_joints": (rig.skin_joints, len(rig.joint_names)),
        "binding.face": (binding.face, len(rig.faces)),
        "binding.skin_joints": (binding.skin_joints, len(rig.joint_names)),
    }
    for name, (index, limit) in limits.items():
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= limit):
            raise BadFileError(f"{path} is damaged: `{name}` points outside 0 to {limit - 1}.")
    for child, parent in enumerate(rig.joint_parents):
        if not -1 <= parent < child:
            raise BadFileError(f"{path} is damaged: joint {child} has parent {parent}.")
