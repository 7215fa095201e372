"""The jobs engines do: one Protocol a job, and what an engine hands back.

Engines see pictures as bytes (sRGB, `height width 3`) because that is what they were made for;
points come back in pixels of the picture handed in, centres at half-integers.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Region:
    """A turned square of a picture in which one person stands upright."""

    center: tuple[float, float]
    """In pixels: between the hips."""

    side: float
    """In pixels."""

    angle: float = 0.0
    """Radians that the person is turned clockwise in the picture; 0 is upright, pi head down."""


@dataclass(frozen=True)
class PersonSeen:
    """Someone whole, found in a picture."""

    region: Region
    face_box: tuple[float, float, float, float]
    """Left, top, right, bottom of the face, in pixels."""

    score: float
    """0 to 1."""


@dataclass(frozen=True)
class PoseSeen:
    """One person's body points in one look at a picture."""

    points: Float[np.ndarray, "33 2"]
    """In pixels, in the order of `BODY_POINTS`."""

    points_world: Float[np.ndarray, "33 3"]
    """Metres round the hips' centre, OpenCV camera axes, as if the picture's top were up."""

    visibility: Float[np.ndarray, "33"]
    """0 to 1."""

    mask: Float[np.ndarray, "height width"]
    """How likely each pixel shows the person."""

    region: Region
    """Where a second look should go, from the points found."""


@dataclass(frozen=True)
class FaceSeen:
    """One face's points."""

    points: Float[np.ndarray, "478 3"]
    """In pixels; z too, relative to the head's centre."""


@dataclass(frozen=True)
class HandSeen:
    """One hand's points."""

    points: Float[np.ndarray, "21 2"]
    """In pixels, in the order of `HAND_POINTS`."""

    points_world: Float[np.ndarray, "21 3"]
    """Metres round the hand's centre, OpenCV camera axes."""

    is_left: bool
    """The person's own left."""

    score: float
    """0 to 1: how sure the engine is of the side."""


@runtime_checkable
class VisionEngine(Protocol):
    """Finds people, their body points, faces and hands in a picture."""

    def see_people(self, pixels: Pixels) -> list[PersonSeen]:
        """Find everybody who is large enough in the picture, best first."""
        ...

    def see_pose(self, pixels: Pixels, region: Region) -> PoseSeen | None:
        """Read the body of the person in a region; None if nobody is there."""
        ...

    def see_faces(self, pixels: Pixels) -> list[tuple[float, float, float, float]]:
        """Find faces of any size: left, top, right, bottom."""
        ...

    def see_face(self, pixels: Pixels) -> FaceSeen | None:
        """Read the points of the face that fills a good part of the picture."""
        ...

    def see_hand(self, pixels: Pixels) -> HandSeen | None:
        """Read the points of the hand that fills a good part of the picture."""
        ...


@runtime_checkable
class ViewGenerator(Protocol):
    """Estimates clean views of a person from noisy ones; see `vivant.networks.ViewUNet`."""

    def encode(self, conditions: Any) -> Any:
        """Work out what does not change with the noise."""
        ...

    def __call__(self, noisy: Tensor, sigma: Tensor, told: Any) -> Tensor:
        """Estimate."""
        ...


@runtime_checkable
class RadianceField(Protocol):
    """Draws the person of one photo in any pose from any camera; see `vivant.networks.HumanNerf`."""

    def __call__(self, scene: Any, cam_from_world: Tensor, intrinsics: Tensor) -> Any:
        """Draw."""
        ...


@runtime_checkable
class PhotoToSplats(Protocol):
    """Makes splats of a whole person from one photo and the fitted body; see `vivant.networks.Lifter`."""

    def __call__(self, told: Any) -> Any:
        """Predict."""
        ...


@runtime_checkable
class LimbsInSpace(Protocol):
    """Says where limbs point in space, from a photo's body points; see `vivant.networks.LimbDirections`."""

    def __call__(self, points: Tensor, points_world: Tensor) -> Any:
        """Predict."""
        ...


@runtime_checkable
class DepthOfClothes(Protocol):
    """Says how far a surface stands from where rules put it; see `vivant.networks.Standoff`."""

    def __call__(self, features: Tensor) -> Tensor:
        """Predict."""
        ...


@runtime_checkable
class LightBehind(Protocol):
    """Says how bright the hidden side is beside what rules made it; see `vivant.networks.Shading`."""

    def __call__(self, features: Tensor) -> Tensor:
        """Predict."""
        ...
