import json
from collections.abc import Callable
from pathlib import Path

Vivant = Callable[..., tuple[int, str, str]]


def test_a_rehearsal_makes_weights_and_a_log(tmp_path: Path, vivant: Vivant) -> None:
    out = tmp_path / "made"
    code, told, _ = vivant(
        "train", "lifter", "--size", "rehearsal", "--minutes", "0.02", "-o", str(out), "--device", "cpu"
    )
    assert code == 0
    assert "lifter.safetensors" in told and "baseline" in told
    assert {path.name for path in out.iterdir()} == {
        "lifter.safetensors", "log.html", "log.jsonl", "state.safetensors"
    }  # fmt: skip


def test_missing_people_are_told(tmp_path: Path, vivant: Vivant) -> None:
    arguments = ("train", "nerf", "--size", "rehearsal", "--wearers", str(tmp_path / "none"), "--json")
    code, out, _ = vivant(*arguments, "-o", str(tmp_path / "made"))
    assert code == 2
    assert "bake_wearers" in json.loads(out.splitlines()[-1])["message"]
