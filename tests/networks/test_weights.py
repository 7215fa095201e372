from pathlib import Path

import pytest
import torch
from tests.networks.figures import SMALL

from vivant.core.errors import BadFileError, MissingWeightsError, OutputError
from vivant.engines import own_networks
from vivant.engines.own_networks import load_standoff, load_view_generator
from vivant.networks import (
    BodyMapConfig,
    Lifter,
    LifterConfig,
    ModelCard,
    Standoff,
    load_weights,
    save_weights,
    working_dtype,
)

CARD = ModelCard(
    "lifter", "made-up people", "Apache-2.0", 10, 40, 21.5, "PSNR in dB", 19.0, "vivant train lifter"
)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    network = Lifter(SMALL)
    save_weights(network, SMALL, CARD, tmp_path / "lifter.safetensors")
    read, card = load_weights(Lifter, LifterConfig, tmp_path / "lifter.safetensors")
    assert card == CARD
    assert read.config == SMALL
    assert not read.training
    for name, value in network.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_indices_come_back_exactly(tmp_path: Path) -> None:
    network = Standoff(BodyMapConfig(places=3))
    network.places[:] = torch.tensor([0, 2049, 13717])
    save_weights(network, network.config, CARD, tmp_path / "standoff.safetensors")
    read, _ = load_weights(Standoff, BodyMapConfig, tmp_path / "standoff.safetensors")
    assert torch.equal(read.places, network.places)


def test_too_large_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="16 MiB"):
        save_weights(torch.nn.Linear(3000, 3000), SMALL, CARD, tmp_path / "large.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_bad_files_are_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "lifter.safetensors"
    if damage != "missing":
        save_weights(Lifter(SMALL) if damage == "cut" else torch.nn.Linear(2, 2), SMALL, CARD, path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadFileError, match="lifter.safetensors"):
        load_weights(Lifter, LifterConfig, path)


def test_folders_and_other_networks_are_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="is a folder"):
        load_weights(Lifter, LifterConfig, tmp_path)
    save_weights(Lifter(SMALL), SMALL, CARD, tmp_path / "lifter.safetensors")
    with pytest.raises(BadFileError, match=r"'lifter'.*'view'"):
        load_view_generator(str(tmp_path / "lifter.safetensors"))


def test_absent_weights_name_what_makes_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_networks.resources, "files", lambda _: tmp_path)
    with pytest.raises(MissingWeightsError, match=r"tools/fit_standoff\.py"):
        load_standoff()


def test_the_working_type_is_one_that_runs() -> None:
    assert working_dtype("cpu") in (torch.float32, torch.bfloat16)
