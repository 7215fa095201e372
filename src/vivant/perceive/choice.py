"""Which of the people in the photo is meant."""

import numpy as np

from vivant.core.errors import ManyPersonsError, NoPersonError
from vivant.engines.jobs import Pixels, VisionEngine
from vivant.perceive.people import Crowd, Found

SMALL = 0.35
"""People below this part of the largest one's size are background."""

ENOUGH_TORSO = 0.4
"""Of the way from the shoulders to the hips, so much must be in the picture."""


def choose_person(
    engine: VisionEngine, pixels: Pixels, crowd: Crowd, wanted: int | None, min_height: int
) -> tuple[Found, tuple[str, ...]]:
    """Give the person meant, and what the user should know about the choice.

    Raises:
        NoPersonError: If there is nobody, too little of somebody, too small a person, or fewer than asked for.
        ManyPersonsError: If several are there and none was asked for.
    """
    seen = [person for person in crowd.people if person.is_sure]
    seen = seen or sorted((p for p in crowd.people if p.is_likely), key=lambda p: -p.size)[:1]
    whole = [person for person in seen if person.torso_shown >= ENOUGH_TORSO]
    if not whole:
        raise NoPersonError(_what_was_seen(engine, pixels, crowd, bool(seen)))
    large = [person for person in whole if _height(person, crowd) >= min_height]
    if not large:
        tallest = max(_height(person, crowd) for person in whole)
        raise NoPersonError(
            f"The person is {tallest:.0f} px tall; at least {min_height} px are needed. "
            "Use a larger photo, or lower --perceive.min-height and expect a blurry face."
        )
    chosen, notes = _pick(large, wanted)
    if not chosen.is_sure:
        notes += ("It is not certain that this is a person: the body's points are uncertain.",)
    return chosen, notes


def _pick(people: list[Found], wanted: int | None) -> tuple[Found, tuple[str, ...]]:
    if wanted is not None:
        if not 1 <= wanted <= len(people):
            raise NoPersonError(
                f"Person {wanted} was asked for, but the photo shows {len(people)}. "
                f"Use --person with a number from 1 (leftmost) to {len(people)}."
            )
        return people[wanted - 1], ()
    largest = max(people, key=lambda person: person.size)
    rivals = sum(person.size >= SMALL * largest.size for person in people)
    if rivals > 1:
        large = "" if rivals == len(people) else f", {rivals} of them large"
        raise ManyPersonsError(
            f"{len(people)} people are in the photo{large}. "
            f"Say which one you mean with --person N, counted from left (1) to right ({len(people)})."
        )
    if len(people) == 1:
        return largest, ()
    others = len(people) - 1
    told = "One smaller person" if others == 1 else f"{others} smaller people"
    return largest, (f"{told} in the background left out; --person N chooses another, counted from the left.",)


def _height(person: Found, crowd: Crowd) -> float:
    """What the photo shows of the person, in the photo's pixels."""
    rows, columns = np.nonzero(person.mask)
    return float(max(np.ptp(rows), np.ptp(columns)) + 1) * crowd.frame.scale


def _what_was_seen(engine: VisionEngine, pixels: Pixels, crowd: Crowd, head: bool) -> str:
    need = "A person is needed from head to hips at least, better to the feet."
    advice = "Use a photo taken from further away."
    if head:
        return f"Only the head and shoulders of a person are in the photo. {need} {advice}"
    if any(person.has_outline for person in crowd.people):
        return (
            "Something like a person is in the photo, but two looks at it do not agree where its limbs are. "
            "A person is needed whose front can be told from the back: use a photo that shows the face."
        )
    if engine.see_faces(pixels) or engine.see_face(pixels) is not None:
        return f"Only a face was found in the photo. {need} {advice}"
    if engine.see_hand(pixels) is not None:
        return f"Only a hand was found in the photo. {need} {advice}"
    return f"No person was found in the photo. {need} If there is one, crop the photo round that person."
