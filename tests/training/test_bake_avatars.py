"""People with real coarse avatars: what training is told fits together."""

import dataclasses
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tests.training.figures import load_tool

from vivant.dataset import PeopleConfig
from vivant.training.avatar_files import read_person


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("bake_avatars")


def test_avatar_and_truth_stand_in_one_place(shared: Path, tool: ModuleType, tmp_path: Path) -> None:
    config = PeopleConfig(None, shared / "data" / "makehuman", shared / "data" / "motion")
    job = tool.Job(config, 3, tmp_path, 4, 64, 29)
    assert tool.bake(job).startswith("train_0003: wardrobe")
    person, lifted = (read_person(tmp_path / "train_0003.safetensors", lifted=told) for told in (False, True))
    truth, guide = person.images[0, :, 3] > 0.5, person.guides[0, :, 3] > 0.5
    for view in range(4):
        both, either = truth[view] & guide[view], truth[view] | guide[view]
        assert float(both.sum() / either.sum()) > 0.7
        body = person.body_normals[0, view].norm(dim=0) > 0.5
        assert float((body & guide[view]).sum() / body.sum()) > 0.9
    # The photo is taken from +z, of somebody whose middle is where trainings have it.
    eye = -(person.photo_cam_from_world[0, :3, :3].T @ person.photo_cam_from_world[0, :3, 3])
    assert abs(float(eye[0])) < 0.05 * float(eye[2]) and float(eye[2]) > 1
    assert not torch.equal(person.guides, lifted.guides) and torch.equal(person.images, lifted.images)
    assert tool.bake(job) == "train_0003: is there"
    # Another size is another file; the avatar is kept.
    kept = (tmp_path / "train_0003.avatar").stat().st_mtime_ns
    assert tool.bake(dataclasses.replace(job, size=32)).startswith("train_0003: wardrobe")
    assert read_person(tmp_path / "train_0003.safetensors").images.shape == (1, 4, 4, 32, 32)
    assert (tmp_path / "train_0003.avatar").stat().st_mtime_ns == kept
