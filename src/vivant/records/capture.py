"""Pictures of a person by cameras that are known, and where person and cameras are together."""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Bool, Float
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.records.body import Pose


@dataclass(frozen=True)
class CapturePicture:
    """One picture of a capture, as its cameras file tells; the picture itself is not read yet."""

    file: Path
    mask: Path | None
    """A picture that is white where the person is; None if the file tells none."""

    cam_from_world: Float[Tensor, "4 4"]
    """Rigid, in the capture's own world and units."""

    focal_px: tuple[float, float] | None
    """None if only the field of view is told."""

    center_px: tuple[float, float] | None
    """The principal point; None is the picture's middle."""

    size: tuple[int, int] | None
    """Width and height that the numbers above speak of; None is the picture's own."""

    fov_x: float | None = None
    """Radians from the left to the right rim; for files that tell no focal length."""

    @property
    def name(self) -> str:
        """The file's name, as the user knows it."""
        return self.file.name


@dataclass(frozen=True)
class Placed:
    """A person among the cameras of some pictures: in metres, the person upright round the origin."""

    cam_from_world: Float[Tensor, "views 4 4"]
    intrinsics: Float[Tensor, "views 3 3"]
    """In pixels of each view's `Person`."""

    poses: Pose
    """With one frames axis: a pose a view."""

    error: Float[Tensor, " views"]
    """How far the middle one of the body's points lies from where it was seen, in percent of a stature; NaN
    where none are seen."""

    kept: Bool[Tensor, " views"]
    """False: picture and camera do not belong together; the view is left out."""

    trust: Float[Tensor, " views"]
    """How far each view's pose is believed, 0 to 1."""

    metres_per_unit: float
    """Of the capture's world."""

    notes: tuple[str, ...] = ()
    """Plain sentences for the user."""

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("Placed", cameras=len(self.cam_from_world), intrinsics=len(self.intrinsics),
                      poses=len(self.poses.root), errors=len(self.error), kept=len(self.kept),
                      trust=len(self.trust))  # fmt: skip
