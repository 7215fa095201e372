"""The one word by which a user names a motion: a built-in one, or a file and perhaps a clip in it."""

from dataclasses import replace
from pathlib import Path

from vivant.animate.motions import MOTIONS, builtin_motion
from vivant.animate.readers import FILES, load_motion, read_clip
from vivant.animate.retarget import RetargetConfig, retarget
from vivant.core.errors import BadInputError
from vivant.records import Motion, Rig

HOLD = 2.0
"""Seconds that a file of a single pose lasts."""


def motion_named(
    word: str,
    rig: Rig,
    seconds: float | None = None,
    fps: float = 30.0,
    *,
    in_place: bool = False,
    joint_map: Path | None = None,
) -> tuple[Motion, str]:
    """Make or read a motion for a rig; also a sentence on how a file's joints were matched, or nothing.

    Args:
        word: One of `MOTIONS`, or FILE, or FILE:CLIP.
        rig: The avatar's.
        seconds: How long; a file's motion is cut, or repeated if it loops, and a single pose is held. None: its
            natural length, `HOLD` for a pose.
        fps: Frames a second.
        in_place: Take the way over the floor out of a file's motion.
        joint_map: A table of joint names, for skeletons that are not recognised.

    Raises:
        BadInputError: If there is no such motion.
        BadFileError: If the file cannot be read.
    """
    if word in MOTIONS:
        return builtin_motion(word, rig, seconds, fps), ""
    path, clip = _file_and_clip(word)
    if path.suffix.lower() == ".motion":
        return _lasting(load_motion(path, rig), seconds), ""
    if path.suffix.lower() not in (*FILES, ".fbx", ".gltf"):
        raise BadInputError(
            f"There is no motion {word!r}; there are {', '.join(MOTIONS)}, and files: {', '.join(FILES)}."
        )
    moved = retarget(read_clip(path, clip), rig, RetargetConfig(fps=fps, in_place=in_place), joint_map)
    return _lasting(moved.motion, seconds), moved.summary


def motion_label(word: str) -> str:
    """A short name for files made of a motion: of a file its stem, and its clip."""
    if word in MOTIONS:
        return word
    path, clip = _file_and_clip(word)
    label = path.stem if clip is None else f"{path.stem}-{clip}"
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in label)[:80]


def _file_and_clip(word: str) -> tuple[Path, str | None]:
    """Split at the colon after a file's suffix; drives of Windows have a colon, too."""
    head, colon, tail = word.rpartition(":")
    if colon and Path(head).suffix.lower() in FILES and "/" not in tail and "\\" not in tail:
        return Path(head), tail
    return Path(word), None


def _lasting(motion: Motion, seconds: float | None) -> Motion:
    """A motion as long as asked; a file of a single pose holds it."""
    if len(motion) == 1:
        motion, seconds = replace(motion, loops=True), HOLD if seconds is None else seconds
    if seconds is None:
        return motion
    # Said so that NaN fails, too; it cannot be rounded.
    if not 0.5 < seconds * motion.fps <= 100_000:
        raise BadInputError(f"{seconds} s at {motion.fps:g} frames a second; 1 to 100,000 frames are possible.")
    return motion.cut(round(seconds * motion.fps))
