"""Fingers and wrists, with the rest of the body held still."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.fit.evidence import OURS_FROM_OPENCV
from vivant.fit.reduced import Points, State
from vivant.fit.solve import Anatomy, Prior, Problem, Solution, activate, minimise
from vivant.fit.terms import Directions, Pinhole, Reprojection
from vivant.records import Hand

BONES = (
    (0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (7, 8), (0, 9), (9, 10), (10, 11), (11, 12),
    (0, 13), (13, 14), (14, 15), (15, 16), (0, 17), (17, 18), (18, 19), (19, 20), (5, 17),
)  # fmt: skip
"""Pairs of hand points whose direction in space is compared; the last runs across the palm."""

PALM = (0, 5, 9, 13, 17)
"""Points that do not move with the fingers."""

TWISTS = (0.0, 0.8, -0.8)
"""Radians of forearm twist to start from: a palm seen the wrong way round is a trap."""

BONE_SIGMA = 0.35
"""Radians by which the detector's guess of a bone's direction in space errs."""

SURE = 0.4
"""Hands seen with less confidence are not followed."""


def hand_size_px(hand: Hand) -> float:
    """Diagonal of the box round the hand's points."""
    return float((hand.points.amax(0) - hand.points.amin(0)).norm().clamp(min=1.0))


def palm_term(hand: Hand, camera: Pinhole, first: int, sigma_px: float) -> Reprojection:
    """The palm's points lie where the hand's own detector saw them.

    Args:
        hand: What was seen.
        camera: In the solver's world.
        first: Number of the hand's first point among the problem's points.
        sigma_px: One percent of a stature.
    """
    palm = torch.tensor(PALM)
    trust = torch.full((len(PALM),), 0.5 * hand.confidence)
    return Reprojection(camera, palm + first, hand.points[palm], 0.8 * sigma_px, trust, 4.0)


def fit_hand(
    anatomy: Anatomy,
    prior: Prior,
    camera: Pinhole,
    points: Points,
    hand: Hand,
    side: str,
    state: State,
    steps: int,
) -> State:
    """Bend fingers, wrist and the forearm's twist until the hand looks like what was seen."""
    freedoms = anatomy.freedoms
    moving = [
        row
        for row, name in enumerate(freedoms.names)
        if name.endswith(side) and name.startswith(("finger", "wrist", "lowerarm02"))
    ]
    active = activate(anatomy, root=False, joints=moving)
    size = hand_size_px(hand)
    edges = torch.tensor(BONES)
    along = (hand.points_world[edges[:, 1]] - hand.points_world[edges[:, 0]]) * OURS_FROM_OPENCV
    along = along / along.norm(dim=1, keepdim=True).clamp(min=1e-6)
    sure = float(min(1.0, max(0.3, hand.confidence)))
    trust, sigma = torch.full((len(BONES),), sure), torch.full((len(BONES),), BONE_SIGMA)
    terms = (
        Reprojection(camera, torch.arange(21), hand.points, 0.05 * size, torch.full((21,), sure), 4.0),
        Directions(edges[:, 0], edges[:, 1], along, sigma, trust, 4.0),
    )
    problem = Problem(anatomy, points, terms, prior, active)
    twist = freedoms.index(f"lowerarm02.{side}")
    found = [minimise(problem, _twisted(state, twist, turn), steps) for turn in TWISTS]
    return _best(found).state


def _twisted(state: State, row: int, turn: float) -> State:
    bends = state.bends.clone()
    bends[row, 0] = bends[row, 0] + turn
    return replace(state, bends=bends)


def _best(found: list[Solution]) -> Solution:
    return min(found, key=lambda solution: solution.cost)


def hand_error_px(hand: Hand, pixels: Float[Tensor, "21 2"]) -> float:
    """Mean distance of the fitted hand's points from those seen."""
    return float((pixels - hand.points).norm(dim=1).mean())
