"""The bundled sample photo, its person, and pictures made of it."""

import importlib.resources
from pathlib import Path

import numpy as np
import pytest

from vivant.core.images import read_picture
from vivant.core.run import Context
from vivant.engines import load_vision
from vivant.engines.jobs import VisionEngine
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.records import Person, Photo


@pytest.fixture(scope="session")
def engine() -> VisionEngine:
    return load_vision("mediapipe")


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """A woman from head to foot, 960 x 1280."""
    return Path(str(importlib.resources.files("vivant.recipes") / "assets" / "sample.jpg"))


@pytest.fixture(scope="session")
def sample(sample_path: Path) -> np.ndarray:
    """The sample at half its size: quick to look at."""
    return read_picture(sample_path, 640).pixels


@pytest.fixture(scope="session")
def sample_photo(sample_path: Path) -> Photo:
    return read_photo(sample_path, 640)


@pytest.fixture(scope="session")
def sample_person(sample_photo: Photo) -> Person:
    return perceive(Context(), sample_photo, PerceiveConfig())
