"""What the door hands to a backend, and what comes back."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.records import Splats


@dataclass(frozen=True)
class Request:
    """One call, checked."""

    splats: Splats
    cameras: Cameras
    background: Float[Tensor, "views 3"]
    features: Float[Tensor, "splats features"] | None
    normals: bool
    antialiased: bool
    threads: int | None


@dataclass(frozen=True)
class Blended:
    """Pictures as they come from blending."""

    color: Float[Tensor, "views height width 3"]
    """On the background."""

    alpha: Float[Tensor, "views height width"]
    depth: Float[Tensor, "views height width"]
    extra: Float[Tensor, "views height width channels"]
    """Normals (if asked for), then features (if given); on nothing."""
