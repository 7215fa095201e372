"""One body for all tests of this room."""

import pytest

from vivant.body import AnnyModel, load_anny
from vivant.records import Rig


@pytest.fixture(scope="session")
def model() -> AnnyModel:
    return load_anny()


@pytest.fixture(scope="session")
def rig(model: AnnyModel) -> Rig:
    return model.rig(model.default_shape())
