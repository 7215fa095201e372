import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from vivant.evaluate import mask_iou, psnr, ssim


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    a = torch.rand(40, 50, 3, generator=random)
    return a, (a + 0.1 * torch.randn(40, 50, 3, generator=random)).clamp(0, 1)


def test_psnr_is_skimage_s(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    expected = peak_signal_noise_ratio(pair[0].numpy(), pair[1].numpy(), data_range=1)
    assert psnr(*pair, torch.ones(40, 50)) == pytest.approx(expected, abs=1e-4)


def test_psnr_of_a_known_error_is_its_closed_form() -> None:
    a = torch.zeros(10, 10, 3)
    assert psnr(a, a + 0.1, torch.ones(10, 10)) == pytest.approx(20.0, abs=1e-4)
    assert psnr(a, a, torch.ones(10, 10)) == 99.0


def test_only_weighted_pixels_count() -> None:
    a, weight = torch.zeros(10, 10, 3), torch.zeros(10, 10)
    b = a.clone()
    b[5:] = 1.0
    weight[:5] = 1.0
    assert psnr(a, b, weight) == 99.0
    assert psnr(a, b, 1 - weight) == pytest.approx(0.0, abs=1e-5)


def test_ssim_is_skimage_s_inside(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    _, whole = structural_similarity(
        pair[0].numpy(), pair[1].numpy(), data_range=1, channel_axis=2, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    weight = torch.zeros(40, 50)
    weight[8:-8, 8:-8] = 1.0
    expected = float(np.mean(whole.mean(-1)[8:-8, 8:-8]))
    assert ssim(*pair, weight) == pytest.approx(expected, abs=1e-4)


def test_iou_counts_areas() -> None:
    a, b = torch.zeros(10, 10), torch.zeros(10, 10)
    a[:, :6], b[:, 4:] = 1.0, 1.0
    assert mask_iou(a, b) == pytest.approx(0.2)
    assert mask_iou(a, a) == 1.0
    assert mask_iou(torch.zeros(3, 3), torch.zeros(3, 3)) == 1.0
    assert math.isclose(mask_iou(a, torch.zeros(10, 10)), 0.0)
