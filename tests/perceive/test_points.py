"""Several looks at one person."""

from dataclasses import replace

import numpy as np
import pytest

from vivant.engines.jobs import Region, VisionEngine
from vivant.perceive.framing import frame_box
from vivant.perceive.points import (
    BodyPoints,
    look_at_body,
    look_at_face,
    look_at_hands,
    look_mirrored,
    reframe,
)
from vivant.records import BODY_POINTS, MIRRORED_POINTS


@pytest.fixture(scope="module")
def region(engine: VisionEngine, sample: np.ndarray) -> Region:
    return engine.see_people(sample)[0].region


@pytest.fixture(scope="module")
def body(engine: VisionEngine, sample: np.ndarray, region: Region) -> BodyPoints:
    body = look_at_body(engine, sample, region)
    assert body is not None
    return body


def test_a_mirror_swaps_left_and_right_and_twice_is_nothing() -> None:
    assert BODY_POINTS[MIRRORED_POINTS[BODY_POINTS.index("left_knee")]] == "right_knee"
    assert BODY_POINTS[MIRRORED_POINTS[BODY_POINTS.index("mouth_right")]] == "mouth_left"
    assert MIRRORED_POINTS[BODY_POINTS.index("nose")] == BODY_POINTS.index("nose")
    assert [MIRRORED_POINTS[index] for index in MIRRORED_POINTS] == list(range(33))


def test_a_mirrored_look_agrees_with_a_plain_one(
    engine: VisionEngine, sample: np.ndarray, region: Region
) -> None:
    plain, mirrored = engine.see_pose(sample, region), look_mirrored(engine, sample, region)
    assert plain is not None and mirrored is not None
    size = region.side / 1.25
    assert np.median(np.linalg.norm(plain.points - mirrored.points, axis=1)) < 0.02 * size
    assert np.median(np.linalg.norm(plain.points_world - mirrored.points_world, axis=1)) < 0.08
    assert ((plain.mask > 0.5) == (mirrored.mask > 0.5)).mean() > 0.98


def test_the_looks_agree_where_the_body_is_seen(body: BodyPoints) -> None:
    assert body.visibility.min() > 0.5
    assert np.median(body.spread) < 0.01 * body.size
    assert 0.7 * 640 < body.size < 640


def test_nobody_gives_nothing(engine: VisionEngine) -> None:
    empty = np.full((200, 200, 3), 128, np.uint8)
    assert look_at_body(engine, empty, Region((100.0, 100.0), 200.0)) is None


def test_points_and_mask_go_along_into_another_crop(body: BodyPoints) -> None:
    old = frame_box((0.0, 0.0, 480.0, 640.0), (480, 640), 640)
    new = frame_box((100.0, 20.0, 400.0, 600.0), (480, 640), 290)
    moved = reframe(body, old, new)
    np.testing.assert_allclose(moved.points * 2 + [100, 20], body.points, atol=1e-3)
    np.testing.assert_allclose(moved.spread * 2, body.spread, atol=1e-4)
    assert moved.size == pytest.approx(body.size / 2)
    # The mask keeps its resolution and shows the new box.
    assert moved.mask.shape == (580, 300)
    np.testing.assert_allclose(moved.mask, body.mask[20:600, 100:400], atol=1e-4)


def test_a_crop_larger_than_what_was_looked_at_has_no_mask_there(body: BodyPoints) -> None:
    old = frame_box((60.0, 0.0, 420.0, 640.0), (480, 640), 640)
    inner = replace(body, mask=body.mask[:, 60:420])
    moved = reframe(inner, old, frame_box((0.0, 0.0, 480.0, 640.0), (480, 640), 640))
    assert moved.mask[:, :59].max() == 0 and moved.mask[:, 421:].max() == 0
    np.testing.assert_allclose(moved.mask[:, 61:419], body.mask[:, 61:419], atol=1e-4)


def test_the_face_lies_on_the_head(engine: VisionEngine, sample: np.ndarray, body: BodyPoints) -> None:
    face = look_at_face(engine, sample, body)
    assert face is not None
    assert np.linalg.norm(face[1, :2] - body.points[0]) < 0.03 * body.size
    left_eye, right_eye = face[263, 0], face[33, 0]
    assert left_eye > right_eye


def test_a_strangers_face_is_not_taken(engine: VisionEngine, sample: np.ndarray, body: BodyPoints) -> None:
    moved = body.points.copy()
    moved[:11] += np.array([0.09 * body.size, 0], np.float32)
    assert look_at_face(engine, sample, replace(body, points=moved)) is None


def test_each_hand_lies_at_its_own_wrist(engine: VisionEngine, sample: np.ndarray, body: BodyPoints) -> None:
    left, right = look_at_hands(engine, sample, body)
    for side, hand in (("left", left), ("right", right)):
        assert hand is not None
        wrist = body.points[BODY_POINTS.index(f"{side}_wrist")]
        assert np.linalg.norm(hand.points[0].numpy() - wrist) < 0.06 * body.size
        assert 0.4 < hand.confidence <= 1
        # From wrist to fingertip about a ninth of the body, and as many metres.
        assert 0.06 < float((hand.points[12] - hand.points[0]).norm()) / body.size < 0.16
        assert 0.1 < float((hand.points_world[12] - hand.points_world[0]).norm()) < 0.25


def test_a_hand_out_of_sight_is_not_invented(
    engine: VisionEngine, sample: np.ndarray, body: BodyPoints
) -> None:
    blind = replace(body, visibility=np.zeros(33, np.float32))
    assert look_at_hands(engine, sample, blind) == (None, None)
