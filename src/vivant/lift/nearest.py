"""Where the nearest set cell of a grid lies, and how far away."""

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage


def distance_to(cells: Bool[ndarray, "rows columns"]) -> Float[ndarray, "rows columns"]:
    """Cells from each to the nearest set one; 0 on those."""
    return np.asarray(ndimage.distance_transform_edt(~cells))


def nearest_cell(cells: Bool[ndarray, "rows columns"]) -> Int[ndarray, "2 rows columns"]:
    """Row and column of the set one that is nearest to each."""
    return np.asarray(ndimage.distance_transform_edt(~cells, return_distances=False, return_indices=True))
