"""Machine code is kept where it may be, named by what it was made from, and made anyway where it may not."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from vivant.core import jit

SCRIPT = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from vivant.core.jit import kernel

@kernel
def add(a, b):
    return a + b

print(add(1, 2), sum(add.stats.cache_hits.values()))
"""


def run(script: Path, cache: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the cache's place is set the Linux way")
def test_a_second_process_finds_the_machine_code_and_says_nothing(script: Path, tmp_path: Path) -> None:
    first, second = (run(script, tmp_path / "cache") for _ in range(2))
    assert "Compiling for this machine" in first
    assert first.endswith("3 0\n")
    assert second == "3 1\n"


@pytest.mark.skipif(sys.platform != "linux", reason="the cache's place is set the Linux way")
def test_a_home_that_cannot_be_written_is_no_hindrance(script: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert run(script, tmp_path / "file" / "cache").endswith("3 0\n")


def test_the_folder_is_named_by_all_that_the_module_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "vivant"
    (root / "room").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "room" / "__init__.py").write_text("")
    (root / "room" / "kernels.py").write_text("from vivant.room import (\n    sizes,\n)\n")
    (root / "room" / "sizes.py").write_text("SIZE = 1\n")
    (root / "room" / "other.py").write_text("SIZE = 1\n")
    monkeypatch.setattr(jit.vivant, "__file__", str(root / "__init__.py"))
    before = jit._digest("vivant.room.kernels")
    (root / "room" / "other.py").write_text("SIZE = 2\n")
    jit._source.cache_clear()
    assert jit._digest("vivant.room.kernels") == before
    (root / "room" / "sizes.py").write_text("SIZE = 2\n")
    jit._source.cache_clear()
    assert jit._digest("vivant.room.kernels") != before


def test_old_machine_code_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age in range(5):
        folder = tmp_path / "kernels" / f"vivant.none-{age}"
        folder.mkdir(parents=True)
        os.utime(folder, (age, age))
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    newest = jit.kernel_folder.__wrapped__("vivant.none")
    assert sorted(f.name for f in (tmp_path / "kernels").iterdir()) == sorted(
        [newest.name, "vivant.none-3", "vivant.none-4"]
    )


def test_numbas_own_setting_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    before = numba.config.CACHE_DIR
    jit.kernel(lambda value: value)
    assert before == numba.config.CACHE_DIR
