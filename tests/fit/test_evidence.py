"""What a detector's points say of limbs in space."""

import math
from dataclasses import replace

import pytest
import torch
from tests.fit.figures import make_anatomy, make_figure, make_state

from vivant.fit.evidence import (
    DIRECTIONS_TRUST,
    STRAIGHT_DOUBT,
    Evidence,
    directions,
    gather_evidence,
    legs_look_alike,
)
from vivant.fit.landmarks import anny_landmarks
from vivant.fit.terms import Pinhole
from vivant.networks import LIMBS, LimbDirections, LimbsConfig, Pointing
from vivant.records import BODY_POINTS, Person


@pytest.fixture(scope="module")
def person() -> Person:
    return make_figure(make_state(make_anatomy(), upperarm01__L=(0.0, 0.4, 0.3)), hands=False).person


def evidence_of(person: Person) -> Evidence:
    camera = Pinhole(person.intrinsics.diagonal()[:2], person.intrinsics[:2, 2])
    return gather_evidence(person, anny_landmarks(), camera)


def test_learned_directions_are_told_in_our_axes_and_by_how_far_they_err(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = LimbDirections(LimbsConfig(photos=1))
    network.errors[:] = torch.linspace(0.1, 0.3, len(LIMBS))
    for habits in network.halves:
        habits.known[:] = 10.0
    monkeypatch.setattr("vivant.fit.evidence._limb_network", lambda: network)
    evidence = evidence_of(person)
    term = directions(evidence, 100, 2.5)
    for row, limb in enumerate(LIMBS):
        start, end = (person.keypoints_world[BODY_POINTS.index(name)] for name in limb)
        along = (end - start) / (end - start).norm() * torch.tensor([1.0, -1.0, -1.0])
        torch.testing.assert_close(term.targets[row], along, atol=1e-4, rtol=0)
        assert (int(term.start[row]), int(term.end[row])) == tuple(100 + evidence.row(name) for name in limb)
    # Nobody known is like this person, so all are doubted alike, and far more than `errors` say.
    doubts = term.sigma * DIRECTIONS_TRUST**0.5 / network.errors
    arms, legs = (
        doubts[LIMBS.index(("left_shoulder", "left_elbow"))],
        doubts[LIMBS.index(("left_hip", "left_knee"))],
    )
    assert float(arms) > 10 and float(legs) > 10
    assert float(doubts[LIMBS.index(("right_ear", "left_ear"))]) == pytest.approx(float(arms))


def test_limbs_of_hidden_points_are_hardly_believed(person: Person) -> None:
    confidence = person.confidence.clone()
    confidence[BODY_POINTS.index("left_ankle")] = 0.05
    term = directions(evidence_of(replace(person, confidence=confidence)), 0, 2.5)
    assert float(term.trust[LIMBS.index(("left_knee", "left_ankle"))]) < 0.06
    assert float(term.trust[LIMBS.index(("right_knee", "right_ankle"))]) > 0.5


def test_legs_that_look_straight_are_not_bent_by_what_is_learned(person: Person) -> None:
    evidence = evidence_of(person)
    straight, free = (directions(replace(evidence, straight_legs=told), 0, 2.5).sigma for told in (True, False))
    for row, limb in enumerate(LIMBS):
        of_leg = limb.end.partition("_")[2] in ("knee", "ankle")
        assert float(straight[row] / free[row]) == pytest.approx(STRAIGHT_DOUBT if of_leg else 1.0)


def pointing(swing: float = 0.0, bend: float = 0.0, *, both: bool = False, spread: float = 0.12) -> Pointing:
    """Legs whose left thigh swings forward and whose left knee bends, or both legs do."""
    found = torch.tensor([0.0, 1.0, 0.0]).repeat(len(LIMBS), 1)
    for row, limb in enumerate(LIMBS):
        if both or "left" in limb.end:
            angle = {"knee": swing, "ankle": swing - bend}.get(limb.end.partition("_")[2], 0.0)
            found[row] = torch.tensor([0.0, math.cos(angle), -math.sin(angle)])
    return Pointing(found[None], torch.full((1, len(LIMBS)), spread))


def test_who_stands_but_strides_as_far_as_is_learned_has_no_straight_legs(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for told, straight in ((pointing(), True), (pointing(swing=0.5), False)):
        monkeypatch.setattr("vivant.fit.evidence.point_limbs", lambda _, told=told: told)
        assert evidence_of(person).straight_legs is straight


@pytest.mark.parametrize(
    ("told", "alike"),
    [
        (pointing(), True),
        (pointing(swing=0.3), True),
        (pointing(swing=0.4), False),
        # Less sure, the same difference tells nothing.
        (pointing(swing=0.4, spread=0.2), True),
        (pointing(bend=0.3), True),
        (pointing(bend=0.4), False),
        (pointing(swing=0.5, bend=0.8, both=True), True),
    ],
)
def test_a_stride_or_one_bent_knee_is_not_standing_on_straight_legs(told: Pointing, alike: bool) -> None:
    assert legs_look_alike(told) is alike
