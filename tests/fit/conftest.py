"""What several tests of the fit share."""

from collections.abc import Iterator

import pytest
import torch

from vivant.networks.limbs import LIMBS, Pointing, detected
from vivant.records import Person


@pytest.fixture(scope="module")
def detector_without_habits() -> Iterator[None]:
    """Take made-up points as they are: they have none of the habits that are learned of the real detector."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vivant.fit.evidence.point_limbs", as_detected)
        yield


def as_detected(person: Person) -> Pointing:
    return Pointing(detected(person.keypoints_world[None], LIMBS), torch.full((1, len(LIMBS)), 0.2))
