import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import fakes
from tests.dataset.conftest import write_boxes
from tests.evaluate.test_backbones import Means, saved

from vivant.cli import photographs
from vivant.dataset import fitted, trial
from vivant.evaluate import PHOTO_METRICS, backbones, load_benchmark

Vivant = Callable[..., tuple[int, str, str]]


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two made-up people, small pictures of them, and one new pose."""
    monkeypatch.setattr(fitted, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(fitted, "STEPS", 4)
    monkeypatch.setattr(trial, "PHOTO_SIZE", (72, 96))
    monkeypatch.setattr(trial, "VIEW_SIZE", 64)
    monkeypatch.setattr(trial, "NEW_POSES", 1)
    (tmp_path / "people").mkdir()
    for number in (1, 2):
        write_boxes(tmp_path / "people", f"Box_F_{number}_Casual", number)
    return tmp_path / "people"


def test_the_truth_is_measured_and_two_results_are_compared(
    vivant: Vivant, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "made"
    arguments = ("--recipe", "truth", "--people", "2", "--people-folder", people)
    code, told, _ = vivant("evaluate", *arguments, "-o", out)
    assert code == 0
    assert str(out / "truth.json") in told
    result = load_benchmark(out / "truth.json")
    assert {row.person for row in result.rows} == {"Box_F_1_Casual", "Box_F_2_Casual"}
    assert min(row.value for row in result.rows if row.metric == "psnr") > 40
    page = (out / "truth.html").read_text()
    assert "Box_F_2_Casual: mean PSNR" in page
    assert "data:image/jpeg" in page
    assert "input, not aligned" in page

    worse = json.loads((out / "truth.json").read_text())
    for row in worse["rows"]:
        row["value"] -= 3.0 if row["metric"] == "psnr" else 0.0
    (tmp_path / "worse.json").write_text(json.dumps({**worse, "recipe": "worse"}))
    code, told, _ = vivant("evaluate", out / "truth.json", tmp_path / "worse.json", "-o", tmp_path / "both")
    assert code == 0
    assert str(tmp_path / "both" / "comparison.html") in told
    assert "class='worse'>-3.00" in (tmp_path / "both" / "comparison.html").read_text()


def test_who_cannot_be_seen_in_the_photo_is_listed_not_fatal(
    vivant: Vivant, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vivant import perceive
    from vivant.core.errors import NoPersonError

    def nobody(context: object, photo: object, config: object) -> None:
        raise NoPersonError("Nobody is in the photo.")

    monkeypatch.setattr(perceive, "perceive", nobody)
    arguments = ("--recipe", "billboard", "--people", "1", "--people-folder", people)
    code, _, _ = vivant("evaluate", *arguments, "-o", tmp_path / "made")
    assert code == 0
    assert load_benchmark(tmp_path / "made" / "billboard.json").failures == (
        ("Box_F_1_Casual", "Nobody is in the photo."),
    )


def test_an_unknown_recipe_is_told_before_anybody_is_drawn(
    vivant: Vivant, people: Path, tmp_path: Path
) -> None:
    code, _, err = vivant("evaluate", "--recipe", "slow", "--people-folder", people, "-o", tmp_path / "made")
    assert code == 2
    assert "slow" in err


def test_photos_are_measured_against_themselves(
    vivant: Vivant, stages: fakes.Stages, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photographs, "TURN_VIEWS", 4)
    monkeypatch.setattr(photographs, "TURN_SIZE", 48)
    (photo.parent / "damaged.jpg").write_bytes(b"\xff\xd8nothing")
    code, _, _ = vivant("evaluate", "--photos", photo.parent, "-o", tmp_path / "made")
    assert code == 0
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo"]
    result = load_benchmark(tmp_path / "made" / "quick-photos.json")
    assert {row.person for row in result.rows} == {"me.png"}
    assert {row.metric for row in result.rows} == set(PHOTO_METRICS)
    assert [name for name, _ in result.failures] == ["damaged.jpg"]
    page = (tmp_path / "made" / "quick-photos.html").read_text()
    assert "Photographs against themselves" in page
    assert "In other poses" not in page


def test_a_folder_without_photos_is_told(vivant: Vivant, tmp_path: Path) -> None:
    code, _, err = vivant("evaluate", "--photos", tmp_path / "none", "-o", tmp_path / "made")
    assert code == 2
    assert "holds no photos" in err


def test_networks_of_the_users_own_measure_views_and_turns(
    vivant: Vivant, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (backbones, trial):
        monkeypatch.setattr(module, "CLIP_FRAMES", 2)
        monkeypatch.setattr(module, "SIZES", {"clip": 64, "fid": 64, "fvd": 64})
    fid = saved(tmp_path / "fid.pt2", Means(), (1, 3, 64, 64))
    fvd = saved(tmp_path / "fvd.pt2", Means(), (1, 3, 2, 64, 64))
    arguments = ("--recipe", "truth", "--people", "2", "--people-folder", people, "--fid", fid, "--fvd", fvd)
    code, _, _ = vivant("evaluate", *arguments, "-o", tmp_path)
    assert code == 0
    result = load_benchmark(tmp_path / "truth.json")
    found = {row.metric: row.value for row in result.rows if row.region == "set"}
    assert set(found) == {"fid", "fvd"}
    assert max(found.values()) < 1e-4, "the truth is as far from itself as nothing"
    told = dict(result.facts)
    assert told["FID"].startswith("fid.pt2, SHA-256 ")
    assert told["not measured"].startswith("LPIPS, CLIP: ")


def test_a_network_that_is_not_there_is_told_before_anybody_is_drawn(
    vivant: Vivant, people: Path, tmp_path: Path
) -> None:
    for wrong in ("--lpips", "--clip", "--fid", "--fvd"):
        code, _, told = vivant("evaluate", "--people-folder", people, wrong, tmp_path / "none", "-o", tmp_path)
        assert code != 0 and "none does not exist" in told
    code, _, told = vivant("evaluate", "--photos", tmp_path, "--lpips", tmp_path / "none", "-o", tmp_path)
    assert code != 0 and "without --photos" in told
