import dataclasses
from pathlib import Path

import pytest
import torch
from tests.training.figures import PEOPLE

from vivant.core.errors import BadFileError
from vivant.training import People, made_up_wearer, read_wearers, write_wearers


def test_people_come_back_nearly_as_they_were(tmp_path: Path) -> None:
    wearers = [made_up_wearer(seed) for seed in (1, 2)]
    path = tmp_path / "wearers.safetensors"
    write_wearers(wearers, path, description="two", licence="CC0-1.0")
    assert path.stat().st_size < 2 * 0.8e6
    crowd = read_wearers(path)
    assert (crowd.description, crowd.licence) == ("two", "CC0-1.0")
    for one, other in zip(wearers, crowd.wearers, strict=True):
        torch.testing.assert_close(other.verts, one.verts, atol=6e-4, rtol=0)
        torch.testing.assert_close(other.colors, one.colors, atol=2.1e-3, rtol=0)
        torch.testing.assert_close(other.skin_weights.sum(1), torch.ones(len(one.verts)))
        assert torch.equal(other.faces, one.faces)
    source = People(dataclasses.replace(PEOPLE, tasks=("view",)), "cpu", crowd)
    assert source.description == "two"
    made_up = People(PEOPLE, "cpu", dataclasses.replace(crowd, wearers=tuple(wearers)))
    shown, true = source.validation(0).photo[0], made_up.validation(0).photo[0]
    assert shown.shape == true.shape


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "wearers.safetensors"
    write_wearers([made_up_wearer(1)], path, description="", licence="")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BadFileError, match="damaged"):
        read_wearers(path)
    with pytest.raises(BadFileError, match="bake_wearers"):
        read_wearers(tmp_path / "none")
