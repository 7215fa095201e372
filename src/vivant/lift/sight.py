"""What the photo shows of each place: its colour there, and how far that can be trusted."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy import ndimage

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

    hands: Bool[ndarray, "2 height width"]
    """Pixels that belong to the left and the right hand."""

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
    weight = ndimage.gaussian_filter(alpha, 1.0)
    smooth = np.stack([ndimage.gaussian_filter(color[..., k] * alpha, 1.0) for k in range(3)], -1)
    smooth = np.where(weight[..., None] > 0.05, smooth / np.maximum(weight[..., None], 0.05), color)
    rows, columns = np.nonzero(solid)
    size = float(max(np.ptp(rows), np.ptp(columns))) if len(rows) else 1.0
    hands = np.stack(
        [_hand_pixels(hand, alpha.shape, 0.008 * size) for hand in (person.left_hand, person.right_hand)]
    )
    return Picture(
        person.image.double().numpy(),
        color,
        smooth,
        _relief(smooth, alpha, size),
        alpha,
        inside,
        hands,
        _detail(color, solid),
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
        on_hand = lookup(picture.hands[side].astype(float), pixels)
        trust = trust * (1 - on_hand * (1 - hand_share[:, side]))
    return Sight(
        color=lookup(picture.smooth, pixels),
        relief=lookup(picture.relief, pixels),
        trust=trust * ramp(straight, 0.12, 0.6),
        share=trust * ramp(straight, 0.05, 0.3),
    )


def lookup(picture: Float[ndarray, "height width *channels"], pixels: Float[ndarray, "points 2"]) -> ndarray:
    """Bilinear values at places of the picture."""
    where = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    if picture.ndim == 2:
        return ndimage.map_coordinates(picture, where, order=1, mode="nearest")
    return np.stack(
        [
            ndimage.map_coordinates(plane, where, order=1, mode="nearest")
            for plane in np.moveaxis(picture, 2, 0)
        ],
        1,
    )


def ramp(value: ndarray, low: float, high: float) -> ndarray:
    """0 below, 1 above, smooth between."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)


def _before_others(depth: ndarray, pixels: ndarray, blocked: ndarray, reach: float) -> ndarray:
    """Trust lost behind other surfaces and just beside their edges, where the fit is not exact to the pixel."""
    far = np.where(blocked > 0, blocked, np.inf)
    here = lookup_nearest(ndimage.maximum_filter(np.where(blocked > 0, blocked, 0.0), 3), pixels)
    seen = (here > 0) & (depth < here + 0.012)
    radius = max(1, round(2 * reach))
    nearest = ndimage.minimum_filter(far, 2 * radius + 1)
    near = lookup_nearest(nearest, pixels)
    # Only the far side of an edge is doubtful: how far away is the nearest pixel that stands well in front?
    doubtful = depth > near + GAP
    trust = seen.astype(float)
    rows = np.flatnonzero(doubtful & seen)
    if len(rows):
        for shrink, amount in ((1.0, 0.6), (0.5, 0.0)):
            closer = ndimage.minimum_filter(far, 2 * max(1, round(shrink * radius)) + 1)
            hit = depth[rows] > lookup_nearest(closer, pixels[rows]) + GAP
            trust[rows[hit]] = amount
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


def _detail(color: ndarray, solid: ndarray) -> ndarray:
    """Strength of the colour's changes around each pixel against the person's mean, between .35 and 1.6."""
    changes = sum(ndimage.gaussian_gradient_magnitude(color[..., k], 0.8) for k in range(3))
    changes = ndimage.gaussian_filter(np.where(solid, changes, 0.0), 1.5)
    typical = float(changes[solid].mean()) if solid.any() else 1.0
    return np.clip(changes / max(typical, 1e-6), 0.35, 1.6)


def _relief(color: ndarray, alpha: ndarray, size: float) -> ndarray:
    """Light and shade of folds and strands; edges between garments are faded out, they are no folds."""
    bright = color @ np.array([0.3, 0.6, 0.1])
    sigma = 0.012 * size
    around = ndimage.gaussian_filter(bright * alpha, sigma) / np.maximum(
        ndimage.gaussian_filter(alpha, sigma), 0.05
    )
    relief = bright - around
    return relief * np.exp(-((relief / 0.12) ** 2)) * (alpha > 0.95)
