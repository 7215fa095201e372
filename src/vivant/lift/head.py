"""What the head looks like where the photo does not show it: hair, patterned hats, neck and ears."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import cKDTree

from vivant.lift.charts import draw_chart, oklab_from_srgb
from vivant.lift.evidence import Evidence
from vivant.lift.posed import Lens, carry
from vivant.lift.regions import HEAD, Regions
from vivant.lift.sight import Picture, lookup, ramp
from vivant.lift.surface import Skin

ROW = 0.01
"""Metres between the heights at which hair beside the neck is looked for."""

BESIDE = np.array([0.26, 0.32, 0.38, 0.44])
"""How far from the middle, in head heights, hair that hangs down is looked for."""

LONGEST = 0.7
"""Head heights below the eyes that hair is painted on the back at most."""

NEAR_HAIR = 0.16
"""Difference from the hair's colour, brightness counting a third, that is still hair."""

STRIPE = 0.005
"""Metres that a pattern's colours are averaged over."""

PATTERN = 0.3
"""Share of a covered head's changes of colour that only narrow rings around it explain, on a patterned hat."""

STRONG = 0.10
"""Standard deviation of such rings in sRGB, at least."""

STRAND = 0.03
"""Metres that hair's colours are averaged over."""

BRIM = 0.06
"""Metres above the middle of the face where a hat begins, at the back, too: glasses and eyes end below."""

SOFT_BRIM = 0.025
"""Metres below, over which a hat's last ring fades into the hair."""

HEAD_REACH = (0.015, 0.05)


@dataclass(frozen=True)
class Cut:
    """How far down the hair comes."""

    low: float
    """Height at rest, in metres."""

    over_ears: bool


def find_cut(
    skin: Skin, regions: Regions, lens: Lens, frames: ndarray, picture: Picture, evidence: Evidence
) -> Cut:
    """Follow the hair beside face and neck downwards, in the photo, as far as it goes.

    Args:
        skin: The bare skin at rest.
        regions: Its parts.
        lens: The photo's camera.
        frames: Each vertex' transform to the camera's axes.
        picture: The photo.
        evidence: The first look.
    """
    short = Cut(regions.nape, over_ears=False)
    if evidence.hair is None:
        return short
    heights = np.arange(regions.eyes, regions.eyes - LONGEST * regions.unit, -ROW)
    head = regions.part == HEAD
    frame = frames[head][regions.share[head, HEAD].argmax()]
    middle = 0.5 * (skin.verts[head, 2].min() + skin.verts[head, 2].max())
    hangs = np.zeros(len(heights), bool)
    for sign in (-1, 1):
        places = np.stack(
            np.broadcast_arrays(sign * regions.unit * BESIDE, heights[:, None], middle), axis=-1
        ).reshape(-1, 3)
        pixels = lens.pixels(carry(np.broadcast_to(frame, (len(places), 3, 4)), places))
        hair = near_hair(lookup(picture.smooth, pixels), evidence) & (lookup(picture.alpha, pixels) > 0.5)
        hangs |= hair.reshape(len(heights), -1).sum(1) >= 2
    if not hangs[: round(0.15 * regions.unit / ROW)].mean() > 0.6:
        return short
    gaps = np.flatnonzero(~(hangs[:-2] | hangs[1:-1] | hangs[2:]))
    low = heights[gaps[0]] if len(gaps) else heights[-1]
    return Cut(min(float(low), regions.nape), over_ears=True)


def near_hair(color: Float[ndarray, "points 3"], evidence: Evidence) -> Bool[ndarray, " points"]:
    """Whether colours are nearer to the hair's than to the skin's, in any light."""
    if evidence.hair is None:
        return np.zeros(len(color), bool)
    tones = oklab_from_srgb(color)
    to_hair, to_skin = (
        np.linalg.norm((tones - oklab_from_srgb(other[None])) * [0.35, 1, 1], axis=1)
        for other in (evidence.hair, evidence.skin)
    )
    return (to_hair < to_skin) & (to_hair < NEAR_HAIR)


