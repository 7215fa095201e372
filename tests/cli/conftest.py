from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.animate import Shot
from vivant.cli import main
from vivant.core.images import write_image
from vivant.evaluate import Section


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fakes.Stages:
    """The quick recipe with stand-ins, a cache folder of its own, a short preview and report."""
    from vivant.core import folders
    from vivant.recipes import deliver, pictures, table

    for module in (folders, table):
        monkeypatch.setattr(module, "results_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(pictures, "TALL", 64)
    monkeypatch.setattr(pictures, "FACE", 48)
    monkeypatch.setattr(deliver, "report_sections", lambda *goods: (Section("The avatar", "", goods[5:6]),))
    monkeypatch.setattr(deliver, "PREVIEW", Shot(60, 80))
    monkeypatch.setattr(deliver, "PREVIEW_TURN", 2)
    monkeypatch.setattr(deliver, "PREVIEW_FPS", 1.0)
    made = fakes.Stages()
    made.install(monkeypatch)
    return made


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture file; what is in it does not matter to stand-ins."""
    folder = tmp_path / "photos"
    folder.mkdir()
    write_image(torch.rand(64, 48, 3, generator=torch.Generator().manual_seed(0)), folder / "me.png")
    return folder / "me.png"


@pytest.fixture
def vivant(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line; gives exit code, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run
