"""What a place would look like had the photo not shown it.

Three sources. The other side of the body, where that was seen (face, arms, legs). What was seen at the same height of the same
part, by the most frequent colour and with the sides counting more than the middle, so that prints, ties and lapels stay in front.
Hair for the back of the head.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree

from vivant.lift.regions import (
    HEAD,
    LEFT_ARM,
    LEFT_FOOT,
    LEFT_HAND,
    LEFT_LEG,
    RIGHT_ARM,
    RIGHT_FOOT,
    RIGHT_HAND,
    RIGHT_LEG,
    TRUNK,
    Regions,
)
from vivant.lift.scatter import Points
from vivant.lift.sight import Sight, ramp
from vivant.lift.surface import Skin

SEEN = 0.35
"""Trust from which a place is an example for others."""

EXAMPLES = 5000
"""Examples a part keeps; more make it slower and no better."""

NEIGHBOURS = 40
"""Examples a guess looks at."""

BANDWIDTH = 0.10
"""Colours that lie this near count as the same."""

DARK = (0.15, 0.15, 0.18)
"""Trousers and shoes of which nothing is known."""

GROUPS = (
    ((TRUNK, LEFT_LEG, RIGHT_LEG), 0.10),
    ((LEFT_ARM,), 0.06),
    ((RIGHT_ARM,), 0.06),
    ((LEFT_HAND,), 0.06),
    ((RIGHT_HAND,), 0.06),
    ((LEFT_FOOT,), 0.06),
    ((RIGHT_FOOT,), 0.06),
)
"""Parts that are examples for each other, and how far across the part, in metres, an example reaches."""


@dataclass(frozen=True)
class Places:
    """What a guess needs to know about each splat on the skin."""

    rest: Float[ndarray, "points 3"]
    """On the bare skin at rest."""

    side: Float[ndarray, " points"]
    """1 where the skin at rest faces left or right, 0 where it faces front or back."""

    part: Int[ndarray, " points"]
    along: Float[ndarray, " points"]
    across: Float[ndarray, " points"]
    face: Float[ndarray, " points"]
    scalp: Float[ndarray, " points"]


@dataclass(frozen=True)
class Examples:
    """Colours seen, and where on their part."""

    features: Float[ndarray, "examples 2"]
    color: Float[ndarray, "examples 3"]
    weight: Float[ndarray, " examples"]


def places_of(points: Points, skin: Skin, regions: Regions, normals: Float[ndarray, "verts 3"]) -> Places:
    """Spread the regions over the points."""
    nearest = skin.faces[points.face, points.barycentric.argmax(1)]
    corners = skin.faces[points.face]
    # Where a triangle joins two parts their measures do not mix.
    same = (regions.part[corners] == regions.part[nearest][:, None]) * points.barycentric
    same = same / same.sum(1, keepdims=True)
    return Places(
        rest=points.take(skin.faces, skin.verts),
        side=1 - np.abs(points.take(skin.faces, normals)[:, 2]),
        part=regions.part[nearest],
        along=(same * regions.along[corners]).sum(1),
        across=(same * regions.across[corners]).sum(1),
        face=points.take(skin.faces, regions.face),
        scalp=points.take(skin.faces, regions.scalp),
    )


def guess_colors(places: Places, sight: Sight, random: np.random.Generator) -> Float[ndarray, "points 3"]:
    """A colour for every point, as if the photo had shown only the others."""
    seen = sight.trust > SEEN
    skin_color = _skin_color(places, sight)
    guess = np.tile(skin_color, (len(seen), 1))
    for parts, reach in GROUPS:
        mine = np.isin(places.part, parts)
        examples = _examples(places, sight, parts, seen, reach, random)
        if len(examples.color) < 10:
            guess[mine] = _elsewhere(places, sight, parts, skin_color)
        else:
            guess[mine] = _frequent(_features(places, mine, reach), examples)
    _guess_head(guess, places, sight, seen, skin_color, random)
    _darken_unseen_legs(guess, places, seen)
    return _mirrored(guess, places, sight, seen)


def _skin_color(places: Places, sight: Sight) -> ndarray:
    """The face's colour; a middle tone if no face was seen."""
    mine = (places.face > 0.8) & (sight.trust > SEEN)
    if mine.sum() < 20:
        mine = np.isin(places.part, (LEFT_HAND, RIGHT_HAND)) & (sight.trust > SEEN)
    return np.median(sight.color[mine], 0) if mine.sum() >= 20 else np.array([0.72, 0.56, 0.47])


def _features(places: Places, mine: ndarray, reach: float) -> ndarray:
    return np.stack([places.along[mine] / 0.012, places.across[mine] / reach], 1)


def _examples(
    places: Places,
    sight: Sight,
    parts: tuple[int, ...],
    seen: ndarray,
    reach: float,
    random: np.random.Generator,
) -> Examples:
    """What was seen of a group of parts, and, counting less, of its twin on the other side."""
    own = np.flatnonzero(np.isin(places.part, parts) & seen)
    twins = [_twin(part) for part in parts]
    other = np.flatnonzero(np.isin(places.part, twins) & seen)
    weight = sight.trust * (0.15 + places.side)
    features = [_features(places, own, reach), _features(places, other, reach) * [1, -1]]
    return _thinned(
        np.concatenate(features),
        np.concatenate([sight.color[own], sight.color[other]]),
        np.concatenate([weight[own], 0.2 * weight[other]]),
        random,
    )


