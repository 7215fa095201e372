"""Numbers and the sheet of an avatar beside real pictures."""

import pytest
import torch

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError
from vivant.evaluate import Shown, comparison_sheet, mean_score, view_scores
from vivant.records import Pose, Views


def views(count: int) -> Views:
    """Grey squares in the left half of each picture; each picture a little lighter."""
    alphas = torch.zeros(count, 4, 6)
    alphas[:, :, :3] = 1.0
    greys = torch.linspace(0.2, 0.4, count)[:, None, None, None].expand(count, 4, 6, 3)
    cameras = Cameras(torch.eye(4).repeat(count, 1, 1), torch.eye(3).repeat(count, 1, 1), 6, 4)
    poses = Pose(torch.zeros(count, 1, 4), torch.zeros(count, 3))
    return Views(greys.clone(), alphas, None, torch.ones_like(alphas), cameras, poses)


def test_decibels_count_the_mask_only_and_pixels_that_are_trusted() -> None:
    given = views(2)
    given.trust[1, :2] = 0.0
    colors = given.images.clone()
    colors[..., 3:, :] = 0.0  # Beside the mask all may be wrong.
    colors[0, :, :3] += 0.1
    colors[1, :2, :3] = 0.9
    shown = Shown(colors, given.alphas)
    scores = view_scores(given, ("a", "b"), shown, Shown(given.images, torch.ones_like(given.alphas)))
    found = {(score.name, score.view): score.value for score in scores}
    assert found["PSNR before", "a"] == pytest.approx(20.0, abs=1e-3)
    assert found["PSNR before", "b"] == 99.0
    assert found["outline before", "a"] == 1.0 and found["outline after", "a"] == 0.5
    assert mean_score(scores, "PSNR before", ("a", "b")) == pytest.approx(59.5, abs=1e-3)
    with pytest.raises(BadInputError, match="1 names"):
        view_scores(given, ("a",), shown, shown)


@pytest.mark.parametrize("count, columns", [(1, 1), (3, 3), (11, 8)])
def test_the_sheet_shows_first_and_last_and_at_most_eight(count: int, columns: int) -> None:
    given = views(count)
    sheet = comparison_sheet(given, Shown(given.images * 0, given.alphas), Shown(given.images, given.alphas))
    assert sheet.shape == (12, 6 * columns, 3)
    assert float(sheet[0, 0, 0]) == pytest.approx(0.2) and float(sheet[0, -1, 0]) == 1.0
    assert float(sheet[8, -6, 0]) == pytest.approx(0.4 if count > 1 else 0.2) and float(sheet[4, 0, 0]) == 0
