from pathlib import Path

import pytest

from vivant.core import folders


def test_results_lie_in_the_cache() -> None:
    assert folders.results_folder().parent == folders.cache_folder()
    assert folders.cache_folder().name == "vivant"


def test_bytes_are_counted_in_all_depths(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"4567")
    assert folders.bytes_within(tmp_path) == 7
    assert folders.bytes_within(tmp_path / "none") == 0


@pytest.mark.parametrize("name", ["cache_folder", "results_folder"])
def test_asking_makes_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    getattr(folders, name)()
    assert list(tmp_path.iterdir()) == []
