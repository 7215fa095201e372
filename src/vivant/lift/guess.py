"""What a place would look like had the photo not shown it.

Three sources. The other side of the body, where that was seen (face, arms, legs). What was seen at the same
height of the same part, by the most frequent colour and with the sides counting more than the middle, so that
prints, ties and lapels stay in front. Hair for the back of the head.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree

from vivant.core.threads import run_together, thread_count
from vivant.lift.charts import APART, Chart, draw_chart
from vivant.lift.evidence import Evidence
from vivant.lift.head import Cut, guess_head, hair_zone
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
from vivant.lift.surface import Skin, normals_of

SEEN = 0.35
"""Trust from which a place is an example for others."""

DARK = (0.15, 0.15, 0.18)
"""Trousers and shoes of which nothing is known."""

GROUPS = (
    ((TRUNK, LEFT_LEG, RIGHT_LEG), (0.02, 0.07)),
    ((LEFT_ARM,), (0.015, 0.05)),
    ((RIGHT_ARM,), (0.015, 0.05)),
    ((LEFT_HAND,), (0.02, 0.05)),
    ((RIGHT_HAND,), (0.02, 0.05)),
    ((LEFT_FOOT,), (0.008, 0.03)),
    ((RIGHT_FOOT,), (0.008, 0.03)),
)
"""Parts that are examples for each other, and how far along and across, in metres, an example reaches."""

TWO_TONES = 0.16
"""Laces and seams mix a shoe's colours pixel by pixel: only what lies this far apart is a colour of its own."""

PAIRED = (LEFT_HAND, RIGHT_HAND, LEFT_FOOT, RIGHT_FOOT)
PAIRS = 0.8
"""How much the other hand or shoe counts; another limb counts less, for light differs from side to side."""

SLACK = 0.008
"""Metres that a place of the face may lie beside the mirror image of the other half."""


@dataclass(frozen=True)
class Places:
    """What a guess needs to know about each splat on the skin."""

    rest: Float[ndarray, "points 3"]
    """On the bare skin at rest."""

    area: Float[ndarray, " points"]
    """Square metres each stands for: where splats are dense each counts less."""

    side: Float[ndarray, " points"]
    """1 where the skin at rest faces left or right, 0 where it faces front or back."""

    part: Int[ndarray, " points"]
    along: Float[ndarray, " points"]
    across: Float[ndarray, " points"]
    face: Float[ndarray, " points"]
    scalp: Float[ndarray, " points"]


def places_of(
    points: Points, skin: Skin, regions: Regions, spacing: Float[ndarray, " points"], cut: Cut
) -> Places:
    """Spread the regions over the points."""
    nearest = regions.part[skin.faces[points.face, points.barycentric.argmax(1)]]
    corners = skin.faces[points.face]
    part = points.take(skin.faces, regions.share).argmax(1)
    part = np.where((regions.part[corners] == part[:, None]).any(1), part, nearest)
    # Where a triangle joins two parts their measures do not mix.
    same = (regions.part[corners] == part[:, None]) * np.maximum(points.barycentric, 1e-6)
    same = same / same.sum(1, keepdims=True)
    rest = points.take(skin.faces, skin.verts)
    return Places(
        rest=rest,
        area=spacing**2,
        side=1 - np.abs(points.take(skin.faces, normals_of(skin.verts, skin.faces))[:, 2]),
        part=part,
        along=(same * regions.along[corners]).sum(1),
        across=(same * regions.across[corners]).sum(1),
        face=points.take(skin.faces, regions.face),
        scalp=hair_zone(rest, points.take(skin.faces, regions.scalp), regions, cut),
    )


def guess_colors(places: Places, sight: Sight, evidence: Evidence) -> Float[ndarray, "points 3"]:
    """A colour for every point, as if the photo had shown only the others."""
    seen = sight.trust > SEEN
    guess = np.tile(evidence.skin, (len(seen), 1))
    head = (places.part == HEAD) | (places.scalp > 0.5)
    headed = np.full_like(guess, np.nan)
    weight = places.area * sight.trust * (0.3 + places.side) * seen
    mine = [np.isin(places.part, parts) for parts, _ in GROUPS]
    _, *colors = run_together([
        partial(
            guess_head, headed, places.rest, head, places.face, places.scalp, sight.color, weight, evidence
        ),
        *(
            partial(_group_colors, places, sight, parts, reach, own, seen, evidence)
            for (parts, reach), own in zip(GROUPS, mine, strict=True)
        ),
    ])  # fmt: skip
    for own, color in zip(mine, colors, strict=True):
        guess[own] = color
    # Hair covers parts of the trunk too.
    guess = np.where(np.isnan(headed), guess, headed)
    _darken_unseen_legs(guess, places, seen)
    return _mirrored(guess, places, sight, seen)


def _group_colors(
    places: Places,
    sight: Sight,
    parts: tuple[int, ...],
    reach: tuple[float, float],
    mine: ndarray,
    seen: ndarray,
    evidence: Evidence,
) -> ndarray:
    """The colours of a group of parts, or one for all of it where nothing was seen."""
    if (mine & seen).sum() + (np.isin(places.part, _twins(parts)) & seen).sum() < 10:
        return _elsewhere(places, sight, parts, evidence.skin, evidence.hand)
    flat = _flat(places, parts)
    chart = _part_chart(places, sight, parts, seen, reach, flat)
    along, across = flat[mine].T
    if parts[0] == TRUNK:
        along = _not_below_the_cut(along, places.along[mine & seen])
    return chart.colors_at(along, across)


