"""Data sets are the same whoever makes them, go on after a kill, and say what they are."""

import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from tests.dataset import lone_jobs, makers

from vivant.core.errors import BadInputError, MissingExtraError, WorkerLostError
from vivant.core.run import Context
from vivant.dataset import Figure, PeopleConfig, PeopleFolder, make_sample, map_jobs, write_people
from vivant.dataset.samples import random_figure
from vivant.dataset.shards import file_digest

SETTINGS = {"seed": 3, "per_shard": 4, "make": makers.small}


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVANT_THREADS", os.environ.get("VIVANT_THREADS", "1"))


def test_a_data_set_holds_every_sample_and_a_manifest(config: PeopleConfig, tmp_path: Path) -> None:
    manifest = json.loads(write_people(Context(), config, tmp_path, 10, **SETTINGS).read_text())
    assert [shard["samples"] for shard in manifest["shards"]] == [4, 4, 2]
    assert manifest["licences"][0].startswith("VALID")
    for shard in manifest["shards"]:
        assert file_digest(tmp_path / shard["name"]) == shard["sha256"]
    with tarfile.open(tmp_path / "people-000002.tar") as tar:
        assert tar.getnames() == ["000000008.txt", "000000008.bin", "000000009.txt", "000000009.bin"]
        assert tar.extractfile("000000009.txt").read() == b"3 9 64"
        assert {entry.mtime for entry in tar.getmembers()} == {0}


def test_two_workers_make_the_same_bytes_as_one(config: PeopleConfig, tmp_path: Path) -> None:
    one, two = (
        write_people(Context(), config, tmp_path / str(n), 6, workers=n, **SETTINGS).read_bytes()
        for n in (1, 2)
    )
    assert one == two


def test_what_is_finished_is_kept_and_what_is_damaged_is_made_again(
    config: PeopleConfig, tmp_path: Path
) -> None:
    first = write_people(Context(), config, tmp_path, 8, **SETTINGS).read_bytes()
    kept, damaged = (tmp_path / f"people-00000{n}.tar" for n in (0, 1))
    before = kept.stat().st_mtime_ns
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    told = []
    again = write_people(Context(listener=told.append), config, tmp_path, 8, **SETTINGS).read_bytes()
    assert again == first
    assert kept.stat().st_mtime_ns == before
    assert any("1 of 2 shards were there already" in getattr(event, "text", "") for event in told)


def test_a_folder_of_another_data_set_is_refused(config: PeopleConfig, tmp_path: Path) -> None:
    write_people(Context(), config, tmp_path, 2, **SETTINGS)
    with pytest.raises(BadInputError, match="other settings"):
        write_people(Context(), config, tmp_path, 2, **{**SETTINGS, "seed": 4})


def test_a_folder_in_which_nothing_was_made_yet_takes_other_settings(
    config: PeopleConfig, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="holds no people"):
        write_people(Context(), PeopleConfig(people_folder=tmp_path / "typo"), tmp_path / "out", 2)
    write_people(Context(), config, tmp_path / "out", 2, **SETTINGS)


def test_jobs_of_a_killed_worker_are_done_again(tmp_path: Path) -> None:
    jobs = [(str(tmp_path), number) for number in range(6)]
    found = {job[1]: result for job, result in map_jobs(lone_jobs.fatal_once, jobs, workers=2)}
    assert found == {number: number * 10 for number in range(6)}
    assert (tmp_path / "killed").exists()


def test_ray_does_the_same_jobs_or_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"vivant\[ray\]"):
        list(map_jobs(lone_jobs.square, [1], workers=2, engine="ray"))


def test_a_number_of_workers_must_make_sense() -> None:
    assert dict(map_jobs(lone_jobs.square, [3, 4])) == {3: 9, 4: 16}
    with pytest.raises(BadInputError, match="0 workers"):
        list(map_jobs(lone_jobs.square, [1], workers=0))


def test_a_sample_is_made_of_seed_and_number_alone(config: PeopleConfig) -> None:
    # In another order, so that nothing may be left over from the sample before.
    a, b = make_sample(config, 1, 0), make_sample(config, 1, 3)
    assert make_sample(config, 1, 3) == b
    assert make_sample(config, 1, 0) == a
    assert a["photo.jpg"] != make_sample(config, 2, 0)["photo.jpg"]
    assert sorted(a) == ["json", "photo.jpg", "rgba.png", "skeleton.png", "truth.npz"]


def test_a_sample_of_each_split_shows_its_own_identities(config: PeopleConfig) -> None:
    from dataclasses import replace

    for number in range(0, 6, 2):
        told = json.loads(make_sample(config, 0, number)["json"])
        assert "White_F_2" not in told["identity"]
    told = json.loads(make_sample(replace(config, split="validation"), 0, 0)["json"])
    assert told["identity"] == "White_F_2"


def test_atlases_are_swapped_between_heads_of_the_same_kind_only(
    config: PeopleConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(PeopleFolder, "num_pictures", lambda self, name: 2 if name == "Box_F_1_Casual" else 1)
    figure = PeopleFolder.figure

    def note(self: PeopleFolder, name: str, *, atlas_of: str | None = None) -> Figure:
        asked.append((name, atlas_of))
        return figure(self, name, atlas_of=atlas_of)

    monkeypatch.setattr(PeopleFolder, "figure", note)
    for seed in range(12):
        random_figure(config, np.random.default_rng(seed))
    assert {name for name, _ in asked} >= {"Box_F_1_Casual", "Box_F_2_Casual"}
    assert not any(atlas for _, atlas in asked)


class StandInRay(ModuleType):
    """A cluster of one process that goes down at a job, or carries all of them out."""

    class exceptions:
        class RayError(Exception): ...

        class RayTaskError(RayError): ...

    def __init__(self, fatal: int | None = None) -> None:
        super().__init__("ray")
        self.fatal, self.retries, self.open = fatal, None, False

    def is_initialized(self) -> bool:
        return self.open

    def init(self, **_: object) -> None:
        self.open = True

    def shutdown(self) -> None:
        self.open = False

    def remote(self, *, max_retries: int, num_cpus: int) -> Callable:
        self.retries = max_retries
        return lambda work: SimpleNamespace(remote=lambda job: (work, job))

    def wait(self, running: list, num_returns: int) -> tuple[list, list]:
        return running[:num_returns], running[num_returns:]

    def get(self, reference: tuple) -> object:
        work, job = reference
        if job == self.fatal:
            raise self.exceptions.RayError("the node died")
        return work(job)


def test_ray_gets_each_job_with_retries_and_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandInRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    done = dict(map_jobs(lone_jobs.square, [1, 2, 3, 4, 5], workers=2, engine="ray"))
    assert done == {n: n * n for n in range(1, 6)}
    assert ray.retries == 3 and not ray.open


def test_a_cluster_that_goes_down_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = StandInRay(fatal=3)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(WorkerLostError, match="same command again: what is finished is kept"):
        list(map_jobs(lone_jobs.square, [1, 2, 3], workers=1, engine="ray"))
    assert not ray.open
