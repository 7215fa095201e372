"""Terms of the energy: what they measure, and along which directions points must move to change it.

The solver's world has our axes with the camera at its origin, looking along -z, level. A term looks at where
points lie and returns rows of a least-squares problem; residuals come divided by their standard deviation.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Places = Float[Tensor, "points 3"]


@dataclass(frozen=True)
class Rows:
    """Residuals, and how points move them."""

    values: Float[Tensor, " rows"]
    weights: Float[Tensor, " rows"]
    """Trust, already lowered for outliers."""

    points: Int[Tensor, "rows parts"]
    """One or several points each."""

    directions: Float[Tensor, "rows parts 3"]
    """By how much the value grows when a point moves by a metre along each axis."""

    cost: float
    """The term's energy, outliers counted as its robust loss has it."""

    by_tilt: Float[Tensor, " rows"] | None = None
    """By how much the values grow with the camera's tilt; None if they do not depend on it."""


@runtime_checkable
class Term(Protocol):
    """One term of the energy."""

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """Measure.

        Args:
            places: All points of the problem.
            tilt: Radians by which the camera looks down.
        """
        ...


@dataclass(frozen=True)
class Pinhole:
    """The camera in the solver's world."""

    focal: Float[Tensor, "2"]
    center: Float[Tensor, "2"]

    def project(self, places: Places) -> Float[Tensor, "points 2"]:
        """Pixels of points; those at or behind the camera go far away."""
        depth = (-places[:, 2:]).clamp(min=0.05)
        flipped = places[:, :2] * places.new_tensor([1.0, -1.0])
        return flipped / depth * self.focal + self.center

    def gradients(self, places: Places) -> Float[Tensor, "points 2 3"]:
        """How the pixels move when the points do."""
        depth = (-places[:, 2]).clamp(min=0.05)
        zero = torch.zeros_like(depth)
        fx, fy = self.focal
        u = torch.stack([fx / depth, zero, fx * places[:, 0] / depth**2], dim=-1)
        v = torch.stack([zero, -fy / depth, -fy * places[:, 1] / depth**2], dim=-1)
        return torch.stack([u, v], dim=1)


def robust(squares: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Geman-McClure: the loss of squared residuals, and the weight that least squares must give them."""
    share = scale**2 / (scale**2 + squares)
    return squares * share, share**2


@dataclass(frozen=True)
class Reprojection:
    """Points of the body lie where the detector saw them."""

    camera: Pinhole
    points: Int[Tensor, " seen"]
    targets: Float[Tensor, "seen 2"]
    """Pixels."""

    sigma_px: float
    trust: Float[Tensor, " seen"]
    scale: float
    """In sigmas: residuals beyond it count less and less."""

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """Two rows a point."""
        here = places[self.points]
        error = (self.camera.project(here) - self.targets) / self.sigma_px
        loss, weight = robust(error.square().sum(1), self.scale)
        return Rows(
            values=error.flatten(),
            weights=(self.trust * weight).repeat_interleave(2),
            points=self.points.repeat_interleave(2)[:, None],
            directions=(self.camera.gradients(here) / self.sigma_px).flatten(0, 1)[:, None],
            cost=float((self.trust * loss).sum()),
        )


@dataclass(frozen=True)
class Directions:
    """Limbs point where the detector's guess in space says."""

    start: Int[Tensor, " limbs"]
    end: Int[Tensor, " limbs"]
    targets: Float[Tensor, "limbs 3"]
    """Unit, in the solver's world."""

    sigma: Float[Tensor, " limbs"]
    """Radians."""

    trust: Float[Tensor, " limbs"]
    scale: float

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """Three rows a limb."""
        along = places[self.end] - places[self.start]
        length = along.norm(dim=1, keepdim=True).clamp(min=1e-3)
        along = along / length
        error = (along - self.targets) / self.sigma[:, None]
        loss, weight = robust(error.square().sum(1), self.scale)
        square = (torch.eye(3) - along[:, :, None] * along[:, None]) / (length * self.sigma[:, None])[..., None]
        return Rows(
            values=error.flatten(),
            weights=(self.trust * weight).repeat_interleave(3),
            points=torch.stack([self.end, self.start], dim=1).repeat_interleave(3, dim=0),
            directions=torch.stack([square, -square], dim=2).flatten(0, 1),
            cost=float((self.trust * loss).sum()),
        )


@dataclass(frozen=True)
class Alignment:
    """The middles of groups of points lie at one height, or at one depth, as gravity has it."""

    points: Int[Tensor, "rows members"]
    against: Int[Tensor, "rows members"]
    along: Literal["up", "front"]
    sigma: Float[Tensor, " rows"]
    """Metres."""

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """One row a pair of groups."""
        up, front = upright_axes(tilt)
        axis, slope = (up, front) if self.along == "up" else (front, -up)
        apart = places[self.points].mean(1) - places[self.against].mean(1)
        error = (apart @ axis) / self.sigma
        loss, weight = robust(error.square(), 3.0)
        members = self.points.shape[1]
        direction = (axis / self.sigma[:, None] / members)[:, None].expand(-1, members, -1)
        return Rows(
            values=error,
            weights=weight,
            points=torch.cat([self.points, self.against], dim=1),
            directions=torch.cat([direction, -direction], dim=1),
            cost=float(loss.sum()),
            by_tilt=(apart @ slope) / self.sigma,
        )


def upright_axes(tilt: Float[Tensor, ""]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """True up and true front in the solver's world, where the camera is level whether it was or not."""
    zero = torch.zeros_like(tilt)
    return torch.stack([zero, tilt.cos(), tilt.sin()]), torch.stack([zero, -tilt.sin(), tilt.cos()])
