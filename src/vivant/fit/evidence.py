"""What a `Person` tells about body and pose, in the solver's units."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.engines.own_networks import load_limbs
from vivant.fit.landmarks import Landmarks
from vivant.fit.terms import Alignment, Directions, Pinhole, Reprojection
from vivant.networks import LIMBS, LimbDirections, Pointing
from vivant.records import BODY_POINTS, Person

STATURE = 1.7
"""Metres; one hundredth of it, in the picture, is the unit of image errors."""


DIRECTIONS_TRUST = 4.0
"""How much more limbs' directions count than by how far they err.

Fits of 32 people are 12 mm nearer to the truth so; even more is no better.
"""

STRAIGHT_DOUBT = 3.0
"""How much less sure directions of thighs and shins are where nothing in the picture says that knees are bent.

Seen from above at a short distance, straight legs look as if bent; and people in photos stand straighter than
in the motions that were learned from.
"""

UNEVEN = 3.0
"""By how many times the error of a direction thighs or knees differ where a leg is not straight.

Twice is too early: a man who rests on one leg came out in a crouching stride.
"""

OVER_ANKLES, OVER_TOES = 0.033, 0.055
"""Metres: how strictly who stands has the hips over ankles and toes: 4 cm before the ankles in all."""

OURS_FROM_OPENCV = torch.tensor([1.0, -1.0, -1.0])
"""Level camera at the origin: right stays, down becomes -y, forward becomes -z."""


@dataclass(frozen=True)
class Evidence:
    """The body points of one person."""

    camera: Pinhole
    sigma_px: float
    """One percent of a standing adult's height at this distance."""

    index: Int[Tensor, " seen"]
    """Which of the 33 body points are used; in the order of `Landmarks.body`."""

    points: Float[Tensor, "seen 2"]
    trust: Float[Tensor, " seen"]
    points_world: Float[Tensor, "33 3"]
    """Metres, the solver's axes."""

    limbs: Float[Tensor, "limbs 3"]
    """Where `LIMBS` point as far as is learned; unit, the solver's axes."""

    limbs_spread: Float[Tensor, " limbs"]
    """Radians by which they err."""

    confidence: Float[Tensor, "33"]
    stance: Literal["standing", "legs unseen", "unknown"]
    """Standing is upright on straight or slightly bent legs, as far as the picture tells."""

    level_feet: bool
    """Both feet are seen, about equally high in the picture: both bear weight."""

    straight_legs: bool
    """Nothing says that a knee is bent."""

    def row(self, name: str) -> int:
        """Where a body point stands among the landmarks."""
        return int((self.index == BODY_POINTS.index(name)).nonzero()[0, 0])


def gather_evidence(person: Person, landmarks: Landmarks, camera: Pinhole) -> Evidence:
    """Judge the detector's points: how far each can be trusted, and what they say about the stance."""
    index = landmarks.body_index
    points_world = person.keypoints_world * OURS_FROM_OPENCV
    sigma_px = _stature_px(person, points_world) / 100
    height, width = person.alpha.shape
    inside = (person.keypoints > 0).all(1) & (person.keypoints < torch.tensor([width, height])).all(1)
    steady = 1 / (1 + (person.spread_px / (1.5 * sigma_px)).square())
    confidence = person.confidence * inside
    trust = confidence.clamp(0, 1).pow(1.5) * steady
    # The hands' own detector is better at hands; these three points only tell roughly where they are.
    rough = torch.tensor(
        [name.endswith(("pinky", "index", "thumb")) and "foot" not in name for name in BODY_POINTS]
    )
    trust = torch.where(rough, 0.15 * trust, trust)
    pointing = point_limbs(person)
    return Evidence(
        camera=camera,
        sigma_px=sigma_px,
        index=index,
        points=person.keypoints[index],
        trust=trust[index],
        points_world=points_world,
        limbs=pointing.directions[0] * OURS_FROM_OPENCV,
        limbs_spread=pointing.spread[0],
        confidence=confidence,
        stance=(stance := _stance(person.keypoints / (100 * sigma_px), confidence)),
        level_feet=_feet_are_level(person.keypoints / (100 * sigma_px), confidence),
        straight_legs=stance == "legs unseen"
        or (
            stance == "standing"
            and legs_look_straight(person.keypoints, points_world)
            and legs_look_alike(pointing)
        ),
    )


