"""What the photo shows of each place: its colour there, and how far that can be trusted."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from vivant.core.threads import run_together
from vivant.lift.nearest import distance_to
from vivant.lift.posed import Lens, facing
from vivant.records import Hand, Person

GAP = 0.035
"""Metres between two surfaces in one pixel's neighbourhood that make it the edge of something in front."""


@dataclass(frozen=True)
class Sight:
    """Colour and trust of each place."""

    color: Float[ndarray, "points 3"]
    relief: Float[ndarray, " points"]
    """How much brighter the place is than its surroundings: folds, strands."""

    trust: Float[ndarray, " points"]
    """1 where the photo surely shows the place, 0 where it does not: how far it is an example for others."""

    share: Float[ndarray, " points"]
    """How much of its colour a place takes from the photo: at a slant, stretched is better than guessed."""


@dataclass(frozen=True)
class Picture:
    """The photo prepared for looking places up."""

    raw: Float[ndarray, "height width 3"]
    """The photo itself, background and all."""

    color: Float[ndarray, "height width 3"]
    """The person's own colour."""

    smooth: Float[ndarray, "height width 3"]
    """Blurred by about one pixel, inside the mask only."""

    relief: Float[ndarray, "height width"]
    """Brightness less that of the surroundings, without strong edges."""

    alpha: Float[ndarray, "height width"]
    inside: Float[ndarray, "height width"]
    """Pixels to the mask's edge; 0 outside."""

    hands: Float[ndarray, "2 height width"]
    """1 in pixels that belong to the left and the right hand, 0 in others."""

    detail: Float[ndarray, "height width"]
    """How much happens around each pixel, about 1."""

    size: float
    """The person's extent in pixels."""


def prepare_picture(person: Person) -> Picture:
    """Blur, measure and mark the photo once."""
    color = person.foreground.double().numpy()
    alpha = person.alpha.double().numpy()
    solid = alpha > 0.5
    # The border of the picture is no edge of the person.
    inside = distance_to(~np.pad(solid, 1, mode="edge"))[1:-1, 1:-1]
    planes = [alpha, *(color[..., k] * alpha for k in range(3))]
    changes = [partial(ndimage.gaussian_gradient_magnitude, color[..., k], 0.8) for k in range(3)]
    blurs = [partial(ndimage.gaussian_filter, plane, 1.0) for plane in planes]
    *changes, weight, red, green, blue = run_together([*changes, *blurs])
    smooth = np.stack([red, green, blue], -1)
    smooth = np.where(weight[..., None] > 0.05, smooth / np.maximum(weight[..., None], 0.05), color)
    rows, columns = np.nonzero(solid)
    size = float(max(np.ptp(rows), np.ptp(columns))) if len(rows) else 1.0
    hands = np.stack(
        [_hand_pixels(hand, alpha.shape, 0.008 * size) for hand in (person.left_hand, person.right_hand)]
    ).astype(float)
    return Picture(
        person.image.double().numpy(),
        color,
        smooth,
        _relief(smooth, alpha, size),
        alpha,
        inside,
        hands,
        _detail(np.sum(changes, axis=0), solid),
        size,
    )


def look(
    points_cam: Float[ndarray, "points 3"],
    normals_cam: Float[ndarray, "points 3"],
    hand_share: Float[ndarray, "points 2"],
    blocked: Float[ndarray, "height width"],
    picture: Picture,
    lens: Lens,
) -> Sight:
    """Colour and trust of places.

    Args:
        points_cam: In the camera's axes.
        normals_cam: Unit.
        hand_share: How much each place belongs to the left and the right hand (or the wrist beside it).
        blocked: Depth of the nearest surface in each pixel, 0 where nothing is.
        picture: The photo.
        lens: Its camera.
    """
    pixels = lens.pixels(points_cam)
    height, width = picture.alpha.shape
    inside = (
        (pixels[:, 0] > 0.5)
        & (pixels[:, 0] < width - 0.5)
        & (pixels[:, 1] > 0.5)
        & (pixels[:, 1] < height - 0.5)
    )
    straight = facing(points_cam, normals_cam)
    trust = (
        inside
        * ramp(lookup(picture.alpha, pixels), 0.5, 0.95)
        * ramp(lookup(picture.inside, pixels), 0.3, max(2.0, 0.0045 * picture.size))
    )
    trust = trust * _before_others(points_cam[:, 2], pixels, blocked, 0.006 * picture.size)
    for side in (0, 1):
        if picture.hands[side].any():
            on_hand = lookup(picture.hands[side], pixels)
            trust = trust * (1 - on_hand * (1 - hand_share[:, side]))
    return Sight(
        color=lookup(picture.smooth, pixels),
        relief=lookup(picture.relief, pixels),
        trust=trust * ramp(straight, 0.12, 0.6),
        share=trust * ramp(straight, 0.05, 0.3),
    )


