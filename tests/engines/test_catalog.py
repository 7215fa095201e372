"""The table of engines."""

from pathlib import Path

import pytest

import vivant.engines.jobs as jobs
from vivant.core.errors import BadInputError
from vivant.engines import ENGINES, load_vision


def test_each_engine_is_named_once_and_does_a_job_there_is() -> None:
    names = [engine.name for engine in ENGINES]
    assert len(names) == len(set(names))
    assert all(hasattr(jobs, engine.job) for engine in ENGINES)


def test_embedded_engines_may_be_used_by_everybody() -> None:
    free = {"Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0"}
    assert all(engine.licence in free for engine in ENGINES if engine.tier == "embedded")


def test_the_version_told_is_the_version_pinned() -> None:
    pinned = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    for engine in ENGINES:
        if engine.tier == "embedded" and engine.library != "vivant":
            assert f"{engine.library}=={engine.version}" in pinned


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BadInputError, match="mediapipe"):
        load_vision("eyes")


def test_the_engine_that_sees_does_its_job() -> None:
    assert isinstance(load_vision("mediapipe"), jobs.VisionEngine)
