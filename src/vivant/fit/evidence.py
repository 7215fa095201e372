"""What a `Person` tells about body and pose, in the solver's units."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.fit.landmarks import Landmarks
from vivant.fit.terms import Alignment, Directions, Pinhole, Reprojection
from vivant.records import BODY_POINTS, Person

STATURE = 1.7
"""Metres; one hundredth of it, in the picture, is the unit of image errors."""

LIMBS = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"), ("left_ankle", "left_foot_index"),
    ("right_ankle", "right_foot_index"), ("right_shoulder", "left_shoulder"), ("right_hip", "left_hip"),
    ("right_ear", "left_ear"), ("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"),
)  # fmt: skip
"""Whose directions in space the detector's guess is trusted with."""

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

    confidence: Float[Tensor, "33"]
    standing: bool
    """Upright on straight or slightly bent legs, as far as the picture tells."""

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
    return Evidence(
        camera=camera,
        sigma_px=sigma_px,
        index=index,
        points=person.keypoints[index],
        trust=trust[index],
        points_world=points_world,
        confidence=confidence,
        standing=_stands(person.keypoints / (100 * sigma_px), confidence),
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


def _stands(points: Float[Tensor, "33 2"], confidence: Float[Tensor, "33"]) -> bool:
    """Both legs seen, hips over knees over ankles, ankles at one height.

    Args:
        points: In statures.
        confidence: Of all points.
    """
    at = {name: BODY_POINTS.index(name) for name in BODY_POINTS}
    legs = [at[f"{side}_{part}"] for side in ("left", "right") for part in ("knee", "ankle")]
    if float(confidence[legs].min()) < 0.4:
        return False
    y = {part: points[[at[f"left_{part}"], at[f"right_{part}"]], 1] for part in ("hip", "knee", "ankle")}
    drops = bool((y["ankle"] - y["knee"]).min() > 0.12) and bool((y["knee"] - y["hip"].mean()).min() > 0.12)
    return drops and abs(float(y["ankle"][0] - y["ankle"][1])) < 0.08


def reprojection(evidence: Evidence, first: int, scale: float) -> Reprojection:
    """The body's landmarks, numbered from `first`, lie where they were seen."""
    seen = (evidence.trust > 0.01).nonzero()[:, 0]
    return Reprojection(
        evidence.camera, seen + first, evidence.points[seen], evidence.sigma_px, evidence.trust[seen], scale
    )


def directions(evidence: Evidence, first: int, sigma: float) -> Directions:
    """Limbs point where the detector's guess in space says."""
    pairs = torch.tensor([[BODY_POINTS.index(a), BODY_POINTS.index(b)] for a, b in LIMBS])
    along = evidence.points_world[pairs[:, 1]] - evidence.points_world[pairs[:, 0]]
    trust = evidence.confidence[pairs].amin(1)
    rows = torch.tensor([[evidence.row(a), evidence.row(b)] for a, b in LIMBS]) + first
    targets = along / along.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return Directions(rows[:, 0], rows[:, 1], targets, sigma, trust, 4.0)


def balance(evidence: Evidence, first: int) -> tuple[Alignment, ...]:
    """Who stands has the trunk over the feet, and the soles on the floor."""
    if not evidence.standing:
        return ()
    over, under, sigma = [], [], []
    for side in ("left", "right"):
        for part, size in (("hip", 0.05), ("shoulder", 0.06)):
            for foot in ("ankle", "foot_index"):
                over.append(evidence.row(f"{side}_{part}"))
                under.append(evidence.row(f"{side}_{foot}"))
                sigma.append(size)
    upright = Alignment(torch.tensor(over) + first, torch.tensor(under) + first, "front", torch.tensor(sigma))
    toes = torch.tensor([evidence.row("left_foot_index"), evidence.row("right_foot_index")]) + first
    heels = torch.tensor([evidence.row("left_heel"), evidence.row("right_heel")]) + first
    soles = Alignment(toes, heels, "up", torch.tensor([0.03, 0.03]))
    return upright, soles
