"""Poses for people: moments of motion clips, with hands, carried to the anny body."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from vivant.animate import MOTIONS, builtin_motion, motion_named
from vivant.animate.readers.gltf import clip_names
from vivant.body import load_anny
from vivant.core.glb import read_glb
from vivant.records import Motion, Pose, Rig

CALM = ("Idle", "Walk", "Talking", "Listening", "Nod", "Reject", "Confused", "Interact", "Bow")
"""Words in the names of clips in which people stand as for a photo."""

NEVER = (
    "Death", "Roll", "Swim", "Crawl", "Sitting", "Driving", "Meditate", "Kneeling", "Jump", "T-Pose", "Pistol",
    "Crouch", "PickUp", "Torch", "Sword_Attack",
)  # fmt: skip
"""Words in the names of clips that lie, sit, fly, or hold what is not there."""


@dataclass(frozen=True)
class PoseSource:
    """Clips of a folder (.glb, .bvh); without a folder, the motions that come with vivant."""

    folder: Path | None = None

    def clips(self, *, calm: bool = False) -> tuple[str, ...]:
        """Names of the clips, as `motion` takes them.

        Args:
            calm: Only those in which people stand or walk.

        Raises:
            BadFileError: If a file is damaged.
        """
        if self.folder is None:
            return tuple(MOTIONS)
        found = []
        for path in sorted(self.folder.glob("*.glb")):
            names = [n for n in clip_names(read_glb(path)) if not any(word in n for word in NEVER)]
            found += [f"{path}:{n}" for n in names if not calm or any(word in n for word in CALM)]
        if not calm:
            found += [str(path) for path in sorted(self.folder.glob("*.bvh"))]
        return tuple(found) or tuple(MOTIONS)

    def pose(self, clip: str, moment: float, body: Rig) -> Pose:
        """A moment of a clip, 0 to 1, for a body; it stands on the floor's middle.

        Raises:
            BadInputError: If there is no such clip.
            BadFileError: If the file is damaged.
        """
        motion = _motion(clip)
        frame = min(int(moment * len(motion)), len(motion) - 1)
        root = motion.pose.root[frame].clone()
        # Of where the clip went only the height counts; it grows with the legs.
        root[[0, 2]] = 0
        root[1] *= float(body.joints_world[0, 1]) / float(_reference().joints_world[0, 1])
        return Pose(motion.pose.local_quats[frame], root)

    def random(self, random: np.random.Generator, body: Rig, *, calm: bool = False) -> tuple[str, Pose]:
        """Some moment of some clip, and the clip's name."""
        clips = self.clips(calm=calm)
        clip = clips[int(random.integers(len(clips)))]
        return clip, self.pose(clip, float(random.random()), body)


@lru_cache(maxsize=1)
def _reference() -> Rig:
    model = load_anny()
    return model.rig(model.default_shape())


@lru_cache(maxsize=96)
def _motion(clip: str) -> Motion:
    if clip in MOTIONS:
        return builtin_motion(clip, _reference())
    return motion_named(clip, _reference())[0]
