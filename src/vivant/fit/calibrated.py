"""One person seen by several known cameras: rays that meet, and terms of the energy seen from each camera."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.fit.landmarks import Landmarks
from vivant.fit.terms import Pinhole, Places, Rows, Term
from vivant.records import Person

LEVEL = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
"""From OpenCV's axes to the solver's, and back."""

ROUNDS = 8
"""In which rays that miss the others lose weight."""

MISS = 0.03
"""Statures by which a ray may miss before it counts for half."""


@dataclass(frozen=True)
class Eye:
    """One calibrated camera, in pixels of the person it sees."""

    person: Person
    intrinsics: Float[Tensor, "3 3"]
    rotation: Float[Tensor, "3 3"]
    """`cam_from_world`, OpenCV axes."""

    shift: Float[Tensor, "3"]

    @property
    def pinhole(self) -> Pinhole:
        """The camera as the solver's terms know it: at the origin, looking along -z."""
        return Pinhole(self.intrinsics.diagonal()[:2], self.intrinsics[:2, 2])

    @property
    def center(self) -> Float[Tensor, "3"]:
        """Where it stands in the world."""
        return -self.rotation.T @ self.shift

    @property
    def own_from_world(self) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3"]]:
        """From the world to the solver's axes with this camera at their origin."""
        level = LEVEL.to(self.rotation)
        return level @ self.rotation, level @ self.shift

    def moved(self, rotation: Float[Tensor, "3 3"], origin: Float[Tensor, "3"], scale: float) -> "Eye":
        """The same camera in another world: `new = scale * rotation @ (old - origin)`."""
        shift = scale * (self.rotation @ origin.to(self.shift) + self.shift)
        return replace(self, rotation=self.rotation @ rotation.to(self.shift).T, shift=shift)

    def single(self) -> "Eye":
        """The same in the solver's precision."""
        return replace(self, rotation=self.rotation.float(), shift=self.shift.float())


def make_eye(person: Person, camera: Cameras) -> Eye:
    """Take a camera of a whole picture to the pixels of the person cut out of it, who may have been turned."""
    cut = torch.linalg.inv(person.photo_from_image.double())
    # A quarter turn of the picture is one of the camera about its axis.
    turn = torch.eye(3).double()
    turn[:2, :2] = cut[:2, :2] / cut[:2, :2].det().abs().sqrt()
    intrinsics = cut @ camera.intrinsics[0].double() @ turn.T
    pose = camera.cam_from_world[0].double()
    # The world may be large and far away: it stays in float64 until it is brought to the body's.
    return Eye(person, intrinsics.float(), turn @ pose[:3, :3], turn @ pose[:3, 3])


@dataclass(frozen=True)
class SeenFrom:
    """A term that one of several cameras sees."""

    term: Term
    rotation: Float[Tensor, "3 3"]
    shift: Float[Tensor, "3"]

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """Measure in the camera's own axes; directions come back to the world's."""
        found = self.term.rows(places @ self.rotation.T + self.shift, tilt)
        return replace(found, directions=found.directions @ self.rotation)


def seen_from(eye: Eye, *terms: Term) -> tuple[Term, ...]:
    """Terms of one camera for a problem in the world."""
    return tuple(SeenFrom(term, *eye.own_from_world) for term in terms)


@dataclass(frozen=True)
class Met:
    """Body points where the cameras' rays meet."""

    points: Float[Tensor, "points 3"]
    weight: Float[Tensor, " points"]
    """0 where fewer than two cameras see it; else how much speaks for it."""


def meet(eyes: list[Eye]) -> Met:
    """Find where all cameras' rays meet: least squares; rays that miss lose weight (Geman-McClure)."""
    centers = torch.stack([eye.center for eye in eyes]).double()
    ways = torch.stack([_ways(eye) for eye in eyes])
    sure = torch.stack([_sure(eye) for eye in eyes])
    weight = sure.clone()
    points = torch.zeros(33, 3).double()
    apart = torch.eye(3).double() - ways[..., :, None] * ways[..., None, :]
    for _ in range(ROUNDS):
        weighted = weight[..., None, None] * apart
        goal = (weighted @ centers[:, None, :, None]).sum(0)[..., 0]
        square = weighted.sum(0) + 1e-9 * torch.eye(3).double()
        points = torch.linalg.solve(square, goal)
        missed = (apart @ (points - centers[:, None])[..., None])[..., 0].norm(dim=-1)
        stature = _stature(points, weight.sum(0))
        weight = sure * (1 + (missed / (MISS * stature)).square()) ** -2
    strong = weight > 0.05
    return Met(points, (weight.sum(0) * (strong.sum(0) > 1)).float())


def _ways(eye: Eye) -> Float[Tensor, "33 3"]:
    """Unit directions of the rays through the body points, in the world."""
    pinhole = eye.pinhole
    flat = (eye.person.keypoints - pinhole.center) / pinhole.focal
    ways = torch.cat([flat, torch.ones(len(flat), 1)], dim=1).double() @ eye.rotation.double()
    return torch.nn.functional.normalize(ways, dim=1)


def _sure(eye: Eye) -> Float[Tensor, "33"]:
    height, width = eye.person.alpha.shape
    points = eye.person.keypoints
    inside = (points > 0).all(1) & (points < torch.tensor([width, height])).all(1)
    return (eye.person.confidence * inside).clamp(0, 1).double().square()


def _stature(points: Float[Tensor, "33 3"], weight: Float[Tensor, "33"]) -> float:
    """Roughly how tall the person is: the points' spread."""
    mean = (weight[:, None] * points).sum(0) / weight.sum().clamp(min=1e-9)
    spread = (weight * (points - mean).square().sum(1)).sum() / weight.sum().clamp(min=1e-9)
    return max(3.0 * float(spread.sqrt()), 1e-9)


def scale_between(
    places: Float[Tensor, "points 3"],
    points: Float[Tensor, "points 3"],
    weight: Float[Tensor, " points"],
    limbs: Int[Tensor, "limbs 2"],
) -> float:
    """How much longer limbs are between `places` than between `points`: it asks for no common axes or pose."""
    lengths = [(each[limbs[:, 0]] - each[limbs[:, 1]]).norm(dim=1).double() for each in (places, points)]
    share = weight[limbs].amin(1).double()
    return float((share * lengths[0] * lengths[1]).sum() / (share * lengths[1].square()).sum().clamp(min=1e-12))


def scale_onto(
    places: Float[Tensor, "points 3"], points: Float[Tensor, "points 3"], weight: Float[Tensor, " points"]
) -> float:
    """By what `points` must be enlarged to lie on `places`, which have the same axes: least squares."""
    share = (weight / weight.sum().clamp(min=1e-9)).double()[:, None]
    a, b = (each.double() - (share * each).sum(0) for each in (places, points))
    return float((share * a * b).sum() / (share * b * b).sum().clamp(min=1e-12))


def body_points(met: Met, landmarks: Landmarks) -> Met:
    """Those that have a place on the body, in its order."""
    return Met(met.points[landmarks.body_index], met.weight[landmarks.body_index])
