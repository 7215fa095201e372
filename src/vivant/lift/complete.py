"""Join seen and guessed colours so that no border shows."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import sparse

from vivant.lift.evidence import Evidence
from vivant.lift.guess import Places, guess_colors, guess_relief
from vivant.lift.linear import factored
from vivant.lift.scatter import Points
from vivant.lift.sight import Sight
from vivant.lift.surface import Skin, laplacian, vertex_areas

RELIEF = 0.8
"""How much of the seen side's folds the unseen side takes."""

OTHER = 0.3
"""Difference of two colours in sRGB that belong to two garments."""

SPREAD = 0.05
"""Metres over which the step from seen to guessed fades."""


def complete(
    points: Points, places: Places, sight: Sight, skin: Skin, evidence: Evidence
) -> Float[ndarray, "points 3"]:
    """A colour for every point: the photo's where it is trusted, else a guess joined on without a border."""
    guess = guess_colors(places, sight, evidence)
    guess = guess + RELIEF * guess_relief(places, sight)[:, None]
    step = _spread_step(points, sight.color - guess, sight.trust, skin)
    share = sight.share[:, None]
    return np.clip(share * sight.color + (1 - share) * (guess + step), 0, 1)


def _spread_step(points: Points, step: ndarray, trust: ndarray, skin: Skin) -> ndarray:
    """Continue the difference between photo and guess into the unseen skin, fading: a screened membrane."""
    corners = skin.faces[points.face].ravel()
    # Where photo and guess differ as two garments do, the guess is of another garment: nothing to be spread.
    alike = np.exp(-((np.linalg.norm(step, axis=1) / OTHER) ** 2))
    weight = (points.barycentric * (alike * trust**2)[:, None]).ravel()
    firm = np.bincount(corners, weight, len(skin.verts))
    pull = np.stack(
        [np.bincount(corners, weight * np.repeat(step[:, k], 3), len(skin.verts)) for k in range(3)], 1
    )
    # Per square metre, so that the fading does not depend on how many splats there are.
    areas = vertex_areas(skin.verts, skin.faces)
    scale = areas / np.maximum(np.bincount(corners, points.barycentric.ravel(), len(skin.verts)), 1e-6)
    matrix = SPREAD**2 * laplacian(skin.verts, skin.faces) + sparse.diags(30 * firm * scale + areas)
    return points.take(skin.faces, factored(matrix).solve(30 * pull * scale[:, None]))