def comb(skin: Skin, regions: Regions, cut: Cut) -> Float[ndarray, "verts 3"]:
    """Lay ears under hair that covers them, and let long hair fall straight from the back of the head."""
    verts = skin.verts.copy()
    if not cut.over_ears:
        return verts
    unit, height = regions.unit, (verts[:, 1] - regions.eyes) / regions.unit
    in_head = regions.share[:, HEAD] > 0.5
    ears = (
        in_head
        & (np.abs(verts[:, 0]) > 0.315 * unit)
        & (height > -0.3)
        & (height < 0.12)
        & (regions.face < 0.5)
    )
    wide = np.abs(verts[ears, 0])
    verts[ears, 0] = np.sign(verts[ears, 0]) * (0.315 * unit + 0.15 * (wide - 0.315 * unit))
    middle = 0.5 * (verts[in_head, 2].min() + verts[in_head, 2].max())
    level = in_head & (np.abs(height) < 0.2)
    # At each place across, the back of the head at the eyes' height: hair hangs from there, drawn in a little.
    column = np.round(np.abs(verts[:, 0]) / 0.01).astype(int)
    back = np.full(column.max() + 1, np.inf)
    np.minimum.at(back, column[level], verts[level, 2])
    back = np.where(np.isfinite(back), back, middle)
    end = (cut.low - regions.eyes) / unit
    amount = ramp(-height, 0.0, 0.15) * ramp(height, end - 0.02, end + 0.06) * (verts[:, 2] < middle)
    amount = amount * ramp(-np.abs(verts[:, 0]) / unit, -0.34, -0.28) * (1 - regions.face)
    curtain = middle + (back[column] - middle) * (1 - 0.12 * np.clip(-height, 0, 1))
    verts[:, 2] += amount * np.minimum(curtain - verts[:, 2], 0)
    return verts


def hair_zone(rest: Float[ndarray, "points 3"], scalp: ndarray, regions: Regions, cut: Cut) -> ndarray:
    """0 to 1: where hair or hat is on the head, the neck and, if it is long, the back."""
    height, front = (rest[:, 1] - regions.eyes) / regions.unit, (rest[:, 2] - regions.front) / regions.unit
    wide = np.abs(rest[:, 0]) / regions.unit
    if not cut.over_ears:
        # Down the temples and before the ears, where the face's region already begins.
        hairline = np.interp(front, [-0.40, -0.32, -0.25, -0.20], [0.00, -0.03, 0.10, 0.25])
        temples = ramp(height - hairline, -0.03, 0.03) * ramp(front, -0.44, -0.38) * ramp(wide, 0.22, 0.26)
        return np.maximum(scalp, temples)
    # Behind the cheeks at the ears, behind the neck's sides lower down.
    border = np.interp(height, [-0.6, -0.32, -0.2, 0.3], [-0.40, -0.29, -0.22, -0.18])
    end = (cut.low - regions.eyes) / regions.unit
    hanging = ramp(-(front - border), -0.02, 0.03) * ramp(height, end - 0.02, end + 0.02)
    return np.maximum(scalp, hanging * ramp(-wide, -0.42, -0.36))


def guess_head(
    guess: Float[ndarray, "points 3"],
    rest: Float[ndarray, "points 3"],
    on_head: Bool[ndarray, " points"],
    face: Float[ndarray, " points"],
    zone: Float[ndarray, " points"],
    color: Float[ndarray, "points 3"],
    weight: Float[ndarray, " points"],
    evidence: Evidence,
) -> bool:
    """Write the head's colours into the guess: face from face, hair from hair, ears and neck from the rest.

    Args:
        guess: Is changed on the head.
        rest: Places on the bare skin at rest.
        on_head: Which belong to head and neck.
        face: 1 on the face.
        zone: 1 where hair or a hat is.
        color: What the photo shows.
        weight: How much each counts as an example; 0 where it is not seen.
        evidence: The first look.

    Returns:
        Whether a hat with a pattern was found.
    """
    seen, covered = weight > 0, zone > 0.5
    haired = near_hair(color, evidence)
    nose = float(np.median(rest[face > 0.5, 1])) if (face > 0.5).any() else 0.0
    beside = on_head & (face < 0.3) & (rest[:, 1] > nose)
    hairy = seen & (covered | beside) & (haired | (evidence.hair is None))
    height, aside = rest[:, 1], np.abs(rest[:, 0])
    kinds = (
        (on_head & (face > 0.5), seen & on_head & (face > 0.5), evidence.skin),
        (on_head & ~covered & (face <= 0.5), seen & on_head & ~covered & ~haired, evidence.skin),
    )
    for mine, shown, otherwise in kinds:
        if shown.sum() < 10:
            guess[mine] = otherwise
            continue
        # Hair that hangs before the cheeks must not colour what lies under the chin.
        counts = weight[shown] * np.where(haired[shown], 0.05, 1.0)
        chart = draw_chart(height[shown], aside[shown], color[shown], counts, HEAD_REACH, (2.5, 2.0))
        guess[mine] = chart.colors_at(height[mine], aside[mine])
    hat = (seen & on_head & ((rest[:, 1] > nose + 0.035) | covered)).astype(float)
    if _has_rings(rest, color, hat, top=float(height[on_head].max())):
        brim = nose + BRIM
        worn = hat * (height > brim)
        # The last ring is asked for below the brim: glasses and cheeks are not turned round with the hat.
        raised = np.stack([rest[:, 0], np.maximum(height, brim), rest[:, 2]], 1)
        rings = _turned_round(rest, color, worn, raised[covered])
        under = seen & (covered | beside) & (face < 0.3)
        under &= (height < brim - 0.5 * SOFT_BRIM) & (height > nose - 0.02)
        if under.sum() >= 10:
            # Hair that shows beside the face, rather its darker half: the rest is skin.
            below = np.average(color[under], axis=0, weights=weight[under] * _darkness(color[under]))
            on_hat = ramp(height[covered], brim - SOFT_BRIM, brim)[:, None]
            rings = on_hat * rings + (1 - on_hat) * below
        guess[covered] = rings
        return True
    if hairy.sum() < 10:
        guess[covered] = evidence.skin if evidence.hair is None else evidence.hair
        return False
    # Gloss belongs to the light, which comes from the camera's side: darker hair counts more.
    counts = weight * hairy * _darkness(color)
    lowest = np.quantile(height[hairy], 0.02)
    guess[covered] = _profile(height, color, counts, np.maximum(height[covered], lowest), STRAND)
    return False


