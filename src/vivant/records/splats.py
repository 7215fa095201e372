"""Gaussians, how they ride on a rig, and pictures of them."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.checks import expect, expect_counts


@dataclass(frozen=True)
class Splats:
    """Anisotropic 3D Gaussians in one frame (3DGS, arXiv 2308.04079).

    Names carry the space they live in, so nothing is activated twice: `log_scales`
    are stored, `scales` are computed.
    """

    means: Float[Tensor, "splats 3"]
    """Centres, in metres."""

    quats: Float[Tensor, "splats 4"]
    """Unit quaternions, wxyz."""

    log_scales: Float[Tensor, "splats 3"]
    """Natural logarithms of standard deviations in metres."""

    opacity_logits: Float[Tensor, " splats"]
    sh: Float[Tensor, "splats bands 3"]
    """Spherical harmonics of sRGB colour, (degree + 1)^2 bands; colour = 0.5 + sum."""

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("Splats", means=len(self.means), quats=len(self.quats), log_scales=len(self.log_scales),
                      opacity_logits=len(self.opacity_logits), sh=len(self.sh))  # fmt: skip

    def __len__(self) -> int:
        return len(self.means)

    @property
    def scales(self) -> Float[Tensor, "splats 3"]:
        """Standard deviations along each axis, in metres."""
        return self.log_scales.exp()

    @property
    def opacities(self) -> Float[Tensor, " splats"]:
        """0 to 1."""
        return self.opacity_logits.sigmoid()


@dataclass(frozen=True)
class Binding:
    """How splats ride on the rig."""

    face: Int[Tensor, " splats"]
    """The rig's triangle each splat belongs to."""

    barycentric: Float[Tensor, "splats 3"]
    offset: Float[Tensor, "splats 3"]
    """Metres from the point on the triangle, in the triangle's rest frame (tangent, bitangent, normal)."""

    skin_joints: Int[Tensor, "splats 4"]
    """Kept beside the face because loose cloth follows other bones than the skin under it."""

    skin_weights: Float[Tensor, "splats 4"]
    """Rows sum to 1."""

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("Binding", face=len(self.face), barycentric=len(self.barycentric),
                      offset=len(self.offset), skin_joints=len(self.skin_joints),
                      skin_weights=len(self.skin_weights))  # fmt: skip


@dataclass(frozen=True)
class Rendering:
    """Pictures of splats or of a mesh, one a view."""

    color: Float[Tensor, "views height width channels"]
    """Composited on the background."""

    alpha: Float[Tensor, "views height width"]
    depth: Float[Tensor, "views height width"]
    """Metres along the camera's z, weighted by what was blended; 0 where nothing is."""

    normal: Float[Tensor, "views height width 3"]
    """Unit, in camera axes (towards the camera is -z); 0 where nothing is."""

    def __post_init__(self) -> None:
        """Check that all are of one size."""
        views, height, width = self.alpha.shape
        expect("depth", self.depth, views, height, width)
        expect("normal", self.normal, views, height, width, 3)
        expect("color", self.color, views, height, width, "channels")
