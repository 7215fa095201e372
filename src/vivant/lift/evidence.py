"""First facts about the person's looks, from the bare body before the photo: skin, hair, shoes, gloves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vivant.lift.charts import oklab_from_srgb
from vivant.lift.regions import HEAD, LEFT_FOOT, LEFT_HAND, RIGHT_FOOT, RIGHT_HAND, TRUNK, Regions
from vivant.lift.sight import Sight

SEEN = 0.35
"""Trust from which a place tells something."""

ALIKE = 0.075
"""Colours nearer than this in Oklab, brightness counting a quarter, may be the same material."""

BALD = 0.05
"""A crown whose colour is nearer to the face's than this carries no hair."""

MIDDLE_SKIN = (0.72, 0.56, 0.47)
"""Where no skin is seen at all."""


@dataclass(frozen=True)
class Evidence:
    """What the photo tells at a first look."""

    skin: Float[ndarray, "3"]
    """The face's colour."""

    hair: Float[ndarray, "3"] | None
    """Colour of hair or hat; None for a bald head or one that was not seen."""

    shod: bool
    """Whether the feet wear shoes."""

    gloved: bool
    """Whether hands were seen, and none of them had the colour of the face."""

    hand: Float[ndarray, "3"]
    """The hands' colour: the skin's, or the gloves'."""

    dressed: bool
    """Whether most of the trunk is not skin."""


def gather(
    sight: Sight, regions: Regions, height: Float[ndarray, " verts"], visible_parts: tuple[str, ...] = ()
) -> Evidence:
    """Judge the colours at the skin's vertices.

    Args:
        sight: What the photo shows at each vertex.
        regions: What each vertex is.
        height: Of each vertex at rest, in metres.
        visible_parts: Those that the photo shows, if that is known; hands it does not show tell nothing.
    """
    seen = sight.trust > SEEN
    face = seen & (regions.face > 0.8)
    # Eyes, brows and beards are darker than the face is: its brighter half is skin.
    skin = np.array(MIDDLE_SKIN)
    if face.sum() >= 10:
        bright = sight.color[face].sum(1)
        skin = np.median(sight.color[face][bright >= np.percentile(bright, 40)], 0)
    fleshy = like(sight.color, skin)
    head = regions.part == HEAD
    crown = seen & (regions.scalp > 0.5) & (height > np.percentile(height[head], 75))
    hair = None
    if crown.sum() >= 8:
        hair = np.median(sight.color[crown], 0)
        # A bald crown is as bright as the face or brighter.
        apart = (oklab_from_srgb(hair[None]) - oklab_from_srgb(skin[None]))[0]
        hair = (
            hair
            if np.linalg.norm(apart * [0.7, 1, 1]) > BALD and apart[0] < 0.1 or np.linalg.norm(apart[1:]) > BALD
            else None
        )
    feet = [
        foot
        for foot in (seen & (regions.part == LEFT_FOOT), seen & (regions.part == RIGHT_FOOT))
        if foot.sum() >= 10
    ]
    shown = [not visible_parts or name in visible_parts for name in ("left_hand", "right_hand")]
    hands = [
        seen & (regions.part == hand)
        for hand, there in zip((LEFT_HAND, RIGHT_HAND), shown, strict=True)
        if there
    ]
    hands = [hand for hand in hands if hand.sum() >= 10]
    gloved = len(hands) > 0 and max(float(fleshy[hand].mean()) for hand in hands) < 0.5
    trunk = seen & (regions.part == TRUNK)
    return Evidence(
        skin=skin,
        hair=hair,
        # Nobody wears one shoe; polished leather shows the ground, which may have the colour of skin.
        shod=not feet or any(float(fleshy[foot].mean()) < 0.5 for foot in feet),
        gloved=gloved,
        hand=_plainest(sight.color, hands) if gloved else skin,
        dressed=int(trunk.sum()) < 10 or float(fleshy[trunk].mean()) < 0.6,
    )


def _plainest(color: ndarray, places: list[ndarray]) -> ndarray:
    """The middle colour of the plainest place: a fit may put a hand on something else."""
    middles = [np.median(color[place], 0) for place in places]
    spread = [np.abs(color[place] - middle).mean() for place, middle in zip(places, middles, strict=True)]
    return middles[int(np.argmin(spread))]


def like(color: Float[ndarray, "points 3"], other: Float[ndarray, "3"], reach: float = ALIKE) -> ndarray:
    """Whether colours may be of the same material, in other light."""
    apart = (oklab_from_srgb(color) - oklab_from_srgb(other[None])) * [0.25, 1.0, 1.0]
    return np.linalg.norm(apart, axis=1) < reach
