"""What all tests share."""

import os
from pathlib import Path

# Before torch is loaded: its waiting threads would slow down everything beside them.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import hypothesis
import pytest
import torch

ROOT = Path(__file__).parents[1]

# The same examples in every run, however busy the machine; `--hypothesis-profile default` draws others.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Photos and data beside the repository; tests that need them are skipped where they are absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "photos").is_dir():
        pytest.skip("the folder ../shared with photos and data is not here")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    torch.set_num_threads(1)
