"""The photo that comes with vivant, seen by the real engine."""

import pytest

from vivant.core.run import Context
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.recipes import sample_photo
from vivant.records import Person


@pytest.fixture(scope="module")
def person() -> Person:
    return perceive(Context(), read_photo(sample_photo()), PerceiveConfig())


def test_it_is_small_and_its_licence_lies_beside_it() -> None:
    assert sample_photo().stat().st_size < 300_000
    licence = (sample_photo().parent / "LICENSE.md").read_text(encoding="utf-8")
    assert "MIT" in licence and "10.3389/frvir.2023.1248915" in licence


def test_one_person_is_found_from_head_to_foot(person: Person) -> None:
    assert {"head", "left_foot", "right_foot", "left_hand", "right_hand"} <= set(person.visible_parts)
    assert person.height_px > 800


def test_face_and_both_hands_are_found(person: Person) -> None:
    assert person.face is not None
    assert person.left_hand is not None and person.right_hand is not None
