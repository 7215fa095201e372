"""Our own motion file (.motion): turns of named joints as safetensors, the names in its JSON header."""

from dataclasses import dataclass, replace
from pathlib import Path

from vivant.animate.readers.clip import Clip
from vivant.body import forward_kinematics
from vivant.core import store
from vivant.core.checks import expect_finite
from vivant.core.errors import BadFileError, NumericalError
from vivant.core.rotations import normalize_quats, quats_from_matrices, quats_identity
from vivant.records import Motion, Pose, Rig

FORMAT = 1


@dataclass(frozen=True)
class MotionFile:
    """What the file holds."""

    joint_names: tuple[str, ...]
    motion: Motion
    format: int = FORMAT


def clip_of(motion: Motion, rig: Rig) -> Clip:
    """A motion of one of our rigs as a clip, to be carried over to a body of another size."""
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, motion.pose)
    places = (transforms[..., :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[..., :3, 3]
    quats = quats_from_matrices(transforms[..., :3, :3])
    rest = quats_identity(len(rig.joint_names))
    return Clip(
        motion.name, rig.joint_names, rig.joint_parents, rest, rig.joints_world, quats, places, motion.fps
    )


def save_motion(motion: Motion, rig: Rig, path: Path | str) -> None:
    """Write a motion as one file. Any avatar whose joints have the same names can play it.

    Raises:
        OutputError: If the file cannot be written.
    """
    store.save(MotionFile(rig.joint_names, motion), Path(path))


def load_motion(path: Path | str, rig: Rig) -> Motion:
    """Read a motion for a rig; joints are matched by name, those the file lacks rest.

    Raises:
        BadFileError: If the file is missing, damaged, of another version, or of another kind of rig.
    """
    path = Path(path)
    kept = store.load(MotionFile, path)
    motion, pose = kept.motion, kept.motion.pose
    if kept.format != FORMAT:
        raise BadFileError(f"{path} is of format {kept.format}; this vivant reads format {FORMAT}.")
    if pose.local_quats.shape != (len(motion), len(kept.joint_names), 4):
        raise BadFileError(f"{path} is damaged: its turns do not match its {len(kept.joint_names)} joints.")
    try:
        expect_finite("Reading", local_quats=pose.local_quats, root=pose.root)
    except NumericalError as error:
        raise BadFileError(f"{path} is damaged: it has values that are not finite.") from error
    if float(pose.local_quats.norm(dim=-1).min()) < 0.1:
        raise BadFileError(f"{path} is damaged: it has turns of no length.")
    if kept.joint_names == rig.joint_names:
        return motion
    known = {name: number for number, name in enumerate(kept.joint_names)}
    shared = [name for name in rig.joint_names if name in known]
    if len(shared) < len(rig.joint_names) // 2:
        raise BadFileError(
            f"{path} is of another rig: of its {len(kept.joint_names)} joints the avatar has {len(shared)}."
        )
    quats = quats_identity(len(motion), len(rig.joint_names))
    for number, name in enumerate(rig.joint_names):
        if name in known:
            quats[:, number] = normalize_quats(pose.local_quats[:, known[name]])
    return replace(motion, pose=Pose(quats, pose.root))