def _not_below_the_cut(along: ndarray, shown: ndarray) -> ndarray:
    """Where a picture ends above the shins, look well above its end: the last rows show belts and hands."""
    low = float(np.percentile(shown, 1)) if len(shown) else 0.0
    return np.maximum(along, low + 0.12) if low > 0.3 else along


def _flat(places: Places, parts: tuple[int, ...]) -> ndarray:
    """Where on its chart each place lies: along and across its part; a shoe's sole and upper by height."""
    if parts[0] in (LEFT_FOOT, RIGHT_FOOT):
        return places.rest[:, [1, 2]]
    return np.stack([places.along, places.across], 1)


def _part_chart(
    places: Places,
    sight: Sight,
    parts: tuple[int, ...],
    seen: ndarray,
    reach: tuple[float, float],
    flat: Float[ndarray, "points 2"],
) -> Chart:
    """What was seen of a group of parts, and, counting less, of its twin on the other side."""
    own = np.isin(places.part, parts) & seen
    twin = np.isin(places.part, _twins(parts)) & seen
    weight = places.area * sight.trust * (0.3 + places.side)
    mirrored = np.array([1, 1 if parts[0] in (LEFT_FOOT, RIGHT_FOOT) else -1])
    along, across = np.concatenate([flat[own], flat[twin] * mirrored]).T
    return draw_chart(
        along,
        across,
        np.concatenate([sight.color[own], sight.color[twin]]),
        np.concatenate([weight[own], (PAIRS if parts[0] in PAIRED else 0.15) * weight[twin]]),
        reach,
        apart=TWO_TONES if parts[0] in (LEFT_FOOT, RIGHT_FOOT) else APART,
    )


def _elsewhere(
    places: Places, sight: Sight, parts: tuple[int, ...], skin_color: ndarray, hand_color: ndarray
) -> ndarray:
    """The colour of a part of which nothing was seen."""
    if parts[0] in (LEFT_HAND, RIGHT_HAND):
        return hand_color
    if parts[0] in (LEFT_ARM, RIGHT_ARM):
        trunk = (places.part == TRUNK) & (sight.trust > SEEN)
        return np.median(sight.color[trunk], 0) if trunk.sum() > 20 else skin_color
    return np.array(DARK)


def _darken_unseen_legs(guess: ndarray, places: Places, seen: ndarray) -> None:
    """Legs below a cut-off picture wear dark trousers, touched by the colour above: no stretched shirt."""
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
    distance, index = cKDTree(places.rest[source]).query(
        places.rest[wanted] * [-1, 1, 1], k=3, workers=thread_count()
    )
    # A face that was fitted to one side is not quite its own mirror image: look farther for the other half.
    apart = np.maximum(distance - SLACK * places.face[wanted][:, None], 0)
    near = np.exp(-((apart / 0.006) ** 2)) * sight.trust[source[index]]
    counts = near / np.maximum(distance, 1e-4) ** 2
    color = (counts[..., None] * sight.color[source[index]]).sum(1) / np.maximum(
        counts.sum(1, keepdims=True), 1e-9
    )
    share = np.clip(near.max(1), 0, 1)[:, None]
    result = guess.copy()
    result[wanted] = (1 - share) * guess[wanted] + share * color
    return result


def guess_relief(places: Places, sight: Sight) -> Float[ndarray, " points"]:
    """Folds for what is unseen: those of the place in front of it; and strands for the hair at the back."""
    relief = np.zeros(len(places.part))
    good, wanted = sight.trust > 0.8, sight.trust < 0.999
    for parts, _ in GROUPS[:3]:
        mine = np.isin(places.part, parts)
        flat = np.stack([places.along, places.across], 1)
        _take_relief(
            relief, sight.relief, flat, np.flatnonzero(mine & good), flat, np.flatnonzero(mine & wanted), 1.5
        )
    hair = places.scalp > 0.5
    shown, hidden = np.flatnonzero(hair & good), np.flatnonzero(hair & wanted)
    if len(shown) > 50:
        flat = places.rest[:, :2]
        _take_relief(relief, sight.relief, flat, shown, _folded(places.rest, flat[shown]), hidden, 4.0)
    return relief


def _take_relief(
    relief: ndarray,
    seen: ndarray,
    flat: ndarray,
    source: ndarray,
    asked: ndarray,
    wanted: ndarray,
    limit: float,
) -> None:
    """Take the relief of the nearest example, held down to `limit` times what is common: seams are no folds."""
    if not len(source) or not len(wanted):
        return
    distance, index = cKDTree(flat[source]).query(asked[wanted], workers=thread_count())
    common = np.median(np.abs(seen[source])) + 1e-4
    folds = seen[source[index]]
    relief[wanted] = folds / (1 + np.abs(folds) / (limit * common)) * np.exp(-((distance / 0.02) ** 2))


def _folded(rest: ndarray, shown: ndarray) -> ndarray:
    """Where each place of the head finds its strands on the patch of hair seen, mirrored on and on."""
    low, high = np.percentile(shown, 5, axis=0), np.percentile(shown, 95, axis=0)
    around = 0.09 * np.arctan2(rest[:, 0], -rest[:, 2])
    turns = (np.stack([around, rest[:, 1]], 1) - low) / np.maximum(high - low, 0.005)
    return low + (high - low) * np.abs((turns + 1) % 2 - 1)


def _twins(parts: tuple[int, ...]) -> list[int]:
    """The same parts on the other side."""
    return [part if part < LEFT_ARM else LEFT_ARM + ((part - LEFT_ARM) ^ 1) for part in parts]