def _stature_px(person: Person, points_world: Float[Tensor, "33 3"]) -> float:
    """Pixels that an adult's height takes, from all pairs of points and their guessed places in space."""
    used = (person.confidence > 0.3).nonzero()[:, 0]
    if len(used) < 4:
        used = torch.arange(33)
    flat, seen = points_world[used, :2], person.keypoints[used]
    spread = (flat - flat.mean(0)).square().sum().sqrt().clamp(min=1e-3)
    spread_px = (seen - seen.mean(0)).square().sum().sqrt()
    return float(STATURE * spread_px / spread)


def _stance(
    points: Float[Tensor, "33 2"], confidence: Float[Tensor, "33"]
) -> Literal["standing", "legs unseen", "unknown"]:
    """Standing: both legs seen, hips over knees over ankles, ankles at one height.

    Args:
        points: In statures.
        confidence: Of all points.
    """
    parts = {part: _both(part) for part in ("hip", "knee", "ankle")}
    if float(confidence[parts["knee"] + parts["ankle"]].max()) < 0.4:
        return "legs unseen"
    if float(confidence[parts["knee"] + parts["ankle"]].min()) < 0.4:
        return "unknown"
    y = {part: points[rows, 1] for part, rows in parts.items()}
    drops = bool((y["ankle"] - y["knee"]).min() > 0.12) and bool((y["knee"] - y["hip"].mean()).min() > 0.12)
    level = abs(float(y["ankle"][0] - y["ankle"][1])) < 0.08
    return "standing" if drops and level else "unknown"


def _feet_are_level(points: Float[Tensor, "33 2"], confidence: Float[Tensor, "33"]) -> bool:
    ankles = _both("ankle")
    return (
        float(confidence[ankles].min()) > 0.5 and abs(float(points[ankles[0], 1] - points[ankles[1], 1])) < 0.1
    )


def legs_look_straight(points: Float[Tensor, "33 2"], points_world: Float[Tensor, "33 3"]) -> bool:
    """In the picture no knee turns by more than 15 degrees; in space, which is a guess, none by more than 35.

    Nor does one thigh swing forward against the other, as in a stride.
    """
    straight = bool((_knee_cosines(points) > 0.966).all()) and bool((_knee_cosines(points_world) > 0.82).all())
    hip, knee = (points_world[_both(part)] for part in ("hip", "knee"))
    pitch = _pitches(knee - hip)
    return straight and abs(float(pitch[0] - pitch[1])) < 0.4


def legs_look_alike(pointing: Pointing) -> bool:
    """As far as is learned neither thigh swings before the other nor is one knee bent more than the other.

    The detector itself sees strides straight at the camera as standing; strides to the side it sees itself.
    Both legs bent alike are its habit with photos from above, which is why only differences count.
    """
    ends = [limb.end for limb in LIMBS]
    thighs, shins = ([ends.index(f"{side}_{part}") for side in ("left", "right")] for part in ("knee", "ankle"))
    ours = pointing.directions[0] * OURS_FROM_OPENCV
    swing = _pitches(ours[thighs])
    bend = torch.acos((ours[thighs] * ours[shins]).sum(1).clamp(-1, 1))
    spread = float(pointing.spread[0, thighs].mean())
    return max(abs(float(swing[0] - swing[1])), abs(float(bend[0] - bend[1]))) < UNEVEN * spread


def _pitches(limbs: Float[Tensor, "limbs 3"]) -> Float[Tensor, " limbs"]:
    """Radians forward from hanging, in the solver's axes."""
    return torch.atan2(limbs[:, 2], -limbs[:, 1])


