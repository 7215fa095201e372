"""Where limbs point in space, from what a detector of body points says of a photo.

A detector's guess of depth errs by habit. The habits are learned by kernel ridge regression from photos of
people whose pose is known. Far from everything it has seen it adds only the mean habit.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vivant.records import BODY_POINTS, MIRRORED_POINTS


class Limb(NamedTuple):
    """Two body points whose direction from one to the other is asked for."""

    start: str
    end: str


def _both(*pairs: tuple[str, str]) -> tuple[Limb, ...]:
    return tuple(Limb(f"{side}_{start}", f"{side}_{end}") for start, end in pairs for side in ("left", "right"))


def _across(*parts: str) -> tuple[Limb, ...]:
    return tuple(Limb(f"right_{part}", f"left_{part}") for part in parts)


ARMS = _both(("shoulder", "elbow"), ("elbow", "wrist"))
LEGS = _both(("hip", "knee"), ("knee", "ankle"), ("ankle", "foot_index"))
TRUNK = _both(("hip", "shoulder"))
ACROSS = _across("shoulder", "hip", "ear")
LIMBS = (*ARMS, *LEGS, *TRUNK, *ACROSS)
"""In the order of all answers."""


class Half(NamedTuple):
    """A half of the body: what is asked, and what is looked at. A photo that hides one half tells the other."""

    asked: tuple[Limb, ...]
    shown: tuple[Limb, ...]


HALVES = (
    Half(
        (*ARMS, *TRUNK, *ACROSS),
        (*ARMS, *_both(("wrist", "index")), *TRUNK, *ACROSS,
         Limb("left_shoulder", "nose"), Limb("right_shoulder", "nose")),
    ),
    Half(LEGS, (*LEGS, *_both(("heel", "foot_index")), *TRUNK, *_across("shoulder", "hip", "ankle"))),
)  # fmt: skip
"""Upper and lower."""

UNLIKE = 0.1
"""How unlike the most alike known photo is where errors have grown by 1.4.

