"""Pictures of the person, real or imagined."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.checks import expect_counts
from vivant.records.body import Pose


@dataclass(frozen=True)
class Views:
    """Pictures of the person, each with its camera and its pose."""

    images: Float[Tensor, "views height width 3"]
    alphas: Float[Tensor, "views height width"]
    normals: Float[Tensor, "views height width 3"] | None
    """Unit, in camera axes."""

    trust: Float[Tensor, "views height width"]
    """1 for pixels of a photo, less for imagined ones."""

    cameras: Cameras
    poses: Pose
    """With one frames axis: a pose a view."""

    def __post_init__(self) -> None:
        """Check what the annotations cannot: counts across records."""
        expect_counts("Views", images=len(self.images), alphas=len(self.alphas), trust=len(self.trust),
                      cameras=len(self.cameras), poses=len(self.poses.root))  # fmt: skip
