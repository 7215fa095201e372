"""Who is meant, and what is said when that is not clear."""

import numpy as np
import pytest

from vivant.core.errors import ManyPersonsError, NoPersonError
from vivant.engines.jobs import FaceSeen, HandSeen, PersonSeen, PoseSeen, Region
from vivant.perceive.choice import choose_person
from vivant.perceive.framing import frame_whole
from vivant.perceive.people import Crowd, Found

PIXELS = np.zeros((400, 800, 3), np.uint8)


class Sees:
    """An engine that sees a face or a hand, or nothing."""

    def __init__(self, faces: bool = False, hand: bool = False) -> None:
        self.faces, self.hand = faces, hand

    def see_people(self, pixels: np.ndarray) -> list[PersonSeen]:
        return []

    def see_pose(self, pixels: np.ndarray, region: Region) -> PoseSeen | None:
        return None

    def see_faces(self, pixels: np.ndarray) -> list[tuple[float, float, float, float]]:
        return [(0.0, 0.0, 9.0, 9.0)] if self.faces else []

    def see_face(self, pixels: np.ndarray) -> FaceSeen | None:
        return None

    def see_hand(self, pixels: np.ndarray) -> HandSeen | None:
        points = np.zeros((21, 2), np.float32)
        return HandSeen(points, np.zeros((21, 3), np.float32), True, 0.9) if self.hand else None


def someone(x: float, height: int, **but: object) -> Found:
    mask = np.zeros((400, 800), bool)
    mask[20 : 20 + height, int(x) - 10 : int(x) + 10] = True
    told = {
        "disagreement": 0.006, "overlap": 0.97, "bones_inside": 1.0, "visibility": 0.95,
        "has_face": True, "torso_shown": 1.0, "points_shown": 10,
    }  # fmt: skip
    return Found(Region((x, 20.0 + height / 2), 1.25 * height), mask, **{**told, **but})


def choose(
    *people: Found, wanted: int | None = None, engine: Sees | None = None
) -> tuple[Found, tuple[str, ...]]:
    crowd = Crowd(people, frame_whole((800, 400), 800))
    return choose_person(engine or Sees(), PIXELS, crowd, wanted, 96)


def test_the_only_person_is_chosen_without_a_word() -> None:
    one = someone(300.0, 300)
    assert choose(one) == (one, ())


def test_a_person_far_larger_than_all_others_is_chosen_with_a_note() -> None:
    left, large, right = someone(100.0, 100), someone(300.0, 350), someone(500.0, 100)
    chosen, (note,) = choose(left, large, right)
    assert chosen is large
    assert "2 smaller people" in note and "--person" in note


def test_several_people_are_not_chosen_among() -> None:
    with pytest.raises(ManyPersonsError, match=r"^3 people .* 2 of them large.*--person N.*left"):
        choose(someone(100.0, 300), someone(300.0, 200), someone(500.0, 100))


def test_people_are_numbered_from_the_left() -> None:
    people = [someone(100.0, 300), someone(300.0, 200), someone(500.0, 300)]
    assert [choose(*people, wanted=n)[0] for n in (1, 2, 3)] == people


@pytest.mark.parametrize("wanted", [0, 3, -1])
def test_a_number_that_nobody_has_is_refused(wanted: int) -> None:
    with pytest.raises(NoPersonError, match=f"Person {wanted} was asked for, but the photo shows 2"):
        choose(someone(100.0, 300), someone(300.0, 200), wanted=wanted)


def test_a_dog_beside_a_person_does_not_count() -> None:
    girl = someone(200.0, 300, disagreement=0.017, visibility=0.8)
    dog = someone(400.0, 320, disagreement=0.025, bones_inside=0.65, has_face=False)
    assert choose(girl, dog) == (girl, ())


def test_someone_unlikely_is_taken_alone_and_told() -> None:
    statue = someone(200.0, 300, disagreement=0.05, has_face=False)
    chosen, (note,) = choose(statue)
    assert chosen is statue
    assert "not certain" in note


def test_a_person_too_small_is_refused_with_both_sizes() -> None:
    with pytest.raises(NoPersonError, match=r"60 px tall; at least 96 px.*--perceive.min-height"):
        choose(someone(300.0, 60))


@pytest.mark.parametrize(
    ("engine", "people", "told"),
    [
        (Sees(), (), "No person was found"),
        (Sees(faces=True), (), "Only a face"),
        (Sees(hand=True), (), "Only a hand"),
        (Sees(faces=True), (someone(300.0, 300, torso_shown=0.2),), "Only the head and shoulders"),
        (Sees(hand=True), (someone(300.0, 300, disagreement=0.3, visibility=0.5),), "Only a hand"),
        (Sees(hand=True), (someone(300.0, 300, disagreement=0.3),), "Something like a person"),
    ],
)
def test_what_was_seen_instead_is_told(engine: Sees, people: tuple[Found, ...], told: str) -> None:
    with pytest.raises(NoPersonError, match=told):
        choose(*people, engine=engine)
