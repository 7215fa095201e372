from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.core.errors import BadFileError, MissingWeightsError
from vivant.core.run import Context
from vivant.networks.lpips import load_lpips
from vivant.reconstruct import ReconstructConfig, reconstruct
from vivant.reconstruct.losses import LossConfig, make_target
from vivant.reconstruct.optimise import Fit
from vivant.reconstruct.perceptual import load_perceptual, perceptual_loss

from .figures import make_avatar, take_views


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes.lpips_weights(tmp_path_factory.mktemp("lpips"))


def test_the_loss_is_lpips_with_its_gradient_where_all_is_trusted(weights: Path) -> None:
    network = load_lpips(weights)
    generator = torch.Generator().manual_seed(1)
    color = torch.rand(40, 48, 3, generator=generator).requires_grad_()
    truth, ones = torch.rand(40, 48, 3, generator=generator), torch.ones(40, 48)
    loss = perceptual_loss(color, make_target(truth, ones, ones, torch.zeros(3)), network)
    pictures = [picture.permute(2, 0, 1)[None] for picture in (color, truth)]
    expected = network(*pictures)[0]
    torch.testing.assert_close(loss, expected)
    (found,), (wanted,) = (torch.autograd.grad(value, color) for value in (loss, expected))
    torch.testing.assert_close(found, wanted)
    assert float(found.abs().max()) > 0


def test_pixels_without_trust_get_no_gradient(weights: Path) -> None:
    color = torch.rand(40, 48, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    trust = torch.ones(40, 48)
    trust[:20] = 0
    target = make_target(torch.zeros(40, 48, 3), torch.ones(40, 48), trust, torch.zeros(3))
    (found,) = torch.autograd.grad(perceptual_loss(color, target, load_lpips(weights)), color)
    assert not found[:20].any()
    assert bool(found[20:].any())


def test_pictures_smaller_than_the_network_takes_are_filled_up_alike(weights: Path) -> None:
    ones = torch.ones(20, 9)
    target = make_target(torch.zeros(20, 9, 3), ones, ones, torch.zeros(3))
    network = load_lpips(weights)
    assert float(perceptual_loss(torch.zeros(20, 9, 3), target, network)) == 0
    assert float(perceptual_loss(torch.ones(20, 9, 3), target, network)) > 0


def test_a_fit_adds_it_by_its_weight_and_goes_another_way(weights: Path) -> None:
    start = make_avatar(300, grey=True)
    views = take_views(make_avatar(300), [0.0], [0.0])
    totals, found = [], []
    for weight in (0.0, 0.5, 1.0):
        loss = LossConfig(perceptual=weight, lpips=str(weights))
        config = ReconstructConfig(iterations=3, threads=1, loss=loss)
        fit = Fit(Context(), start, views, config)
        totals.append(float(fit._compare(fit.frames[0]).total.detach()))
        found.append(reconstruct(Context(), start, views, config).splats.sh)
    assert totals[1] > totals[0]
    assert totals[2] - totals[0] == pytest.approx(2 * (totals[1] - totals[0]), rel=1e-3)
    assert not torch.equal(found[0], found[1])


def test_without_a_file_it_is_told_how_to_get_one(tmp_path: Path) -> None:
    assert load_perceptual(LossConfig()) is None
    with pytest.raises(MissingWeightsError, match="lpips"):
        load_perceptual(LossConfig(perceptual=0.1))
    with pytest.raises(BadFileError, match="does not exist"):
        load_perceptual(LossConfig(perceptual=0.1, lpips=str(tmp_path / "none.safetensors")))