def lookup(picture: Float[ndarray, "height width *channels"], pixels: Float[ndarray, "points 2"]) -> ndarray:
    """Bilinear values at places of the picture."""
    from vivant.lift import _kernels

    planes = np.ascontiguousarray(picture.reshape(*picture.shape[:2], -1), float)
    values = _kernels.sample(planes, np.ascontiguousarray(pixels, float))
    return values.reshape(len(pixels), *picture.shape[2:])


def ramp(value: ndarray, low: float, high: float) -> ndarray:
    """0 below, 1 above, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def shrink(picture: Float[ndarray, "height width"], shape: tuple[int, int]) -> Float[ndarray, "rows columns"]:
    """Reduce a picture by the mean of what falls into each cell."""
    plane = torch.from_numpy(np.ascontiguousarray(picture, float))[None, None]
    return torch.nn.functional.interpolate(plane, size=shape, mode="area")[0, 0].numpy()


def enlarge(picture: Float[ndarray, "rows columns"], shape: tuple[int, int]) -> Float[ndarray, "height width"]:
    """Enlarge a picture, bilinear."""
    plane = torch.from_numpy(np.ascontiguousarray(picture, float))[None, None]
    return torch.nn.functional.interpolate(plane, size=shape, mode="bilinear")[0, 0].numpy()


def _before_others(depth: ndarray, pixels: ndarray, blocked: ndarray, reach: float) -> ndarray:
    """Trust lost behind other surfaces and just beside their edges, where the fit is not exact to the pixel."""
    from vivant.lift import _kernels

    blocked = blocked.astype(float)
    column, row = np.floor(pixels).astype(int).T
    here = _kernels.least_around(-blocked, row, column, 1)
    seen = -here > np.maximum(depth - 0.012, 0)
    # Only the far side of an edge is doubtful: how far away is the nearest pixel that stands well in front?
    trust = seen.astype(float)
    radius = max(1, round(2 * reach))
    far = np.where(blocked > 0, blocked, np.inf)
    for around, amount in ((radius, 0.6), (max(1, round(0.5 * radius)), 0.0)):
        nearest = _kernels.least_around(far, row[seen], column[seen], around)
        trust[np.flatnonzero(seen)[depth[seen] > nearest + GAP]] = amount
    return trust


def lookup_nearest(picture: Float[ndarray, "height width"], pixels: Float[ndarray, "points 2"]) -> ndarray:
    """Values of the pixels that places lie in."""
    column, row = np.floor(pixels).astype(int).T
    return picture[np.clip(row, 0, picture.shape[0] - 1), np.clip(column, 0, picture.shape[1] - 1)]


def _hand_pixels(hand: Hand | None, shape: tuple[int, ...], grow: float) -> ndarray:
    """Pixels inside the hull of a hand's points."""
    if hand is None:
        return np.zeros(shape, bool)
    from scipy.spatial import ConvexHull, QhullError

    points = hand.points.double().numpy()
    try:
        equations = ConvexHull(points).equations
    except QhullError:
        return np.zeros(shape, bool)
    low = np.clip(np.floor(points.min(0) - grow), 0, None).astype(int)
    high = np.ceil(points.max(0) + grow).astype(int) + 1
    box = slice(low[1], max(low[1], high[1])), slice(low[0], max(low[0], high[0]))
    inside = np.zeros(shape, bool)
    rows, columns = np.indices(inside[box].shape) + 0.5
    planes = [a * (columns + low[0]) + b * (rows + low[1]) + c for a, b, c in equations]
    inside[box] = np.max(planes, axis=0) < grow
    return inside


def _detail(changes: ndarray, solid: ndarray) -> ndarray:
    """Strength of the colour's changes around each pixel against the person's mean, between .35 and 1.6."""
    changes = ndimage.gaussian_filter(np.where(solid, changes, 0.0), 1.5)
    typical = float(changes[solid].mean()) if solid.any() else 1.0
    return np.clip(changes / max(typical, 1e-6), 0.35, 1.6)


def _relief(color: ndarray, alpha: ndarray, size: float) -> ndarray:
    """Light and shade of folds and strands; edges between garments are faded out, they are no folds."""
    bright = color @ np.array([0.3, 0.6, 0.1])
    # The surroundings are wide: a quarter of the pixels tells them as well.
    shape = (alpha.shape[0] // 4 + 1, alpha.shape[1] // 4 + 1)
    around, amount = (
        ndimage.gaussian_filter(shrink(plane, shape), 0.003 * size) for plane in (bright * alpha, alpha)
    )
    relief = bright - enlarge(around / np.maximum(amount, 0.05), (alpha.shape[0], alpha.shape[1]))
    return relief * np.exp(-((relief / 0.12) ** 2)) * (alpha > 0.95)
