import json
import re
from importlib import resources
from pathlib import Path

import pytest
import torch

from vivant.engines.own_networks import load_lifter, load_nerf, load_shading, load_standoff, load_view_generator
from vivant.training import People, PeopleConfig, find_training

MODEL_CARDS = resources.files("vivant.engines").joinpath("assets/README.md").read_text("utf-8")
PEOPLE = PeopleConfig(people=2, views=3, size=128, pool=1, held_back=4, samples=1)
"""Made-up people, so that nothing needs to be at hand."""

LOADERS = {"view": load_view_generator, "lifter": load_lifter, "nerf": load_nerf}


@pytest.mark.parametrize("name", list(LOADERS))
def test_packaged_weights_score_what_their_card_says(name: str) -> None:
    network, card = LOADERS[name]()
    assert card.network == name and card.score > card.baseline
    row = re.search(rf"^\| `{name}` \|.*\| ([\d.]+) / ([\d.]+) \|$", MODEL_CARDS, flags=re.M)
    assert row is not None
    judged = find_training(name, size="reduced").objective.judge(
        network.eval(), People(PEOPLE, "cpu").validation(0)
    )
    assert judged.score == pytest.approx(float(row[1]), abs=0.02)
    assert judged.baseline == pytest.approx(float(row[2]), abs=0.02)


def test_packaged_weights_are_small_and_their_cards_are_repeated() -> None:
    for name, load in LOADERS.items():
        file = resources.files("vivant.engines").joinpath(f"assets/{name}.safetensors")
        with resources.as_file(file) as path:
            assert path.stat().st_size <= 16 * 2**20
        _, card = load()
        assert f"{card.score:.2f} / {card.baseline:.2f}" in MODEL_CARDS
        assert card.licence in " ".join(MODEL_CARDS.split())


def test_packaged_depth_predicts_people_held_back_as_well_as_its_card_says() -> None:
    report = json.loads((Path(__file__).parents[1] / "golden" / "standoff.json").read_text())
    network, card = load_standoff()
    features, true = torch.tensor(report["features"]), torch.tensor(report["moves_mm"])
    with torch.no_grad():
        predicted = 1e3 * network(features)[:, report["verts"]]
    left, whole = ((true - predicted).square().mean().sqrt(), true.square().mean().sqrt())
    assert float(left) == pytest.approx(report["verts_rms_mm"], abs=0.02)
    assert float(left) < 0.85 * float(whole)
    assert (card.network, card.people) == ("standoff", report["trained_on"])
    assert card.score < card.baseline == pytest.approx(report["unmoved_mm"], abs=2e-3)
    assert f"{card.score:.2f} / {card.baseline:.2f}" in MODEL_CARDS
    with resources.as_file(resources.files("vivant.engines").joinpath("assets/standoff.safetensors")) as path:
        assert path.stat().st_size <= 3 * 2**20


def test_packaged_light_predicts_people_held_back_as_well_as_its_card_says() -> None:
    report = json.loads((Path(__file__).parents[1] / "golden" / "shading.json").read_text())
    network, card = load_shading()
    features, true, weight = (torch.tensor(report[name]) for name in ("features", "change", "weight"))
    with torch.no_grad():
        predicted = network(features)[:, report["verts"]]

    def rms(left: torch.Tensor) -> float:
        return 100 * float(((weight * left.square()).sum() / weight.sum()).sqrt())

    assert rms(true - predicted) == pytest.approx(report["verts_rms_percent"], abs=0.1)
    assert rms(true - predicted) < 0.7 * rms(true)
    # Who they are tells much more than what all have in common.
    assert rms(true - predicted) < 0.8 * rms(true - true.mean(0))
    assert (card.network, card.people) == ("shading", report["trained_on"])
    assert card.score < card.baseline == pytest.approx(report["unchanged_percent"], abs=2e-3)
    assert f"{card.score:.2f} / {card.baseline:.2f}" in MODEL_CARDS
    with resources.as_file(resources.files("vivant.engines").joinpath("assets/shading.safetensors")) as path:
        assert path.stat().st_size <= 3 * 2**20
