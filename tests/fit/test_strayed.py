from dataclasses import replace

import pytest
import torch
from tests.fit.figures import FOCAL, Figure, make_anatomy, make_figure, make_state
from torch import Tensor

from vivant.core.cameras import project
from vivant.core.run import Context
from vivant.fit import FitConfig, fit_body
from vivant.fit.landmarks import anny_landmarks
from vivant.fit.quality import place_on_body
from vivant.records import BODY_POINTS, Body, Person

NOTE = "The left hand was found by the outline only: its fingers are guessed."
KNUCKLES = ("left_pinky", "left_index")


@pytest.fixture(scope="module")
def skier() -> Figure:
    """Both forearms are raised to the front and side, as with poles."""
    bends = {f"upperarm01__{side}": (0.0, 0.3, 0.3) for side in "LR"}
    bends |= {f"lowerarm01__{side}": (0.0, 1.0, 0.0) for side in "LR"}
    return make_figure(make_state(make_anatomy(), yaw=0.2, **bends), hands=False)


def with_stray_hand(figure: Figure, glove_px: float = 14.0) -> Person:
    """As a detector sees a thick glove that it cannot read: wrist and fingers half way back to the elbow."""
    person = figure.person
    at = {name: person.keypoints[BODY_POINTS.index(name)].clone() for name in BODY_POINTS}
    keypoints, alpha = person.keypoints.clone(), person.alpha.clone()
    for name in ("left_wrist", "left_pinky", "left_index", "left_thumb"):
        back = 0.6 * (at["left_elbow"] - at["left_wrist"])
        keypoints[BODY_POINTS.index(name)] = at["left_wrist"] + back
    middle = sum(at[name] for name in KNUCKLES) / len(KNUCKLES)
    y, x = torch.meshgrid(*(torch.arange(size) + 0.5 for size in alpha.shape), indexing="ij")
    alpha[(x - middle[0]).hypot(y - middle[1]) < glove_px] = 1.0
    return replace(person, keypoints=keypoints, alpha=alpha)


def fit(person: Person) -> Body:
    return fit_body(Context(), person, FitConfig(focal_px=FOCAL))


def knuckles_px(body: Body) -> Tensor:
    landmarks = anny_landmarks()
    pixels, _ = project(place_on_body(landmarks.body, body), body.camera)
    names = [BODY_POINTS[row] for row in landmarks.body_index]
    return torch.stack([pixels[names.index(name)] for name in KNUCKLES]).mean(0)


def true_knuckles_px(figure: Figure) -> Tensor:
    rows = [BODY_POINTS.index(name) for name in KNUCKLES]
    return figure.person.keypoints[rows].mean(0)


def test_a_gloved_hand_that_was_seen_on_the_sleeve_is_found_by_the_outline(skier: Figure) -> None:
    body = fit(with_stray_hand(skier))
    assert NOTE in body.notes
    assert float((knuckles_px(body) - true_knuckles_px(skier)).norm()) < 12


def test_hands_that_are_where_they_were_seen_stay(skier: Figure) -> None:
    assert not any("outline" in note for note in fit(skier.person).notes)


def test_cloth_beside_a_hand_does_not_draw_it(skier: Figure) -> None:
    person = skier.person
    x, y = (round(float(v)) for v in true_knuckles_px(skier))
    alpha = person.alpha.clone()
    alpha[y - 30 : y + 160, x - 40 : x + 60] = 1.0
    assert not any("outline" in note for note in fit(replace(person, alpha=alpha)).notes)
