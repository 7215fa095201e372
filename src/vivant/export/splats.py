"""An avatar's splats for other programs: at rest, in a pose, or one file a frame."""

from collections.abc import Callable
from pathlib import Path

from vivant.body import forward_kinematics, stretch_splats
from vivant.core.errors import BadInputError
from vivant.core.store import expect_writable
from vivant.export.figure import expect_of_rig
from vivant.export.numbered import expect_numbered_folder, numbered_folder
from vivant.records import Avatar, Motion, Pose, Splats
from vivant.splat import pose_splats
from vivant.splat.dotsplat import write_dotsplat
from vivant.splat.ply import write_ply
from vivant.splat.spz import write_spz

SPLAT_FILES = (".ply", ".spz", ".splat")


def write_splats(
    avatar: Avatar,
    path: Path | str,
    motion: Motion | None = None,
    frame: int | None = None,
    *,
    raw: bool = False,
    pad_sh3: bool = False,
    advance: Callable[[float], None] = lambda fraction: None,
) -> Path:
    """Write an avatar's splats; the suffix says the format: `.ply`, `.spz` or `.splat`.

    Args:
        avatar: Whom.
        path: The file. For all frames of a motion a folder of its name without suffix is filled instead.
        motion: Gives the pose; at rest if None.
        frame: Of the motion, from 0; negative ones count from its end. None: all, one file each.
        raw: Keep our axes (y up) instead of turning by 180 degrees about z, as viewers of captures expect.
        pad_sh3: Write all 16 bands of harmonics into a `.ply`: some importers read no others.
        advance: Told how far it is, 0 to 1.

    Returns:
        The file or the folder.

    Raises:
        BadInputError: If the suffix is another one, the motion is of another rig, or has no such frame.
        OutputError: If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SPLAT_FILES:
        raise BadInputError(
            f"{path} has the suffix {path.suffix!r}; splats are written as .ply, .spz or .splat."
        )
    if motion is None:
        _write(avatar.splats, path, raw, pad_sh3)
        return path
    expect_of_rig(motion, avatar.rig)
    if frame is not None:
        if not -len(motion) <= frame < len(motion):
            raise BadInputError(
                f"The motion {motion.name!r} has frames 0 to {len(motion) - 1}; frame {frame} is asked for."
            )
        _write(_posed(avatar, motion, frame), path, raw, pad_sh3)
        return path
    folder = path.with_suffix("")
    expect_numbered_folder(folder, path.suffix)
    with numbered_folder(folder) as part:
        for number in range(len(motion)):
            _write(_posed(avatar, motion, number), part / f"{number:04d}{path.suffix}", raw, pad_sh3)
            advance((number + 1) / len(motion))
    return folder


def _posed(avatar: Avatar, motion: Motion, frame: int) -> Splats:
    pose = Pose(motion.pose.local_quats[frame], motion.pose.root[frame])
    rig = avatar.rig
    world_from_rest = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    posed = pose_splats(avatar.splats, avatar.binding, world_from_rest)
    return stretch_splats(posed, avatar.splats, avatar.binding, rig, world_from_rest)


def _write(splats: Splats, path: Path, raw: bool, pad_sh3: bool) -> None:
    # It also sweeps what a killed run left beside.
    expect_writable(path)
    suffix = path.suffix.lower()
    if suffix == ".ply":
        write_ply(splats, path, upright=not raw, pad_sh3=pad_sh3)
    elif suffix == ".spz":
        write_spz(splats, path, upright=not raw)
    else:
        write_dotsplat(splats, path, upright=not raw)
