"""Learned light carried to the side that the photo does not show."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.imagine.test_views import card
from tests.reconstruct.bodies import avatar

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.progress import Event, Noted
from vivant.core.run import Context
from vivant.networks import BodyMapConfig, Shading, save_weights
from vivant.networks.shading import PROBES
from vivant.reconstruct import ShadeConfig, shade
from vivant.records import Avatar
from vivant.splat.harmonics import BAND_0

FEATURES = 6 + 4 * len(PROBES) + 2 + len(PROBES) + 2 * 5
"""With five places."""


def half_seen() -> Avatar:
    """Somebody grey whose front the photo shows."""
    made = avatar()
    return replace(
        made,
        splats=replace(made.splats, sh=torch.full_like(made.splats.sh, (0.4 - 0.5) / BAND_0)),
        trust=(made.splats.means[:, 2] > 0).float(),
    )


def saying(change: float) -> Shading:
    """A network that says the same of everybody everywhere."""
    network = Shading(BodyMapConfig(features=FEATURES, places=5))
    network.mean[:] = change
    return network


def file_of(network: Shading, folder: Path) -> str:
    path = folder / "shading.safetensors"
    save_weights(network, network.config, card(network="shading"), path)
    return str(path)


def colors(of: Avatar) -> torch.Tensor:
    return 0.5 + BAND_0 * of.splats.sh[:, 0]


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_the_hidden_side_takes_the_light_and_what_is_shown_stays(tmp_path: Path, amount: float) -> None:
    before, config = half_seen(), ShadeConfig(amount=amount, weights=file_of(saying(-0.3), tmp_path))
    after = shade(Context(), before, config)
    hidden = before.trust == 0
    expected = 0.4 * float(torch.tensor(-0.3 * amount).exp())
    torch.testing.assert_close(
        colors(after)[hidden], torch.full_like(colors(after)[hidden], expected), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(after.splats.sh[~hidden], before.splats.sh[~hidden])
    for name in ("means", "quats", "log_scales", "opacity_logits"):
        assert torch.equal(getattr(after.splats, name), getattr(before.splats, name))


def test_half_trusted_splats_go_half_of_the_way(tmp_path: Path) -> None:
    before = replace(half_seen(), trust=torch.full((len(half_seen().trust),), 0.5))
    after = shade(Context(), before, ShadeConfig(amount=1.0, weights=file_of(saying(-0.4), tmp_path)))
    assert float(colors(after).mean()) == pytest.approx(0.4 * float(torch.tensor(-0.2).exp()), abs=1e-3)


def test_nothing_gets_brighter_than_white_and_hues_stay(tmp_path: Path) -> None:
    made = half_seen()
    sh = made.splats.sh.clone()
    sh[:, 0] = (torch.tensor([0.8, 0.4, 0.2]) - 0.5) / BAND_0
    before = replace(made, splats=replace(made.splats, sh=sh))
    after = colors(shade(Context(), before, ShadeConfig(amount=1.0, weights=file_of(saying(0.9), tmp_path))))[
        made.trust == 0
    ]
    torch.testing.assert_close(after, torch.tensor([1.0, 0.5, 0.25]).expand_as(after), atol=1e-3, rtol=0)


def test_no_amount_is_no_change_and_another_body_is_told() -> None:
    before, told = half_seen(), list[Event]()
    assert shade(Context(), before, ShadeConfig(amount=0.0)) is before
    other = replace(before, shape=replace(before.shape, model="smplx"))
    assert shade(Context(listener=told.append), other, ShadeConfig()) is other
    assert any("anny body" in event.text for event in told if isinstance(event, Noted))


def test_packaged_light_changes_the_hidden_side_of_anybody_a_little() -> None:
    before = half_seen()
    after = shade(Context(), before, ShadeConfig(amount=1.0))
    factor = (colors(after) / colors(before)).mean(1)[before.trust == 0]
    assert float((factor - 1).abs().mean()) > 0.01
    assert 0.36 < float(factor.min()) and float(factor.max()) < 2.0


def test_wrong_files_and_numbers_are_refused(tmp_path: Path) -> None:
    other = Shading(BodyMapConfig(features=5))
    with pytest.raises(BadFileError, match="5 numbers"):
        shade(Context(), half_seen(), ShadeConfig(weights=file_of(other, tmp_path)))
    with pytest.raises(BadFileError, match="weights for learned light answer"):
        shade(Context(), half_seen(), ShadeConfig(weights=file_of(saying(float("nan")), tmp_path)))
    for amount in (-0.1, 2.1):
        with pytest.raises(BadInputError):
            ShadeConfig(amount=amount)
    small = Shading(BodyMapConfig(len(fakes.rig().verts) + 1, FEATURES))
    before = half_seen()
    assert shade(Context(), before, ShadeConfig(weights=file_of(small, tmp_path))) is before
