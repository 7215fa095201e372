import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.dataset.conftest import write_boxes

from vivant.dataset import fitted

Vivant = Callable[..., tuple[int, str, str]]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one made-up person; the body inside is found roughly, which is quick."""
    monkeypatch.setattr(fitted, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(fitted, "STEPS", 4)
    (tmp_path / "people").mkdir()
    write_boxes(tmp_path / "people", "Box_F_1_Casual")
    return tmp_path / "people"


def test_samples_and_a_manifest_are_written_and_told(vivant: Vivant, people: Path, tmp_path: Path) -> None:
    arguments = ("--people-folder", people, "--count", "3", "--per-shard", "2", "--size", "64", "--views", "4")
    code, out, _ = vivant("dataset", "people", *arguments, "-o", tmp_path / "made")
    assert code == 0
    assert str(tmp_path / "made" / "manifest.json") in out
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    assert [shard["samples"] for shard in manifest["shards"]] == [2, 1]
    with tarfile.open(tmp_path / "made" / manifest["shards"][1]["name"]) as tar:
        truth = tar.extractfile("000000002.truth.npz")
        with np.load(io.BytesIO(truth.read())) as arrays:
            assert arrays["depth_tenth_mm"].shape == (64, 64)


def test_a_preview_is_one_picture(vivant: Vivant, people: Path, tmp_path: Path) -> None:
    arguments = ("--people-folder", people, "--count", "2", "--size", "64", "--views", "1", "--preview")
    code, _, _ = vivant("dataset", "people", *arguments, "-o", tmp_path / "made")
    assert code == 0
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["preview.jpg"]


def test_nobody_to_show_is_told_with_what_to_give(vivant: Vivant, tmp_path: Path) -> None:
    code, _, err = vivant("dataset", "people", "-o", tmp_path / "made")
    assert code == 2
    assert "--people-folder" in err
    assert not (tmp_path / "made").exists()
