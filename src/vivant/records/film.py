"""A person in a film: measured in each of its pictures."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.records.body import Rig
from vivant.records.motion import Motion


@dataclass(frozen=True)
class Footage:
    """Some pictures of a film, one after the other."""

    images: UInt8[Tensor, "frames height width 3"]
    """sRGB, 0 to 255."""

    fps: float


@dataclass(frozen=True)
class Sightings:
    """What was seen of the person in each picture."""

    seen: Bool[Tensor, " frames"]
    """Whether the person was found; what follows is zero where not."""

    keypoints: Float[Tensor, "frames 33 2"]
    """Pixels of the whole picture, in the order of `BODY_POINTS`."""

    keypoints_world: Float[Tensor, "frames 33 3"]
    """Metres round the hips' centre, OpenCV camera axes."""

    confidence: Float[Tensor, "frames 33"]
    spread_px: Float[Tensor, "frames 33"]
    hands: Float[Tensor, "frames 2 21 2"]
    """Left and right, pixels of the whole picture."""

    hands_world: Float[Tensor, "frames 2 21 3"]
    hands_confidence: Float[Tensor, "frames 2"]
    """0 where no hand was found."""

    width: int
    height: int
    fps: float

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("Sightings", seen=len(self.seen), keypoints=len(self.keypoints), hands=len(self.hands),
                      keypoints_world=len(self.keypoints_world), confidence=len(self.confidence))  # fmt: skip

    def __len__(self) -> int:
        return len(self.seen)


@dataclass(frozen=True)
class Acted:
    """A motion, and the body of who performed it."""

    rig: Rig
    motion: Motion
    notes: tuple[str, ...] = ()
    """Plain sentences for the user."""