def _thinned(features: ndarray, color: ndarray, weight: ndarray, random: np.random.Generator) -> Examples:
    if len(weight) > EXAMPLES:
        kept = np.sort(random.choice(len(weight), EXAMPLES, replace=False))
        features, color, weight = features[kept], color[kept], weight[kept]
    return Examples(features, color, weight)


def _frequent(features: ndarray, examples: Examples) -> ndarray:
    """The most frequent colour among the examples near each place: mean shift from the median."""
    count = min(NEIGHBOURS, len(examples.color))
    distance, index = cKDTree(examples.features).query(features, k=count)
    nearest = distance[:, :1]
    weight = np.exp(-0.5 * (distance**2 - nearest**2)) * examples.weight[index] + 1e-9
    color = examples.color[index]
    mode = _weighted_median(color, weight)
    for _ in range(5):
        alike = weight * np.exp(-0.5 * ((color - mode[:, None]) ** 2).sum(2) / BANDWIDTH**2) + 1e-12
        mode = (alike[..., None] * color).sum(1) / alike.sum(1, keepdims=True)
    return mode


def _weighted_median(color: ndarray, weight: ndarray) -> ndarray:
    """The example whose brightness halves the weight."""
    bright = color.sum(2)
    order = np.argsort(bright, axis=1)
    ladder = np.cumsum(np.take_along_axis(weight, order, 1), 1)
    place = (ladder < 0.5 * ladder[:, -1:]).sum(1)
    row = np.arange(len(color))
    return color[row, order[row, np.clip(place, 0, color.shape[1] - 1)]]


def _elsewhere(places: Places, sight: Sight, parts: tuple[int, ...], skin_color: ndarray) -> ndarray:
    """The colour of a part of which nothing was seen."""
    if parts[0] in (LEFT_HAND, RIGHT_HAND):
        return skin_color
    if parts[0] in (LEFT_ARM, RIGHT_ARM):
        trunk = (places.part == TRUNK) & (sight.trust > SEEN)
        return np.median(sight.color[trunk], 0) if trunk.sum() > 20 else skin_color
    return np.array(DARK)


def _guess_head(
    guess: ndarray,
    places: Places,
    sight: Sight,
    seen: ndarray,
    skin_color: ndarray,
    random: np.random.Generator,
) -> None:
    """Face from face, hair (or a bald scalp) from the scalp, ears and neck from what lies between."""
    head = places.part == HEAD
    kinds = (
        (places.face > 0.5, seen & head & (places.face > 0.5)),
        (places.scalp > 0.5, seen & (places.scalp > 0.5)),
        ((places.scalp <= 0.5) & (places.face <= 0.5), seen & head & (places.scalp <= 0.5)),
    )
    for kind, shown in kinds:
        mine = (head | (places.scalp > 0.5)) & kind
        source = np.flatnonzero(shown)
        if len(source) < 10:
            guess[mine] = skin_color
            continue
        features = np.stack([places.rest[:, 1] / 0.015, np.abs(places.rest[:, 0]) / 0.08], 1)
        examples = _thinned(
            features[source], sight.color[source], sight.trust[source] * (0.15 + places.side[source]), random
        )
        guess[mine] = _frequent(features[mine], examples)


def _darken_unseen_legs(guess: ndarray, places: Places, seen: ndarray) -> None:
    """Legs below a cut-off picture wear dark trousers with a touch of the colour above, not a stretched shirt."""
    legs = np.isin(places.part, (LEFT_LEG, RIGHT_LEG))
    core = np.isin(places.part, (TRUNK, LEFT_LEG, RIGHT_LEG)) & seen
    if not core.any():
        return
    below = np.percentile(places.along[core], 1) - places.along
    far = (ramp(below, 0.10, 0.25) * legs)[:, None]
    guess[:] = (1 - far) * guess + far * (0.85 * np.array(DARK) + 0.15 * guess)


def _mirrored(guess: ndarray, places: Places, sight: Sight, seen: ndarray) -> ndarray:
    """Limbs and head look like their other side where that was seen."""
    limbs = places.part != TRUNK
    source = np.flatnonzero(seen & limbs)
    wanted = np.flatnonzero(limbs & (sight.trust < 0.999))
    if len(source) < 3 or not len(wanted):
        return guess
    distance, index = cKDTree(places.rest[source]).query(places.rest[wanted] * [-1, 1, 1], k=3)
    near = np.exp(-((distance / 0.006) ** 2)) * sight.trust[source[index]]
    color = (near[..., None] * sight.color[source[index]]).sum(1) / np.maximum(near.sum(1, keepdims=True), 1e-9)
    share = np.clip(near.max(1), 0, 1)[:, None]
    result = guess.copy()
    result[wanted] = (1 - share) * guess[wanted] + share * color
    return result


def _twin(part: int) -> int:
    """The same part on the other side."""
    return part if part < LEFT_ARM else LEFT_ARM + ((part - LEFT_ARM) ^ 1)