On rendered people twice that would be as good. On films of a real person in a pose like none of theirs it puts
limbs wrong that rules had right.
"""

FARTHEST = 4.0
"""Standard deviations beyond which nothing counts as more unusual."""


@dataclass(frozen=True)
class LimbsConfig:
    """Sizes."""

    photos: int = 1500
    """How many photos were learned from."""

    width: float = 0.3
    """Of the kernel: its exponent at features that differ by a standard deviation each."""


class Habits(nn.Module):
    """What is added to the detector's directions of one half of the body."""

    middle: Tensor
    spread: Tensor
    known: Tensor
    amounts: Tensor
    mean: Tensor

    def __init__(self, config: LimbsConfig, half: Half) -> None:
        """Make it; numbers come from a file or from `tools/fit_limbs.py`."""
        super().__init__()
        features, asked = 5 * len(half.shown), 3 * len(half.asked)
        self.width = config.width
        self.register_buffer("middle", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.register_buffer("known", torch.zeros(config.photos, features))
        self.register_buffer("amounts", torch.zeros(config.photos, asked))
        self.register_buffer("mean", torch.zeros(asked))

    def forward(
        self, features: Float[Tensor, "photos features"]
    ) -> tuple[Float[Tensor, "photos asked"], Float[Tensor, " photos"]]:
        """Weigh what is known of photos that look alike (no mean), and say how unlike the nearest is."""
        unlike = unlikeness((features - self.middle) / self.spread, self.known)
        return closeness(unlike, self.width) @ self.amounts, unlike.amin(1)


class Pointing(NamedTuple):
    """Where limbs point, in the detector's axes: x right, y down, z away from the camera."""

    directions: Float[Tensor, "photos limbs 3"]
    """Unit."""

    spread: Float[Tensor, "photos limbs"]
    """Radians by which they err, as far as one can know: more for whoever looks like nobody known."""


class LimbDirections(nn.Module):
    """Directions of limbs, as a detector has them and without its habits."""

    errors: Tensor

    def __init__(self, config: LimbsConfig) -> None:
        """Make it; numbers come from a file or from `tools/fit_limbs.py`."""
        super().__init__()
        self.config = config
        self.upper, self.lower = (Habits(config, half) for half in HALVES)
        self.register_buffer("errors", torch.full((len(LIMBS),), 0.2))

    @property
    def halves(self) -> tuple[Habits, Habits]:
        """In the order of `HALVES`."""
        return self.upper, self.lower

    def forward(
        self, points: Float[Tensor, "photos 33 2"], points_world: Float[Tensor, "photos 33 3"]
    ) -> Pointing:
        """Say where limbs point.

        Args:
            points: The detector's body points in pixels.
            points_world: Its guess of the same points in space; only directions and proportions count.
        """
        directions, spread = detected(points_world, LIMBS), self.errors.repeat(len(points), 1)
        mirrored = in_mirror(points, points_world)
        for half, habits in zip(HALVES, self.halves, strict=True):
            # Whoever is seen in a mirror has the mirrored habits, so only half of what is known is kept.
            here, unlike_here = habits(limb_features(points, points_world, half))
            there, unlike_there = habits(limb_features(*mirrored, half))
            added = habits.mean + here + mirrored_answers(there, half)
            rows = [LIMBS.index(limb) for limb in half.asked]
            directions[:, rows] += added.unflatten(1, (-1, 3))
            spread[:, rows] *= doubt(torch.minimum(unlike_here, unlike_there))[:, None]
        return Pointing(torch.nn.functional.normalize(directions, dim=-1), spread)


def doubt(unlike: Float[Tensor, " photos"]) -> Float[Tensor, " photos"]:
    """How much more those err whom no known photo is like."""
    return (1 + (unlike / UNLIKE).square()).sqrt()


def limb_features(
    points: Float[Tensor, "photos 33 2"], points_world: Float[Tensor, "photos 33 3"], half: Half
) -> Float[Tensor, "photos features"]:
    """What one half of the body shows: directions in space, and how long limbs look in the picture."""
    rows = torch.tensor(sorted({BODY_POINTS.index(name) for limb in half.shown for name in limb}))
    in_picture, in_space = _spread(points[:, rows]), _spread(points_world[:, rows, :2])
    # As long as in space if nothing were foreshortened; the detector knows only roughly what is.
    seen = along(points, half.shown) * (in_space / in_picture.clamp(min=1e-6))[:, None, None]
    return torch.cat([detected(points_world, half.shown).flatten(1), seen.flatten(1)], dim=1)


def _spread(points: Float[Tensor, "photos points 2"]) -> Float[Tensor, " photos"]:
    return (points - points.mean(1, keepdim=True)).square().sum((1, 2)).sqrt()


def along(
    points: Float[Tensor, "photos 33 axes"], limbs: tuple[Limb, ...]
) -> Float[Tensor, "photos limbs axes"]:
    """From the start of each limb to its end."""
    start, end = (torch.tensor([BODY_POINTS.index(getattr(limb, at)) for limb in limbs]) for at in Limb._fields)
    return points[:, end] - points[:, start]


def detected(
    points_world: Float[Tensor, "photos 33 3"], limbs: tuple[Limb, ...]
) -> Float[Tensor, "photos limbs 3"]:
    """Where limbs point as the detector has it."""
    return torch.nn.functional.normalize(along(points_world, limbs), dim=-1, eps=1e-6)


def in_mirror(
    points: Float[Tensor, "photos 33 2"], points_world: Float[Tensor, "photos 33 3"]
) -> tuple[Float[Tensor, "photos 33 2"], Float[Tensor, "photos 33 3"]]:
    """What the detector would say of the mirrored photo; where the picture begins does not matter."""
    order = list(MIRRORED_POINTS)
    return points[:, order] * points.new_tensor([-1, 1]), points_world[:, order] * points.new_tensor([-1, 1, 1])


def mirrored_answers(answers: Float[Tensor, "photos asked"], half: Half) -> Float[Tensor, "photos asked"]:
    """Directions, or changes of them, of one half of the body as in a mirror."""
    turned = answers.unflatten(1, (-1, 3))[:, mirrored_limbs(half.asked)]
    # What goes from right to left goes from left to right in a mirror, and is told from right to left again.
    across = torch.tensor([limb in ACROSS for limb in half.asked])
    sign = torch.where(across[:, None], turned.new_tensor([1, -1, -1]), turned.new_tensor([-1, 1, 1]))
    return (turned * sign).flatten(1)


def mirrored_limbs(limbs: tuple[Limb, ...]) -> Int[Tensor, " limbs"]:
    """Which limb takes each limb's place in a mirror."""
    names = [tuple(sorted(_other(name) for name in limb)) for limb in limbs]
    return torch.tensor([names.index(tuple(sorted(limb))) for limb in limbs])


def _other(name: str) -> str:
    return BODY_POINTS[MIRRORED_POINTS[BODY_POINTS.index(name)]]


def unlikeness(
    asked: Float[Tensor, "asked features"], known: Float[Tensor, "known features"]
) -> Float[Tensor, "asked known"]:
    """Mean square of how far features differ, in standard deviations."""
    return torch.cdist(asked.clamp(-FARTHEST, FARTHEST), known).square() / known.shape[1]


def closeness(unlike: Float[Tensor, "asked known"], width: float) -> Float[Tensor, "asked known"]:
    """The kernel: 1 for the same features, less the more they differ."""
    return torch.exp(-width * unlike)
