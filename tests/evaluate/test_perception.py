"""Our measures agree with the field's packages, and with what can be computed by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from vivant.core.errors import BadInputError
from vivant.evaluate import flip, frechet_distance, gmsd, ms_ssim

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics.npz"


@pytest.fixture(scope="module")
def golden() -> tuple[torch.Tensor, torch.Tensor, dict[str, float]]:
    """Two pictures, and their scores by `tools/golden_metrics.py`."""
    with np.load(GOLDEN) as data:
        a, b = (torch.from_numpy(data[name]).float() / 255 for name in ("a", "b"))
        return a, b, dict(zip(data["names"].tolist(), data["values"].tolist(), strict=True))


def test_flip_is_that_of_its_authors(golden: tuple) -> None:
    a, b, values = golden
    # Theirs is single precision too.
    assert float(flip(a, b).mean()) == pytest.approx(values["flip"], abs=1e-4)


def test_ms_ssim_is_that_of_torchmetrics(golden: tuple) -> None:
    a, b, values = golden
    # Torchmetrics pads before it filters and cuts the padding off afterwards; small scales see a little of it.
    assert ms_ssim(a, b) == pytest.approx(values["ms_ssim"], abs=3e-4)


def test_equal_pictures_score_best_and_worse_ones_worse(golden: tuple) -> None:
    a, b, _ = golden
    assert float(flip(a, a).max()) == 0
    assert ms_ssim(a, a) == pytest.approx(1)
    assert gmsd(a, a) == pytest.approx(0, abs=1e-6)
    near = a + 0.2 * (b - a)
    assert float(flip(a, near).mean()) < float(flip(a, b).mean())
    assert ms_ssim(a, near) > ms_ssim(a, b)
    assert gmsd(a, near) < gmsd(a, b)


def test_gmsd_is_what_its_definition_gives() -> None:
    # A vertical edge against nothing: similarity differs only in the columns of the edge.
    a, b = torch.zeros(16, 16, 3), torch.zeros(16, 16, 3)
    a[:, 8:] = 1
    grey = np.zeros((8, 8))
    grey[:, 4:] = 1
    padded = np.pad(grey, 1)
    x = sum(padded[1 + i : 9 + i, 0:8] - padded[1 + i : 9 + i, 2:10] for i in (-1, 0, 1)) / 3
    y = sum(padded[0:8, 1 + i : 9 + i] - padded[2:10, 1 + i : 9 + i] for i in (-1, 0, 1)) / 3
    size = np.sqrt(x**2 + y**2)
    expected = (0.0026 / (size**2 + 0.0026)).std()
    assert gmsd(a, b) == pytest.approx(float(expected), abs=1e-5)


def test_small_pictures_have_no_ms_ssim() -> None:
    with pytest.raises(BadInputError, match="176 px a side; the pictures have 90 x 200"):
        ms_ssim(torch.zeros(200, 90, 3), torch.zeros(200, 90, 3))


def test_frechet_distance_of_gaussians_is_known_in_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(400, 3, generator=generator)
    # Whitened, so that mean and covariance are exactly 0 and 1.
    base = base - base.mean(0)
    base = base @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(base.T))).T
    scale, shift = torch.tensor([2.0, 1.0, 0.5]), torch.tensor([0.0, 3.0, 0.0])
    expected = 9 + float((scale - 1).square().sum())
    assert frechet_distance(base, base * scale + shift) == pytest.approx(expected, rel=1e-5)
    assert frechet_distance(base, base) == pytest.approx(0, abs=1e-8)


def test_frechet_distance_refuses_single_samples_and_other_features() -> None:
    with pytest.raises(BadInputError, match="1 and 5 samples"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(BadInputError, match="equal counts"):
        frechet_distance(torch.zeros(4, 3), torch.zeros(5, 2))


def test_flip_lies_between_nothing_and_everything() -> None:
    seen = flip(torch.zeros(40, 40, 3), torch.ones(40, 40, 3))
    assert 0.9 < float(seen.mean()) <= 1
    assert math.isfinite(float(seen.max()))
