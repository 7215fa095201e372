"""What was guessed is told."""

import pytest
from tests.lift.synthetic import make_truth

from vivant.core.run import Context
from vivant.lift import LiftConfig, lift
from vivant.records import Avatar


def test_a_face_seen_from_the_front_has_no_guessed_half(avatar: Avatar) -> None:
    assert not any("face" in note for note in avatar.origin.notes)


@pytest.mark.parametrize(("turn", "side"), [(1.25, "left"), (-1.25, "right")])
def test_the_hidden_half_of_a_face_in_profile_is_told(turn: float, side: str) -> None:
    truth = make_truth(height=480, turn=turn, logo=False)
    avatar = lift(Context(), truth.person, truth.body, LiftConfig(splats=20_000))
    told = [note for note in avatar.origin.notes if "half of the face" in note]
    assert told == [f"The {side} half of the face is turned away or hidden: it is guessed."]
