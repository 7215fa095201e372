import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vivant import doctor
from vivant.cli import main
from vivant.core.errors import MissingExtraError

Vivant = Callable[..., tuple[int, str, str]]


def test_everything_works_here() -> None:
    findings = {finding.subject: finding for finding in doctor.examine()}
    broken = [finding for finding in findings.values() if finding.state == "broken"]
    assert broken == []
    assert "0 people" in findings["MediaPipe"].told
    assert "104 joints" in findings["body model"].told
    assert "kernels compile and run" in findings["numba"].told


def test_a_broken_library_is_told_and_makes_the_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vivant.engines import catalog

    def fail(name: str) -> None:
        raise MissingExtraError("libGL.so.1 is not here.")

    monkeypatch.setattr(catalog, "load_vision", fail)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "libGL.so.1" in out and "does not work here" in out


def test_a_missing_extra_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", (("dreams", "no_such_module_at_all", "dreaming"),))
    finding = doctor.examine()[-1]
    assert finding.state == "missing" and "pip install vivant[dreams]" in finding.told
    assert doctor.works((finding,))


def test_every_engine_is_told_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    out = capsys.readouterr().out
    assert "mediapipe 0.10.21" in out and "Apache-2.0" in out
    assert "anny" in out and "CC0" in out
    assert "ffmpeg" in out and "GPL-3.0" in out


def test_every_extra_for_users_is_told() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"]) - {"dev"}
    assert {extra for extra, _, _ in doctor.EXTRAS} == extras


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["works"] is True
    assert {"subject", "state", "told"} == set(told["findings"][0])