def _darkness(color: ndarray) -> ndarray:
    """How much more the darker of some colours count."""
    return np.exp(-10 * (color @ [0.3, 0.6, 0.1]))


def _has_rings(rest: ndarray, color: ndarray, weight: ndarray, top: float) -> bool:
    """Whether a hat's pattern consists of rings around the head; they may lie at a slant."""
    upper = np.flatnonzero((weight > 0) & (rest[:, 1] > top - 0.14))
    if len(upper) < 200:
        return False
    upper = upper[:: max(1, len(upper) // 1500)]
    rest, color, weight = rest[upper], color[upper], weight[upper]
    mean = np.average(color, axis=0, weights=weight)
    total = float(np.average(((color - mean) ** 2).sum(1), weights=weight))
    # Rings cannot explain more than there is: most hair needs no search for their slant.
    if total < 3 * STRONG**2:
        return False

    def left_over(level: ndarray, reach: float) -> float:
        rings = _profile(level, color, weight, level, reach)
        return float(np.average(((color - rings) ** 2).sum(1), weights=weight))

    slants = [np.array([x, 1.0, z]) for z in np.linspace(-0.6, 0.6, 13) for x in np.linspace(-0.3, 0.3, 7)]
    fine = [left_over(rest @ slant, STRIPE) for slant in slants]
    level = rest @ slants[int(np.argmin(fine))]
    gained = left_over(level, STRAND) - min(fine)
    if gained < PATTERN * total or gained < 3 * STRONG**2:
        return False
    steps = np.arange(*np.percentile(level, [2, 98]), STRIPE / 2)
    rings, wide = (_profile(level, color, weight, steps, reach) for reach in (STRIPE, STRAND))
    # Hair above a forehead is one ring; several are a pattern.
    wave = (rings - wide).mean(1)
    return int((np.diff(np.sign(wave[np.abs(wave) > 0.3 * STRONG])) != 0).sum()) >= 3


def _turned_round(rest: ndarray, color: ndarray, weight: ndarray, asked: ndarray) -> ndarray:
    """The seen half of a hat as its other half: mirrored at the upright plane between them."""
    shown = np.flatnonzero(weight)
    axis = 0.5 * (asked.min(0) + asked.max(0))
    towards = (np.average(rest[shown], axis=0, weights=weight[shown]) - axis) * [1, 0, 1]
    towards = towards / max(float(np.linalg.norm(towards)), 1e-6)
    side = (asked - axis) @ towards
    mirrored = asked + (np.abs(side) - side)[:, None] * towards
    distance, index = cKDTree(rest[shown]).query(mirrored, k=3)
    near = 1 / np.maximum(distance, 1e-4) ** 2
    return (near[..., None] * color[shown[index]]).sum(1) / near.sum(1, keepdims=True)


def _profile(height: ndarray, color: ndarray, weight: ndarray, asked: ndarray, reach: float) -> ndarray:
    """Mean colours at heights; where nothing is near, from farther away."""
    low, high = min(height.min(), asked.min()) - 0.02, max(height.max(), asked.max()) + 0.02
    cell = reach / 2
    count = int((high - low) / cell) + 1
    at = np.clip(((height - low) / cell).astype(int), 0, count - 1)
    sums = np.stack([np.bincount(at, values, count) for values in (weight, *(weight[:, None] * color).T)])
    near = ndimage.gaussian_filter1d(sums, 2.0 if reach > 0.01 else 0.8, mode="constant")
    far = ndimage.gaussian_filter1d(sums, 8.0, mode="constant")
    amount, *rgb = near + 1e-3 * far + 1e-9 * sums.sum(1, keepdims=True)
    tones = np.stack(rgb, 1) / np.maximum(amount[:, None], 1e-30)
    place = (asked - low) / cell - 0.5
    return np.stack([np.interp(place, np.arange(count), tones[:, k]) for k in range(3)], 1)
