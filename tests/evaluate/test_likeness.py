import math
from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.core.errors import BadInputError
from vivant.evaluate import compare_with_photo, judge
from vivant.records import Rendering, Score


def rendering_of(color: torch.Tensor, alpha: torch.Tensor) -> Rendering:
    return Rendering((color * alpha[..., None])[None], alpha[None], 0 * alpha[None], 0 * color[None])


def test_an_avatar_that_shows_the_photo_again_is_good_in_everything() -> None:
    person = fakes.person()
    scores = compare_with_photo(fakes.avatar(), person, rendering_of(person.foreground, person.alpha))
    values = {score.name: score.value for score in (*scores.per_view, *scores.summary)}
    assert values["PSNR in the photo's view"] == 99.0
    assert values["SSIM in the photo's view"] == pytest.approx(1.0, abs=1e-5)
    assert values["silhouette overlap"] == 1.0
    assert values["seen"] == pytest.approx(100 * float((fakes.avatar().trust > 0.5).float().mean()), abs=1e-3)
    assert values["splats"] == len(fakes.avatar().splats)
    assert "The front looks like the photo." in scores.verdict


def test_a_wrong_colour_is_told() -> None:
    person = fakes.person()
    scores = compare_with_photo(fakes.avatar(), person, rendering_of(1 - person.foreground, person.alpha))
    assert "The front differs visibly from the photo." in scores.verdict
    assert "The outline is that of the photo." in scores.verdict


def test_a_shifted_outline_is_told() -> None:
    person = fakes.person()
    moved = rendering_of(person.foreground.roll(12, 1), person.alpha.roll(12, 1))
    scores = compare_with_photo(fakes.avatar(), person, moved)
    assert any(said.startswith("The outline differs") for said in scores.verdict)


def test_an_avatar_that_is_mostly_guessed_is_told() -> None:
    person = fakes.person()
    guessed = replace(fakes.avatar(), trust=torch.zeros(len(fakes.avatar().trust)))
    scores = compare_with_photo(guessed, person, rendering_of(person.foreground, person.alpha))
    assert any("most of the avatar is guessed" in said for said in scores.verdict)


def test_what_is_seen_is_counted_by_area() -> None:
    person, avatar = fakes.person(), fakes.avatar()
    seen = avatar.trust > 0.5
    # Seen splats half as wide: a quarter of the area each.
    scales = avatar.splats.log_scales - math.log(2) * seen[:, None]
    finer = replace(avatar, splats=replace(avatar.splats, log_scales=scales))
    scores = compare_with_photo(finer, person, rendering_of(person.foreground, person.alpha))
    value = next(score.value for score in scores.summary if score.name == "seen")
    count = float(seen.float().mean())
    assert value == pytest.approx(100 * count / 4 / (count / 4 + 1 - count), abs=1e-3)


def test_every_number_says_how_it_is_measured() -> None:
    person = fakes.person()
    scores = compare_with_photo(fakes.avatar(), person, rendering_of(person.foreground, person.alpha))
    assert all(len(score.definition) > 10 for score in (*scores.per_view, *scores.summary))


def test_a_rendering_of_another_size_is_refused() -> None:
    person = fakes.person()
    small = rendering_of(person.foreground[:50], person.alpha[:50])
    with pytest.raises(BadInputError, match="128 person, 50 rendering"):
        compare_with_photo(fakes.avatar(), person, small)


@pytest.mark.parametrize("value, grade", [(0.96, "good"), (0.92, "fair"), (0.5, "poor")])
def test_a_grade_has_limits(value: float, grade: str) -> None:
    judged = judge(Score("silhouette overlap", value, "", "..."))
    assert judged is not None and judged[0] == grade


def test_a_number_without_better_or_worse_gets_no_grade() -> None:
    assert judge(Score("splats", 5.0, "", "...")) is None
