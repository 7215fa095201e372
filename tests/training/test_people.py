import dataclasses

import pytest
import torch
from tests.training.figures import PEOPLE, people

from vivant.core.errors import BadInputError
from vivant.training import Crowd, People, TrainBatch
from vivant.training.batch import batches


def same(one: TrainBatch, other: TrainBatch) -> bool:
    return all(torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))


def test_a_batch_follows_from_its_number() -> None:
    assert same(people().batch(3), People(PEOPLE, "cpu").batch(3))
    assert not same(people().batch(3), people().batch(4))
    assert not same(people().batch(3), people().validation(3))


def test_processes_share_the_batches_out() -> None:
    mine = batches(people(), 1, 2)
    assert same(next(mine), people().batch(1))
    assert same(next(mine), people().batch(3))


def test_people_are_in_the_picture_and_everything_fits_together() -> None:
    batch = People(dataclasses.replace(PEOPLE, size=64, views=4, tasks=("view",)), "cpu").batch(0)
    mask, body = batch.images[0, :, 3], batch.body_normals[0].norm(dim=1)
    assert 0.03 < float(mask.mean()) < 0.3
    # The body lies inside its clothes.
    assert float(((body > 0) & (mask == 0)).float().mean()) < 0.01
    assert float((body > 0).float().mean()) > 0.8 * float(mask.mean())
    # The dressed surface faces the camera; colours lie inside the mask.
    facing = batch.normals[0, :, 2][mask > 0.99]
    assert float((facing < 0.1).float().mean()) > 0.97
    assert float((batch.images[0, :, :3].amax(1) * (mask == 0)).max()) == 0
    assert float((batch.photo_depth[0] > 0).float().sum()) == float((batch.photo[0, 3] > 0).sum())
    bones = batch.skeleton[0].amax(1) > 0.3
    assert float((bones & (mask > 0)).float().sum()) > 0.8 * float(bones.float().sum())


@pytest.mark.parametrize("task", ["view", "pose", "canonical"])
def test_tasks_differ_in_what_changes(task: str) -> None:
    batch = People(dataclasses.replace(PEOPLE, views=3, tasks=(task,)), "cpu").batch(0)
    cameras, joints = batch.cam_from_world[0], batch.joints[0]
    assert torch.allclose(cameras[0], cameras[1]) == (task == "pose")
    assert torch.allclose(joints[0], joints[2]) == (task != "pose")
    rest = torch.allclose(joints[0], torch.eye(4).expand_as(joints[0]), atol=1e-5)
    assert rest == (task == "canonical")
    if task == "view":
        torch.testing.assert_close(batch.photo_joints[0], joints[0])


def test_tall_and_short_people_fit_into_the_picture() -> None:
    source = People(dataclasses.replace(PEOPLE, size=64, people=6, pool=12, tasks=("view",)), "cpu")
    images = source.batch(0).images[:, :, 3]
    rim = torch.ones(64, 64, dtype=torch.bool)
    rim[1:-1] = False
    assert float(images[..., rim].max()) == 0


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadInputError, match="fly"):
        People(dataclasses.replace(PEOPLE, tasks=("fly",)), "cpu")
    with pytest.raises(BadInputError, match="`shown` is 0"):
        People(dataclasses.replace(PEOPLE, shown=0), "cpu")
    with pytest.raises(BadInputError, match="held back"):
        People(PEOPLE, "cpu", Crowd((), "", ""))


def test_batches_come_again_with_others_between() -> None:
    source = People(dataclasses.replace(PEOPLE, shown=2), "cpu")
    first, again = source.batch(0), source.batch(16)
    assert same(first, again) and same(first, people().batch(0))
    assert same(source.batch(32), people().batch(16))
    # A training that goes on in the middle sees the same ones.
    assert same(People(dataclasses.replace(PEOPLE, shown=2), "cpu").batch(17), people().batch(1))
