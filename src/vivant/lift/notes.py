"""Say in plain sentences what was guessed."""

from jaxtyping import Float, Int
from numpy import ndarray

from vivant.lift.evidence import Evidence
from vivant.lift.regions import HEAD, LEFT_ARM, LEFT_FOOT, LEFT_HAND, LEFT_LEG, TRUNK

SEEN = 0.5
"""Trust from which a splat counts as seen."""

MIDDLE = 0.02
"""Metres to either side of the face's middle that both of its halves show."""

WORDS = (
    ("arm", LEFT_ARM),
    ("hand", LEFT_HAND),
    ("leg", LEFT_LEG),
    ("foot", LEFT_FOOT),
)


def tell_guesses(
    part: Int[ndarray, " splats"],
    face: Float[ndarray, " splats"],
    aside: Float[ndarray, " splats"],
    trust: Float[ndarray, " splats"],
    evidence: Evidence,
) -> tuple[str, ...]:
    """Name what the photo does not show.

    Args:
        part: Of each splat on the skin.
        face: 1 on the face.
        aside: Metres from the middle of the body at rest, growing to the person's left.
        trust: What the photo shows.
        evidence: The first look.
    """
    seen = trust > SEEN
    notes = []
    for word, left in WORDS:
        hidden = [
            side
            for side, number in (("left", left), ("right", left + 1))
            if _share(seen, part == number) < 0.06
        ]
        plural = "feet" if word == "foot" else word + "s"
        if len(hidden) == 2:
            notes.append(f"The {plural} are not in the photo: their shape and colour are guessed.")
        elif hidden:
            notes.append(f"The {hidden[0]} {word} is hidden in the photo: it takes after the other one.")
    if _share(seen, face > 0.5) < 0.15:
        notes.append("The face is hardly seen: it is guessed.")
    else:
        for side, sign in (("left", 1), ("right", -1)):
            if _share(seen, (face > 0.5) & (sign * aside > MIDDLE)) < 0.15:
                notes.append(f"The {side} half of the face is turned away or hidden: it is guessed.")
    if _share(seen, (part == TRUNK) | (part == HEAD)) < 0.7:
        covering = "Hair and clothes" if evidence.hair is not None else "The clothes"
        notes.append(f"{covering} are guessed on the side that the photo does not show.")
    return tuple(notes)


def _share(seen: ndarray, mine: ndarray) -> float:
    return float(seen[mine].mean()) if mine.any() else 1.0
