"""Find a skirt, and let it hang between both legs instead of splitting into two tubes."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vivant.lift.charts import oklab_from_srgb
from vivant.lift.posed import Lens
from vivant.lift.regions import LEFT_LEG, RIGHT_LEG, Regions, joints_of
from vivant.lift.sight import Picture, lookup, ramp
from vivant.lift.surface import Skin
from vivant.records import Rig

STEP = 0.02
"""Metres of height between the lines that are looked at."""

SHORTEST = 0.12
"""Metres below the crotch that a skirt reaches at least."""

WIDE = 0.75
"""Width of a skirt's hem over that at the hips, at least: trousers are narrower at the ankles."""

STRIDE = 0.12
"""Metres that the legs may stand farther apart at the hem than at the crotch."""

EDGE = 0.08
"""Difference in Oklab between cloth and what is below its hem."""


def find_hem(
    skin: Skin,
    regions: Regions,
    rig: Rig,
    lens: Lens,
    draped: Float[ndarray, "verts 3"],
    picture: Picture,
    skin_color: Float[ndarray, "3"],
) -> float | None:
    """Height at rest of a skirt's hem; None if the person wears none.

    A skirt fills the mask between the legs down to one height, is there still about as wide as the hips, and
    ends at an edge of colour; trousers leave a gap, or get narrow, or go on.
    """
    legs = [regions.part == part for part in (LEFT_LEG, RIGHT_LEG)]
    crotch = _crotch(skin, legs)
    heights = np.arange(crotch - 0.02, 0.12, -STEP)
    centers = np.stack([[_center(skin, draped, leg, height) for height in heights] for leg in legs])
    if not np.isfinite(centers).all() or len(heights) < 8:
        return None
    left, right = lens.pixels(centers[0]), lens.pixels(centers[1])
    across = left[:, None] + np.linspace(0, 1, 15)[:, None] * (right - left)[:, None]
    alpha = lookup(picture.alpha, across.reshape(-1, 2)).reshape(len(heights), 15)
    color = lookup(picture.smooth, across.reshape(-1, 2)).reshape(len(heights), 15, 3)
    tone = oklab_from_srgb(color[:, 4:11].mean(1))
    bare = np.linalg.norm((tone - oklab_from_srgb(skin_color[None])) * [0.25, 1, 1], axis=1) < 0.04
    filled = (alpha > 0.5).all(1) & ~bare
    last = int(np.argmin(filled)) - 1 if not filled.all() else len(heights) - 1
    if last < SHORTEST / STEP or last + 4 >= len(heights):
        return None
    apart = np.linalg.norm(centers[0] - centers[1], axis=1)
    if apart[last] > apart[0] + STRIDE:
        return None
    widths = _widths(left, right, picture, (0, last - 1))
    # Beside the hem, on the legs themselves, cloth gives way to something else.
    places = np.concatenate([left[[last - 3, last + 4]], right[[last - 3, last + 4]]])
    sides = oklab_from_srgb(lookup(picture.smooth, places))
    step = min(np.linalg.norm(sides[0] - sides[1]), np.linalg.norm(sides[2] - sides[3]))
    return float(heights[last]) if widths[1] > WIDE * widths[0] and step > EDGE else None


def skirt_weights(skin: Skin, regions: Regions, rig: Rig, hem: float) -> Float[ndarray, "verts joints"]:
    """Skin weights with which the cloth above the hem follows both legs, the hips more the higher it is.

    Across the body one leg's share goes over into the other's, so that the middle stays in one piece.
    """
    legs = np.isin(regions.part, (LEFT_LEG, RIGHT_LEG))
    crotch = _crotch(skin, [regions.part == part for part in (LEFT_LEG, RIGHT_LEG)])
    cloth = ramp(skin.verts[:, 1], hem - 0.02, hem + 0.01) * (legs | (skin.verts[:, 1] < crotch))
    left = ramp(skin.verts[:, 0], -0.16, 0.16)
    height = np.clip((skin.verts[:, 1] - hem) / max(crotch - hem, 0.05), 0, 1)
    hips = 0.25 + 0.5 * height
    thighs = [joints_of(rig, part)[0] for part in (LEFT_LEG, RIGHT_LEG)]
    target = np.zeros_like(skin.weights)
    target[:, thighs[0]] = (1 - hips) * left
    target[:, thighs[1]] = (1 - hips) * (1 - left)
    target[:, rig.joint_parents.index(-1)] += hips
    return ((1 - cloth[:, None]) * skin.weights + cloth[:, None] * target).astype(np.float32)


def _crotch(skin: Skin, legs: list[ndarray]) -> float:
    """Height at which the legs part: where the inner sides of both come within a centimetre."""
    inner = (legs[0] | legs[1]) & (np.abs(skin.verts[:, 0]) < 0.02)
    near = skin.verts[inner, 1] if inner.any() else skin.verts[legs[0], 1]
    return float(near.min())


def _center(skin: Skin, draped: ndarray, leg: ndarray, height: float) -> ndarray:
    """Middle of a leg's slice in the camera's axes; not a number if there is none."""
    slice_ = leg & (np.abs(skin.verts[:, 1] - height) < 0.025)
    return draped[slice_].mean(0) if slice_.any() else np.full(3, np.nan)


def _widths(left: ndarray, right: ndarray, picture: Picture, rows: tuple[int, ...]) -> list[float]:
    """Pixels from the mask's one edge to the other along the line through both legs."""
    widths = []
    for row in rows:
        span = right[row] - left[row]
        middle = 0.5 * (left[row] + right[row])
        unit = span / max(float(np.linalg.norm(span)), 1e-6)
        steps = np.arange(0, 0.3 * picture.size)
        inside = [lookup(picture.alpha, middle + sign * steps[:, None] * unit) > 0.5 for sign in (-1.0, 1.0)]
        widths.append(float(sum(np.argmin(side) if not side.all() else len(side) for side in inside)))
    return widths
