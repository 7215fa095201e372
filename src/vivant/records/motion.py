"""A clip of poses."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.records.body import Pose


@dataclass(frozen=True)
class Motion:
    """Poses over time, for one rig's joints."""

    name: str
    pose: Pose
    """With one frames axis."""

    fps: float
    loops: bool
    """Whether the last frame leads into the first."""

    action_names: tuple[str, ...] = ()
    """Facial actions that take part, by their ARKit names (`jawOpen`, `eyeBlinkLeft` ...)."""

    actions: Float[Tensor, "frames actions"] | None = None
    """How strong each one is, 0 to 1, on top of the rig's own expression; None if none takes part."""

    def __post_init__(self) -> None:
        """Check that there is at least one frame and a sane rate."""
        if self.pose.root.ndim != 2 or len(self.pose.root) < 1:
            raise BadInputError(
                f"The motion {self.name!r} needs poses with one frames axis and at least one frame."
            )
        if not 0 < self.fps <= 1000:
            raise BadInputError(
                f"The motion {self.name!r} has {self.fps} frames a second; 0 to 1000 are possible."
            )

        if self.actions is not None:
            expect_counts("Motion (frames)", pose=len(self), actions=len(self.actions))
            expect_counts("Motion (actions)", names=len(self.action_names), weights=self.actions.shape[1])

    def __len__(self) -> int:
        return len(self.pose.root)

    def cut(self, count: int) -> "Motion":
        """The first frames; a motion that loops is repeated as often as needed, another ends."""
        if not self.loops:
            count = min(count, len(self))
        index = torch.arange(count) % len(self)
        pose = Pose(self.pose.local_quats[index], self.pose.root[index])
        actions = None if self.actions is None else self.actions[index]
        loops = self.loops and count % len(self) == 0
        return Motion(self.name, pose, self.fps, loops, self.action_names, actions)
