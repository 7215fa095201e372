"""A clip of poses."""

from dataclasses import dataclass

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

    def __len__(self) -> int:
        return len(self.pose.root)
