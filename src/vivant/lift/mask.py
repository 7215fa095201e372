"""Distrust the mask where it seems to have closed a gap: between arm and waist, between the feet."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import ndimage
from scipy.spatial import cKDTree

from vivant.core.threads import thread_count
from vivant.lift.charts import oklab_from_srgb
from vivant.lift.sight import Picture, enlarge, shrink

GRID = 420
"""Pixels that the person has at most on the grid this is judged on."""

EXAMPLES = 8000
"""Pixels of person and background that are compared with, about."""

NEAR = 0.12
"""Part of the person's height from which examples of colours are taken."""

FAVOUR = 1.3
"""How much nearer the background's colours must be than the person's."""

ALIKE = 0.05
"""Distance in Oklab that weighs as much as `NEAR`."""


def trusted_mask(picture: Picture, part: Int[ndarray, "height width"]) -> Float[ndarray, "height width"]:
    """The mask, less gaps between two parts of the body whose colour is rather that of the background close by.

    Args:
        picture: The photo and its mask.
        part: Which part of the bare body each pixel shows; -1 where none.
    """
    scale = min(1.0, GRID / picture.size)
    height, width = picture.alpha.shape
    shape = (max(8, round(height * scale)), max(8, round(width * scale)))
    alpha = shrink(picture.alpha, shape)
    rows, columns = (
        ((np.arange(n) + 0.5) * full / n).astype(int) for n, full in zip(shape, part.shape, strict=True)
    )
    part = part[rows][:, columns]
    on_body = part >= 0
    doubtful = (alpha > 0.5) & ~on_body
    person, behind = on_body & (alpha > 0.98), alpha < 0.02
    if doubtful.sum() < 10 or person.sum() < 50 or behind.sum() < 50:
        return picture.alpha
    color = np.stack([shrink(plane, shape) for plane in np.moveaxis(picture.raw, 2, 0)], -1)
    tones = oklab_from_srgb(color.reshape(-1, 3)).reshape(color.shape) / ALIKE
    features = np.concatenate([np.stack(np.indices(shape), -1) / (NEAR * picture.size * scale), tones], -1)
    to_person, to_behind = (
        cKDTree(_some(features[chosen])).query(features[doubtful], k=4, workers=thread_count())[0].mean(1)
        for chosen in (person, behind)
    )
    strange = np.zeros(shape)
    strange[doubtful] = to_person > FAVOUR * to_behind
    # Single cells err; their neighbourhood decides. A thin rim is the mask's own business.
    around = ndimage.gaussian_filter(doubtful.astype(float), 2.0)
    closed = doubtful & (ndimage.gaussian_filter(strange, 2.0) > 0.5 * around)
    closed = _between_parts(ndimage.binary_opening(closed, np.ones((3, 3))), part)
    return picture.alpha * (1 - enlarge(closed.astype(float), (height, width)))


def _some(features: ndarray) -> ndarray:
    """Evenly some of them: more examples tell no more, and take long to search."""
    return features[:: max(1, len(features) // EXAMPLES)]


def _between_parts(closed: ndarray, part: ndarray) -> ndarray:
    """Keep the pieces that lie between two parts of the body: only there does a mask close gaps."""
    labels, count = ndimage.label(closed)
    kept = np.zeros(count + 1, bool)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        grown = tuple(slice(max(0, side.start - 6), side.stop + 6) for side in box)
        ring = ndimage.binary_dilation(labels[grown] == number, iterations=6) & (part[grown] >= 0)
        shares = np.sort(np.bincount(part[grown][ring], minlength=2))
        kept[number] = shares[-2] > 0.15 * shares.sum()
    return kept[labels]