def _knee_cosines(points: Float[Tensor, "33 axes"]) -> Float[Tensor, "2"]:
    hip, knee, ankle = (points[_both(part)] for part in ("hip", "knee", "ankle"))
    thigh, shin = knee - hip, ankle - knee
    return (thigh * shin).sum(1) / (thigh.norm(dim=1) * shin.norm(dim=1)).clamp(min=1e-6)


def _both(part: str) -> list[int]:
    return [BODY_POINTS.index(f"{side}_{part}") for side in ("left", "right")]


def reprojection(evidence: Evidence, first: int, scale: float) -> Reprojection:
    """The body's landmarks, numbered from `first`, lie where they were seen."""
    seen = (evidence.trust > 0.01).nonzero()[:, 0]
    return Reprojection(
        evidence.camera, seen + first, evidence.points[seen], evidence.sigma_px, evidence.trust[seen], scale
    )


def directions(evidence: Evidence, first: int, scale: float) -> Directions:
    """Limbs point where the detector's guess in space says, its habits taken off."""
    pairs = torch.tensor([[BODY_POINTS.index(limb.start), BODY_POINTS.index(limb.end)] for limb in LIMBS])
    rows = torch.tensor([[evidence.row(limb.start), evidence.row(limb.end)] for limb in LIMBS]) + first
    trust = evidence.confidence[pairs].amin(1)
    spread = evidence.limbs_spread / DIRECTIONS_TRUST**0.5
    if evidence.straight_legs:
        of_legs = torch.tensor([limb.end.endswith(("_knee", "_ankle")) for limb in LIMBS])
        spread = torch.where(of_legs, STRAIGHT_DOUBT * spread, spread)
    return Directions(rows[:, 0], rows[:, 1], evidence.limbs, spread, trust, scale)


@lru_cache(maxsize=1)
def _limb_network() -> LimbDirections:
    return load_limbs()[0]


def point_limbs(person: Person) -> Pointing:
    """Where `LIMBS` of one person point, and how surely."""
    return _limb_network()(person.keypoints[None], person.keypoints_world[None])


def trunk_rotation(points_world: Float[Tensor, "33 3"]) -> Float[Tensor, "3 3"]:
    """Columns: where the trunk's left, up and front point."""
    at = {name: points_world[BODY_POINTS.index(name)] for name in BODY_POINTS}
    up = at["left_shoulder"] + at["right_shoulder"] - at["left_hip"] - at["right_hip"]
    left = at["left_shoulder"] - at["right_shoulder"] + 0.7 * (at["left_hip"] - at["right_hip"])
    up = up / up.norm().clamp(min=1e-6)
    left = left - (left @ up) * up
    left = left / left.norm().clamp(min=1e-6)
    return torch.stack([left, up, torch.linalg.cross(left, up)], dim=1)


def balance(evidence: Evidence, first: int) -> tuple[Alignment, ...]:
    """Who stands has the trunk over the feet and the soles on the floor; so has who shows no legs."""
    terms = []
    if evidence.stance != "unknown":
        over = [_rows(evidence, part) for part in ("hip", "hip", "shoulder", "shoulder")]
        under = [_rows(evidence, part) for part in ("ankle", "foot_index", "ankle", "foot_index")]
        sigma = torch.tensor([OVER_ANKLES, OVER_TOES, 1.25 * OVER_ANKLES, 1.25 * OVER_TOES])
        terms.append(Alignment(torch.tensor(over) + first, torch.tensor(under) + first, "front", sigma))
        toes = torch.tensor(_rows(evidence, "foot_index"))[:, None] + first
        heels = torch.tensor(_rows(evidence, "heel"))[:, None] + first
        terms.append(Alignment(toes, heels, "up", torch.tensor([0.03, 0.03])))
    if evidence.stance == "legs unseen" or evidence.level_feet:
        left, right = (
            torch.tensor([[evidence.row(f"{side}_heel"), evidence.row(f"{side}_foot_index")]]) + first
            for side in ("left", "right")
        )
        terms.append(Alignment(left, right, "up", torch.tensor([0.04])))
    return tuple(terms)


def _rows(evidence: Evidence, part: str) -> list[int]:
    return [evidence.row(f"{side}_{part}") for side in ("left", "right")]
