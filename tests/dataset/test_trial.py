"""The harness gives the truth the best scores, and spoilt truths worse ones."""

from dataclasses import replace

import pytest
import torch

from vivant.core.cameras import Cameras
from vivant.core.errors import NoPersonError
from vivant.core.run import Context
from vivant.dataset import PeopleConfig, trial
from vivant.dataset.contenders import Billboard, MeanColored
from vivant.dataset.trial import (
    measure_subject,
    perfect,
    subject_names,
    subjects,
    try_subject,
)
from vivant.evaluate import AS_PHOTOGRAPHED, Row
from vivant.mesh import Texture


@pytest.fixture(scope="module")
def small() -> pytest.MonkeyPatch:
    """Small pictures and one new pose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "PHOTO_SIZE", (72, 96))
        patch.setattr(trial, "VIEW_SIZE", 64)
        patch.setattr(trial, "NEW_POSES", 1)
        yield patch


@pytest.fixture
def subject(small: object, config: PeopleConfig) -> trial.Subject:
    return next(subjects(replace(config, split="validation"), 1))


def mean(rows: tuple[Row, ...], metric: str, *, aligned: bool = True, view: str | None = None) -> float:
    values = [
        row.value
        for row in rows
        if row.metric == metric and row.aligned == aligned and row.region != "crop" and view in (None, row.view)
    ]
    return sum(values) / len(values)


def test_the_truth_scores_at_the_ceiling_and_spoilt_truths_below(subject: trial.Subject) -> None:
    measured = measure_subject(Context(), subject, perfect(subject))
    rows, sights = measured.rows, measured.sights
    assert {row.view for row in rows} == {"", AS_PHOTOGRAPHED, "input", "front", "left", "right", "back"}
    assert len(sights) == 10
    assert mean(rows, "psnr", aligned=False, view=AS_PHOTOGRAPHED) > 55
    assert mean(rows, "psnr") > 55
    assert mean(rows, "psnr", aligned=False) > 55
    assert mean(rows, "iou") > 0.995
    assert mean(rows, "joints_mm") < 0.1
    assert mean(rows, "flip") < 0.005
    for spoilt in ({"mirrored": True}, {"shifted_m": 0.06}):
        worse = measure_subject(Context(), subject, perfect(subject, **spoilt)).rows
        assert mean(worse, "psnr") < 30
        assert mean(worse, "flip") > 0.01
        assert mean(worse, "iou") < 0.97


def test_a_board_is_right_from_the_front_only(subject: trial.Subject) -> None:
    seen = perfect(subject).draw(subject.pose, subject.photo_camera)
    straight = seen.color[0] / seen.alpha[0][..., None].clamp(min=1e-6)
    planes = [(plane * 255).round().clamp(0, 255).byte().numpy() for plane in (straight, seen.alpha[0])]
    board = Billboard(
        subject.figure.body, subject.pose, subject.photo_camera, torch.eye(3), Texture.build(*planes)
    )
    rows = measure_subject(Context(), subject, board).rows
    photo = tuple(row for row in rows if row.pose == "photo")
    assert mean(photo, "psnr", view="input") > mean(photo, "psnr", view="left") + 3
    assert mean(photo, "iou", view="input") > 0.8
    assert mean(photo, "iou", view="left") < 0.6


def test_the_photo_s_pixels_count_whatever_part_of_the_photo_was_worked_on(subject: trial.Subject) -> None:
    # Worked on: the photo without 8 columns and 6 rows, enlarged two times.
    photo_from_image = torch.tensor([[0.5, 0.0, 8.0], [0.0, 0.5, 6.0], [0.0, 0.0, 1.0]])
    whole = subject.photo_camera
    part = Cameras(whole.cam_from_world, photo_from_image.inverse() @ whole.intrinsics, 128, 180)
    color = torch.tensor([0.2, 0.5, 0.8])
    bodies = [
        MeanColored(subject.figure.body, subject.pose, camera, place, color)
        for camera, place in ((whole, torch.eye(3)), (part, photo_from_image))
    ]
    same, again = (measure_subject(Context(), subject, body).sights[0] for body in bodies)
    assert same.view == AS_PHOTOGRAPHED
    torch.testing.assert_close(same.ours, again.ours, atol=0.02, rtol=0)


def test_a_body_of_one_colour_is_drawn_in_it(subject: trial.Subject) -> None:
    color = torch.tensor([0.2, 0.5, 0.8])
    body = MeanColored(subject.figure.body, subject.pose, subject.photo_camera, torch.eye(3), color)
    drawn = body.draw(subject.pose, subject.photo_camera)
    inside = drawn.alpha[0] > 0.99
    assert int(inside.sum()) > 200
    torch.testing.assert_close(drawn.color[0][inside], color.expand(int(inside.sum()), 3))


def test_people_come_by_identity_first_and_in_turn_with_the_wardrobe(config: PeopleConfig, tmp_path) -> None:
    both = replace(config, split="validation", wardrobe_folder=tmp_path)
    assert subject_names(both, 4) == (
        "White_F_2_Casual",
        "wardrobe_1000000",
        "wardrobe_1000001",
        "wardrobe_1000002",
    )
    with pytest.raises(trial.BadInputError, match="5 people are asked for; these folders hold 1"):
        subject_names(replace(config, split="validation"), 5)


def test_who_gets_no_avatar_is_told_with_the_reason(subject: trial.Subject) -> None:
    def make(photo: bytes, name: str) -> object:
        raise NoPersonError("nobody there")

    outcome = try_subject(Context(), subject, make)
    assert outcome.failure == "nobody there"
    assert outcome.measured.rows == ()
