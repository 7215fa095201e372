"""Which gaps between mask and draped skin are worth filling, and what fills them hangs on."""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from vivant.lift.nearest import distance_to
from vivant.lift.regions import (
    HEAD,
    LEFT_ARM,
    LEFT_FOOT,
    LEFT_HAND,
    LEFT_LEG,
    RIGHT_FOOT,
    RIGHT_HAND,
    RIGHT_LEG,
    Regions,
)

HELD = 0.10
"""Metres of depth that the arm or hand may span that a piece hangs on."""

HANGING = 0.30
"""Metres below the head that hair is looked for."""

CORE_KIND, HEAD_KIND, ARM_KIND = 0, 1, 2
"""What a piece hangs on: trunk and legs, head, or arms and hands."""


def worth_filling(
    empty: Bool[ndarray, "rows columns"],
    part: Int[ndarray, "rows columns"],
    depth: Float[ndarray, "rows columns"],
    size: float,
) -> tuple[Bool[ndarray, "rows columns"], Int[ndarray, "rows columns"]]:
    """Leave out slivers along the outline, specks, and webs that would tear when limbs move apart.

    Args:
        empty: Cells of the mask that the skin leaves empty.
        part: The body part each covered cell shows, -1 elsewhere.
        depth: Of the skin in each cell.
        size: Cells of the whole mask.

    Returns:
        The cells to fill, and for pieces that stick out from arm and trunk alike the kind that owns them; -1
        for the others.
    """
    core = ndimage.binary_opening(empty, np.ones((3, 3)))
    labels, count = ndimage.label(ndimage.binary_propagation(core, mask=empty))
    kept, owner = np.zeros(count + 1, bool), np.full(count + 1, -1)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        grown = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in box)
        piece = labels[grown] == number
        ring = ndimage.binary_dilation(piece, iterations=2) & ~piece
        neighbors = part[grown][ring]
        open_share = float((neighbors < 0).mean()) if len(neighbors) else 0.0
        kept[number], owner[number] = _judge_piece(
            neighbors[neighbors >= 0], open_share, float(piece.sum()) / size
        )
        if owner[number] == ARM_KIND:
            # What reaches from a hand in front to an elbow far behind is no one thing.
            held = depth[grown][ring & (part[grown] >= LEFT_ARM) & (part[grown] <= RIGHT_HAND)]
            kept[number] &= np.ptp(np.percentile(held, [10, 90])) < HELD
    return kept[labels], np.where(kept[labels], owner[labels], -1)


def _judge_piece(neighbors: Int[ndarray, " cells"], open_share: float, area: float) -> tuple[bool, int]:
    """Whether a piece of the mask hangs on the body, and on what if that cannot be left to distance.

    Between a hand and the trunk, or between two feet, the mask is filled by shadows, by ground, and by misfits
    of the body; spanned by a sheet they become webs. A skirt is large, and touches both legs far above feet.

    Args:
        neighbors: Parts of the body that it touches.
        open_share: How much of its surroundings is background: a web has little.
        area: As a share of the mask.
    """
    if len(neighbors) == 0:
        return False, -1
    touched = np.bincount(neighbors, minlength=10) / len(neighbors)
    arms = touched[LEFT_ARM : RIGHT_HAND + 1].sum()
    if touched[HEAD] > 0.5:
        return area > 0.0005, -1
    if arms > 0.9 or (arms > 0.15 and open_share > 0.4):
        # A glove, a wide sleeve, something held; or a coat that a hand lies on.
        return area > 0.002, ARM_KIND if arms > 0.4 else CORE_KIND
    if touched[[LEFT_HAND, RIGHT_HAND]].sum() > 0.1 or arms > 0.15:
        return False, -1
    if touched[[LEFT_FOOT, RIGHT_FOOT]].sum() > 0.25:
        return False, -1
    between = min(touched[LEFT_LEG], touched[RIGHT_LEG]) > 0.1
    return area > (0.015 if between else 0.003), -1


def kinds_of(regions: Regions) -> Int[ndarray, " verts"]:
    """What hangs on each vertex of the skin."""
    kinds = np.full(len(regions.part), CORE_KIND)
    kinds[regions.part == HEAD] = HEAD_KIND
    kinds[(regions.part >= LEFT_ARM) & (regions.part <= RIGHT_HAND)] = ARM_KIND
    return kinds


def claim(
    kind: Int[ndarray, "rows columns"],
    empty: Bool[ndarray, "rows columns"],
    hairlike: Bool[ndarray, "rows columns"],
    metres: float,
) -> Int[ndarray, "rows columns"]:
    """Whether each empty cell hangs at head, arm, or trunk and legs.

    An arm that merely passes by owns nothing: it must be far nearer than the rest. Hair belongs to the head
    even where it lies on a shoulder.
    """
    core, head, arm = (
        distance_to(kind == number) * metres if (kind == number).any() else np.full(kind.shape, 9.0)
        for number in (CORE_KIND, HEAD_KIND, ARM_KIND)
    )
    result = kind.copy()
    hangs = hairlike & (head < HANGING)
    result[empty] = np.where(2.5 * arm < np.minimum(core, head), ARM_KIND, CORE_KIND)[empty]
    result[empty & ((head < core) & (head < arm) | hangs)] = HEAD_KIND
    return result
