"""Where vivant keeps things between runs, on every system."""

from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Folder of everything that can be made again; it may be deleted at any time."""
    return platformdirs.user_cache_path("vivant", appauthor=False)


def results_folder() -> Path:
    """Folder where stages keep their results, so that a second run resumes."""
    return cache_folder() / "results"


def bytes_within(folder: Path) -> int:
    """Size of all files in a folder; 0 if there is no such folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
