"""Samples in tar files, as WebDataset reads them, with a manifest that says what they are.

A shard is a job: it is made whole and renamed, or not at all. So a killed run goes on where it was, and the
shards are the same, bit for bit, whoever made them.
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import vivant
from vivant.core import store
from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.dataset.jobs import Engine, map_jobs
from vivant.dataset.people import LICENCE as PEOPLE_LICENCE
from vivant.dataset.samples import PeopleConfig, make_sample
from vivant.dataset.truth import SCHEMA
from vivant.dataset.wardrobe import LICENCE as WARDROBE_LICENCE

Maker = Callable[[PeopleConfig, int, int], dict[str, bytes]]


@dataclass(frozen=True)
class ShardJob:
    """One tar file to be made."""

    path: Path
    first: int
    count: int
    seed: int
    config: PeopleConfig
    make: Maker = make_sample


@dataclass(frozen=True)
class Shard:
    """One tar file that is there."""

    name: str
    first: int
    samples: int
    bytes: int
    sha256: str


def write_people(
    context: Context, config: PeopleConfig, folder: Path, count: int, *, seed: int = 0, workers: int = 1,
    engine: Engine = "processes", per_shard: int = 128, make: Maker = make_sample,
) -> Path:  # fmt: skip
    """Make a data set of people; what an earlier run of the same data set finished is kept.

    Args:
        context: Told about progress.
        config: What it consists of.
        folder: Where to.
        count: Samples.
        seed: Of everything random.
        workers: How many at once; the result does not depend on it.
        engine: Where they work.
        per_shard: Samples in a tar file.
        make: Makes one sample.

    Returns:
        The manifest's path.

    Raises:
        BadInputError: If a number is out of range, or the folder holds another data set.
        OutputError: If the folder cannot be written.
        VivantError: If people, clothes or motions are damaged.
    """
    if not (1 <= count <= 100_000_000 and 1 <= per_shard <= 100_000):
        raise BadInputError(f"{count} samples in shards of {per_shard}: at least 1 and at most 100 million.")
    told = _told(config, seed, per_shard)
    _begin(folder, told)
    numbers = range(0, count, per_shard)
    jobs = [
        ShardJob(folder / f"people-{i:06d}.tar", n, min(per_shard, count - n), seed, config, make)
        for i, n in enumerate(numbers)
    ]
    found = {job.path.name: _finished(job) for job in jobs}
    left = [job for job in jobs if found[job.path.name] is None]
    done = len(jobs) - len(left)
    if done:
        context.note(f"{done} of {len(jobs)} shards were there already.")
    for job, shard in map_jobs(write_shard, left, workers=workers, engine=engine):
        found[job.path.name] = shard
        done += 1
        context.advance(done / len(jobs), f"{done} of {len(jobs)} shards")
    shards = [shard for shard in found.values() if shard is not None]
    expect_counts("write_people", shards=len(shards), jobs=len(jobs))
    manifest = {**told, "samples": count, "shards": [vars(shard) for shard in shards]}
    path = folder / "manifest.json"
    with store.writing(path) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return path


def write_shard(job: ShardJob) -> Shard:
    """Make one tar file, and beside it a note of its sum.

    Raises:
        OutputError: If it cannot be written.
    """
    _be_modest()
    with store.writing(job.path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(job.first, job.first + job.count):
            for suffix, content in job.make(job.config, job.seed, number).items():
                # No time, no owner: the same samples give the same file.
                entry = tarfile.TarInfo(f"{number:09d}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    shard = Shard(job.path.name, job.first, job.count, job.path.stat().st_size, file_digest(job.path))
    with store.writing(_note(job.path)) as temporary:
        temporary.write_text(json.dumps(vars(shard)), encoding="utf-8")
    return shard


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    mixed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            mixed.update(chunk)
    return mixed.hexdigest()


def _be_modest() -> None:
    """One thread a worker: they share the machine, and sums come out alike."""
    import torch

    os.environ["VIVANT_THREADS"] = "1"
    torch.set_num_threads(1)


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _finished(job: ShardJob) -> Shard | None:
    """What an earlier run made, if it is whole."""
    try:
        shard = Shard(**json.loads(_note(job.path).read_text(encoding="utf-8")))
        same = (shard.first, shard.samples, shard.bytes) == (job.first, job.count, job.path.stat().st_size)
    except (OSError, ValueError, TypeError):
        return None
    return shard if same and file_digest(job.path) == shard.sha256 else None


def _told(config: PeopleConfig, seed: int, per_shard: int) -> dict[str, object]:
    """What makes two data sets the same; folders count by what lies in them, not by where they are."""
    settings = {f.name: getattr(config, f.name) for f in fields(config)}
    named = {k: (v.name if isinstance(v, Path) else v) for k, v in settings.items()}
    licences = []
    if config.people_folder is not None:
        licences.append(PEOPLE_LICENCE)
    if config.wardrobe_folder is not None:
        licences.append(WARDROBE_LICENCE)
    return {
        "schema": SCHEMA,
        "vivant": vivant.__version__,
        "seed": seed,
        "per_shard": per_shard,
        "config": named,
        "licences": licences,
        "files_of_a_sample": {
            "photo.jpg": "what a camera would have taken",
            "rgba.png": "the person alone: sRGB, straight alpha",
            "skeleton.png": "bones of the anny body on black",
            "truth.npz": "depth_tenth_mm (0: nothing); normal_127, guide_normal_127 (camera axes, times 127); "
            "canonical_color (sRGB at the vertices of the anny body)",
            "json": "camera (OpenCV), pose and shape of the anny body, joints, light, figure, licence",
        },
    }


def _begin(folder: Path, told: dict[str, object]) -> None:
    """Mark the folder with what is being made in it; refuse a folder of another data set."""
    mark = folder / "dataset.json"
    text = json.dumps(told, sort_keys=True)
    # A run that ended before its first shard, for a wrong --people-folder say, left nothing worth keeping.
    if mark.is_file() and any(folder.glob("people-*.tar")):
        if mark.read_text(encoding="utf-8", errors="replace") != text:
            raise BadInputError(
                f"{folder} holds a data set with other settings (see dataset.json there). "
                "Choose another --out, or remove that folder."
            )
        return
    store.expect_writable(mark)
    with store.writing(mark) as temporary:
        temporary.write_text(text, encoding="utf-8")
