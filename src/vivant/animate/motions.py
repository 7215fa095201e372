"""Built-in motions, made by rule for any body."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.bending import bend_everything, natural_seconds
from vivant.animate.face import BLINK, SPOKEN, blinking, speaking
from vivant.animate.footwork import dance, turn, walk
from vivant.animate.gestures import idle, talk, wave
from vivant.animate.puppet import Act, pose_from_act
from vivant.animate.stance import Frame, measure, relaxed
from vivant.core.errors import BadInputError
from vivant.records import Motion, Pose, Rig


def builtin_motion(name: str, rig: Rig, seconds: float | None = None, fps: float = 30.0) -> Motion:
    """Make a motion for a body, on the floor at y = 0, in place; the eyes blink.

    Args:
        name: One of `MOTIONS`.
        rig: The body; feet stay on the floor and hands clear of the hips whatever its shape.
        seconds: How long; the motion's natural length if None.
        fps: Frames a second.

    Raises:
        BadInputError: If there is no such motion, the time is not positive, or the rig's joints are unknown.
    """
    if name not in MOTIONS:
        raise BadInputError(f"There is no motion {name!r}; there are {', '.join(MOTIONS)}.")
    natural, loops = MOTIONS[name]
    seconds = natural if seconds is None else seconds
    # Said so that NaN fails, too; it cannot be rounded.
    if not (0 < fps <= 1000 and 0.5 < seconds * fps <= 100_000):
        raise BadInputError(
            f"{seconds} s at {fps} frames a second; 1 to 100,000 frames at up to 1000 a second are possible."
        )
    count = round(seconds * fps)
    # A loop's last frame leads into its first, so it stops one frame short.
    phase = torch.arange(count) / (count if loops else max(count - 1, 1))
    if name == "range_of_motion":
        return Motion(name, bend_everything(rig, phase), fps, loops)
    pose = pose_from_act(rig, _MAKERS[name](measure(rig), phase, seconds))
    if name == "talk":
        return Motion(name, pose, fps, loops, SPOKEN, speaking(count, fps, loops))
    return Motion(name, pose, fps, loops, BLINK, blinking(count, fps, loops))


def standing(rig: Rig) -> Pose:
    """Stand at ease: one moment.

    Raises:
        BadInputError: If the rig's joints are unknown.
    """
    pose = pose_from_act(rig, relaxed(measure(rig), 1))
    return Pose(pose.local_quats[0], pose.root[0])


Maker = Callable[[Frame, Float[Tensor, " frames"], float], Act]

_MAKERS: dict[str, Maker] = {
    "idle": idle, "wave": wave, "turn": turn, "walk": walk, "dance": dance, "talk": talk,
}  # fmt: skip

MOTIONS: dict[str, tuple[float, bool]] = {
    "idle": (6.4, True),
    "wave": (4.0, True),
    "turn": (6.0, True),
    "walk": (4.6, True),
    "dance": (8.0, True),
    "talk": (6.0, True),
    "range_of_motion": (natural_seconds(), False),
}
"""Name: its natural length in seconds, and whether it loops."""
