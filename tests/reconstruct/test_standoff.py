"""Learned depth carried to a coarse avatar."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import fakes
from tests.imagine.test_views import card
from tests.reconstruct.bodies import avatar, person

from vivant.core.errors import BadFileError, BadInputError, NumericalError
from vivant.core.progress import Event, Noted
from vivant.core.run import Context
from vivant.networks import Standoff, SurfaceLineConfig, save_weights, standoff_features
from vivant.networks.standoff import ZONES
from vivant.networks.surface_line import UNUSUAL
from vivant.reconstruct import StandOffConfig, stand_off


def knowing(backs_mm: float) -> Standoff:
    """A network that puts the backs of all trunks so far out."""
    network = Standoff(SurfaceLineConfig())
    verts = fakes.rig().verts
    back = (verts[:, 1] > 0.9) & (verts[:, 1] < 1.4) & (verts[:, 2] < -0.02) & (verts[:, 0].abs() < 0.15)
    network.mean[back] = backs_mm
    return network


def file_of(network: Standoff, folder: Path) -> str:
    path = folder / "standoff.safetensors"
    save_weights(network, network.config, card(network="standoff"), path)
    return str(path)


def test_the_back_stands_off_as_far_as_is_known(tmp_path: Path) -> None:
    before, weights = avatar(), file_of(knowing(15.0), tmp_path)
    means = before.splats.means
    middle = (means[:, 1] > 1.0) & (means[:, 1] < 1.3) & (means[:, 0].abs() < 0.08)
    for amount in (1.0, 0.5):
        config = StandOffConfig(weights=weights, amount=amount, evidence=0.0)
        move = stand_off(Context(), before, person(before), config).splats.means - means
        back, front = middle & (means[:, 2] < -0.05), middle & (means[:, 2] > 0.08)
        assert float(-move[back, 2].mean()) == pytest.approx(0.015 * amount, rel=0.2)
        assert float(move[front].norm(dim=1).mean()) < 1.5e-3


def test_the_photos_outline_holds_what_it_shows(tmp_path: Path) -> None:
    network = Standoff(SurfaceLineConfig())
    network.mean[:] = -8.0
    before, weights = avatar(), file_of(network, tmp_path)
    sides = fakes.rig().verts[:, 0].abs().max() * 0.2
    rim = before.splats.means[:, 0].abs() > sides
    moves = []
    for evidence in (0.0, 100.0):
        config = StandOffConfig(weights=weights, evidence=evidence, steady=1.0)
        move = stand_off(Context(), before, person(before), config).splats.means - before.splats.means
        moves.append(float(move[rim].norm(dim=1).mean()))
    assert moves[0] == pytest.approx(0.008, rel=0.15)
    assert moves[1] < 0.7 * moves[0]


def test_nothing_but_places_changes_and_no_amount_is_no_change(tmp_path: Path) -> None:
    before, weights = avatar(), file_of(knowing(15.0), tmp_path)
    after = stand_off(Context(), before, person(before), StandOffConfig(weights=weights))
    for name in ("quats", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(after.splats, name), getattr(before.splats, name))
    assert stand_off(Context(), before, person(before), StandOffConfig(amount=0.0)) is before


def test_another_body_keeps_its_shape_and_is_told() -> None:
    told = list[Event]()
    other = replace(avatar(), shape=replace(avatar().shape, model="smplx"))
    assert stand_off(Context(listener=told.append), other, person(other), StandOffConfig()) is other
    assert any("anny body" in event.text for event in told if isinstance(event, Noted))


def test_features_are_millimetres_off_the_body_by_part_and_side() -> None:
    before = avatar()
    offset = before.binding.offset.clone()
    offset[:, 2] = 0.012
    found = standoff_features(replace(before, binding=replace(before.binding, offset=offset)))
    assert found.shape == (3 * len(ZONES) + len(before.shape.coefficients),)
    measured = found[: 3 * len(ZONES)]
    assert bool(((measured - 12).abs() < 1e-3).logical_or(measured == 0).all())
    assert int((measured != 0).sum()) > 20


def test_unheard_of_people_are_moved_no_farther_than_the_most_unusual_ones() -> None:
    network = Standoff(SurfaceLineConfig())
    network.amounts[0, 0] = 1.0
    network.patterns[0] = 4.0
    told = torch.zeros(1, 36)
    told[0, 0] = 1e6
    assert float(network(told).max()) == pytest.approx(4e-3 * UNUSUAL)


def test_wrong_files_and_numbers_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"no weights")
    with pytest.raises(BadFileError, match=r"wrong\.safetensors"):
        stand_off(Context(), avatar(), person(avatar()), StandOffConfig(weights=str(wrong)))
    other = Standoff(SurfaceLineConfig(features=35))
    with pytest.raises(BadFileError, match="35 numbers"):
        stand_off(Context(), avatar(), person(avatar()), StandOffConfig(weights=file_of(other, tmp_path)))
    spoilt = Standoff(SurfaceLineConfig())
    spoilt.mean[:] = float("nan")
    with pytest.raises(NumericalError, match="weights for learned depth"):
        stand_off(Context(), avatar(), person(avatar()), StandOffConfig(weights=file_of(spoilt, tmp_path)))
    for numbers in ({"amount": -1.0}, {"evidence": -1.0}, {"rounds": 0}, {"limit": 2.0}):
        with pytest.raises(BadInputError):
            StandOffConfig(**numbers)  # pyright: ignore


def test_kernels_say_much_of_who_is_like_somebody_known_and_the_mean_of_others() -> None:
    network = Standoff(SurfaceLineConfig(known=2, width=1.0, patterns=2)).eval()
    network.known[0], network.known[1] = 1.0, -1.0
    network.amounts[:] = torch.eye(2)
    network.patterns[0], network.patterns[1] = 10.0, -10.0
    network.mean[:] = 1.0
    told = torch.stack([torch.ones(36), -torch.ones(36), torch.full((36,), 2.0), torch.zeros(36)])
    found = 1e3 * network(told)[:, 0]
    # Kernels fall by e for each squared standard deviation.
    apart = 10 * np.exp(-4.0)
    assert found.tolist() == pytest.approx(
        [11 - apart, -9 + apart, 1 + 10 * np.exp(-1.0) - 10 * np.exp(-9.0), 1.0], abs=1e-4
    )
    # Features are cut: nobody is more unusual than UNUSUAL.
    far = 1e3 * network(torch.full((1, 36), 1e6))[0, 0]
    assert float(far) == pytest.approx(
        1 + 10 * np.exp(-((UNUSUAL - 1) ** 2)) - 10 * np.exp(-((UNUSUAL + 1) ** 2))
    )
