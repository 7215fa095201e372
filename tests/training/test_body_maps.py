"""Kernels through people, as `tools/fit_standoff.py` and `tools/fit_shading.py` learn them."""

import dataclasses
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from tests.training.figures import PEOPLE, load_tool

from vivant.networks import Standoff
from vivant.training import People
from vivant.training.avatar_files import write_person


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("body_maps")


def groups(people: int, random: np.random.Generator) -> list[np.ndarray]:
    return [random.normal(2, 3, (people, 5)), random.normal(0, [0.1, 10.0, 1.0], (people, 3))]


def test_the_network_says_what_the_kernels_say(tool: ModuleType) -> None:
    random = np.random.default_rng(0)
    told = tool.Told.of(groups(20, random), (1.0, 0.5))
    assert told.shares.sum() == pytest.approx(1.0)
    assert told.shares[:5].sum() == pytest.approx(4 * told.shares[5:].sum())
    # One scale for the whole second group: what varies much counts more.
    assert len(set(told.spread[5:])) == 1 and len(set(told.spread[:5])) == 5
    kernels = tool.Kernels(told, 0.7, random.normal(0, 1, 30), random.normal(0, 1, (20, 30)))
    places = np.array([0, 7, 29])
    network = tool.as_network(Standoff, kernels, np.full(30, 1 / 30), places)
    others = np.concatenate(groups(6, random), axis=1)
    np.testing.assert_allclose(1e3 * tool.predicted(network, others), kernels(others), atol=1e-3)
    assert network.places.tolist() == [0, 7, 29]


def test_what_is_alike_in_everybody_tells_nothing_after_rounding(tool: ModuleType) -> None:
    first, second = groups(20, np.random.default_rng(1))
    first[:, 2] = 66.04
    told = tool.Told.of([first, second], (1.0, 1.0))
    stored = dataclasses.replace(told, middle=told.middle.astype(np.float16).astype(float))
    assert np.abs(stored(told.features)[:, 2]).max() < 0.2


def test_all_photos_of_an_identity_are_in_one_fold(tool: ModuleType, tmp_path: Path) -> None:
    source = People(dataclasses.replace(PEOPLE, views=1, tasks=("view",)), "cpu")
    one = dataclasses.replace(source.batch(0), baked=torch.ones(1, dtype=torch.bool))
    folders = [tmp_path / "a", tmp_path / "b"]
    whom = []
    for folder in folders:
        folder.mkdir()
        for number in range(12):
            identity = ("", f"Who_{number % 5}", f"Who_{number % 5}+Other")[number % 3]
            write_person(one, folder / f"train_{number:02}.safetensors", licence="MIT", identity=identity)
            whom.append(identity.partition("+")[0] or f"{folder.name} {number}")
    parts = tool.folds(folders)
    assert sorted(np.concatenate(parts)) == list(range(24))
    for part in parts:
        inside = {whom[row] for row in part}
        assert not inside & {whom[row] for row in range(24) if row not in part}
