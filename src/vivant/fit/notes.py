"""What the fit had to guess, in plain sentences; `Person.notes` tells what was not seen at all."""

from vivant.fit.quality import fit_quality
from vivant.fit.stages import Case
from vivant.records import Body, Person

ROUGH = 2.5
"""Percent of the person's extent: body points that miss by more make the pose doubtful."""


def tell_guesses(case: Case, focal_before: float, body: Body, strayed: tuple[str, ...]) -> tuple[str, ...]:
    """Name what was assumed and what fits badly.

    Args:
        case: The person and what was used of it.
        focal_before: The focal length that was told at first.
        body: The result.
        strayed: Sides whose hand was found by the mask alone.
    """
    person = case.person
    notes = [*_hands(case, person)]
    notes += [f"The {side} hand was found by the outline only: its fingers are guessed." for side in strayed]
    if case.evidence.stance == "legs unseen":
        notes.append("Straight legs in a natural stance stand in for the legs that the picture does not show.")
    focal = float(case.evidence.camera.focal[0])
    if abs(focal / focal_before - 1) > 0.1:
        notes.append(
            f"The focal length was judged by the person: {focal:.0f} px instead of {focal_before:.0f} px. "
            "If you know it, give --fit.focal-px."
        )
    rough = [s.value for s in fit_quality(person, body) if s.name == "reprojection" and s.value > ROUGH]
    if rough:
        notes.append(f"The body misses the points found by {rough[0]:.1f} % on average: the pose may be wrong.")
    return tuple(notes)


def _hands(case: Case, person: Person) -> list[str]:
    """Hands that were seen, but not surely enough to be followed."""
    used = [hand for hand, _ in case.hands]
    return [
        f"The {side} hand was seen too unsurely ({hand.confidence:.0%}): a relaxed hand is used."
        for side, hand in (("left", person.left_hand), ("right", person.right_hand))
        if hand is not None and not any(hand is one for one in used)
    ]
