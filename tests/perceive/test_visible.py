"""What is shown, how sure it is, and what is told about the rest."""

import numpy as np
import torch

from vivant.perceive.points import BodyPoints
from vivant.perceive.visible import bones_mask, confidence, tell_hidden, visible_parts
from vivant.records import BODY_POINTS, Hand

SHAPE = (200, 100)


def standing(**changes: tuple[float, float, float, float]) -> BodyPoints:
    """A body whose points all lie at the middle, seen and steady, but for changes: x, y, visibility, spread."""
    points, rest = np.full((33, 2), 50, np.float32), np.tile(np.float32([0.95, 0.5]), (33, 1))
    for name, (x, y, visibility, spread) in changes.items():
        for index, point in enumerate(BODY_POINTS):
            if point.endswith(name):
                points[index], rest[index] = (x, y), (visibility, spread)
    return BodyPoints(
        points=points,
        points_world=np.zeros((33, 3), np.float32),
        visibility=rest[:, 0],
        spread=rest[:, 1],
        size=180.0,
        mask=np.zeros(SHAPE, np.float32),
    )


def sure_of(body: BodyPoints, name: str) -> float:
    return float(confidence(body, SHAPE)[BODY_POINTS.index(name)])


def test_a_point_that_is_seen_and_steady_is_sure() -> None:
    assert sure_of(standing(), "nose") > 0.9


def test_a_point_outside_the_picture_is_worth_nothing() -> None:
    body = standing(left_ankle=(50, 201, 1.0, 0.1), right_ankle=(-1, 20, 1.0, 0.1))
    assert sure_of(body, "left_ankle") == 0 and sure_of(body, "right_ankle") == 0


def test_looks_that_disagree_lower_the_confidence() -> None:
    body = standing(left_wrist=(50, 50, 1.0, 0.03 * 180), right_wrist=(50, 50, 1.0, 0.1 * 180))
    assert abs(sure_of(body, "left_wrist") - np.exp(-1)) < 1e-4
    assert sure_of(body, "right_wrist") < 1e-4


def test_a_whole_body_is_shown_and_nothing_is_told() -> None:
    parts = visible_parts(confidence(standing(), SHAPE), has_face=True)
    assert set(parts) == {
        "head", "torso", "left_arm", "right_arm", "left_hand", "right_hand",
        "left_leg", "right_leg", "left_foot", "right_foot",
    }  # fmt: skip
    hand = Hand(torch.zeros(21, 2), torch.zeros(21, 3), 0.9)
    assert tell_hidden(parts, True, hand, hand) == ()


def test_a_half_body_is_told() -> None:
    below = (50.0, 400.0, 0.9, 0.5)
    body = standing(knee=below, ankle=below, heel=below, foot_index=below)
    parts = visible_parts(confidence(body, SHAPE), has_face=True)
    assert "torso" in parts and not {"left_leg", "right_leg", "left_foot", "right_foot"} & set(parts)
    hand = Hand(torch.zeros(21, 2), torch.zeros(21, 3), 0.9)
    assert tell_hidden(parts, True, hand, hand) == (
        "The legs are hidden or not in the picture: guessed.",
        "The feet are hidden or not in the picture: guessed.",
    )


def test_a_hidden_arm_hand_and_face_are_told() -> None:
    hidden = (50.0, 50.0, 0.1, 0.5)
    body = standing(left_elbow=hidden, left_wrist=hidden)
    parts = visible_parts(confidence(body, SHAPE), has_face=False)
    notes = tell_hidden(parts, False, None, Hand(torch.zeros(21, 2), torch.zeros(21, 3), 0.9))
    assert [note.split(" (")[0] for note in notes] == [
        "The face could not be read",
        "The left arm is hidden or not in the picture: guessed.",
        "The left hand could not be read",
    ]


def test_bones_are_drawn_where_they_are_sure() -> None:
    body = standing(left_elbow=(20, 100, 0.95, 0.1), left_wrist=(20, 180, 0.95, 0.1),
                    right_elbow=(80, 100, 0.95, 0.1), right_wrist=(80, 180, 0.2, 0.1))  # fmt: skip
    mask = bones_mask(body, confidence(body, SHAPE), [], SHAPE, 1.0)
    assert mask[101:179, 20].all() and not mask[101:179, 80].any()
    assert mask[140].sum() <= 4
    half = bones_mask(body, confidence(body, SHAPE), [], (100, 50), 0.5)
    assert half[52:89, 10].all() and half[70].sum() <= 3


def test_fingers_are_drawn_for_a_hand_that_is_sure() -> None:
    body = standing()
    points = torch.zeros(21, 2) + torch.tensor([60.0, 60.0])
    points[1:, 1] += torch.arange(20) * 2
    blind = np.zeros(33, np.float32)
    sure = Hand(points, torch.zeros(21, 3), 0.9)
    unsure = Hand(points, torch.zeros(21, 3), 0.4)
    assert bones_mask(body, blind, [sure], SHAPE, 1.0)[62:90, 60].all()
    assert not bones_mask(body, blind, [unsure], SHAPE, 1.0).any()
