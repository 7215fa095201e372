"""Loops of a surface field, compiled."""

import numpy as np

from vivant.core.jit import kernel


@kernel
def spread_places(points, count):
    """Rows as far from each other as can be: each next one is the farthest from all before."""
    picked = np.zeros(count, np.int64)
    nearest = np.full(len(points), np.inf)
    for number in range(1, count):
        before, farthest = picked[number - 1], 0
        for i in range(len(points)):
            distance = 0.0
            for axis in range(points.shape[1]):
                distance += (points[i, axis] - points[before, axis]) ** 2
            nearest[i] = min(nearest[i], distance)
            if nearest[i] > nearest[farthest]:
                farthest = i
        picked[number] = farthest
    return picked


@kernel
def normal_equations(rows, index, share, slope, distance, weight, count):
    """Both sides of the least squares of how far points lie from where they shall be, by places' moves.

    Args:
        rows: Which splat each point is.
        index: The places that each splat moves with.
        share: How much.
        slope: How much of its move each point shows.
        distance: How far each point has to go.
        weight: How much it counts.
        count: Places in all.
    """
    left, right = np.zeros((count, count)), np.zeros(count)
    shared = index.shape[1]
    for point in range(len(rows)):
        row = rows[point]
        shown = weight[point] * slope[point]
        for a in range(shared):
            here, part = index[row, a], shown * share[row, a]
            right[here] += part * distance[point]
            for b in range(shared):
                left[here, index[row, b]] += part * slope[point] * share[row, b]
    return left, right
