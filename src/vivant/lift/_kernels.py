"""Loops that numpy cannot do, or only by way of large intermediate arrays."""

import math

import numpy as np

from vivant.core.jit import kernel


@kernel
def throw_darts(points, radius, cell):
    """Keep points, in order, that lie no nearer to a kept one than the mean of the two radii.

    A hash grid with chains; `cell` must be at least the largest radius. What is kept lies densely in memory,
    for that is what is searched.
    """
    count = len(points)
    size = 1024
    while size < count // 2:
        size *= 2
    heads = np.full(size, -1, np.int32)
    after = np.empty(count, np.int32)
    placed = np.empty((count, 4), np.float64)
    kept = np.zeros(count, np.bool_)
    # The own cell first: most that are not kept are stopped there.
    ways = np.array([0, -1, 1])
    found = 0
    for i in range(count):
        px, py, pz, pr = points[i, 0], points[i, 1], points[i, 2], radius[i]
        kx, ky, kz = int(math.floor(px / cell)), int(math.floor(py / cell)), int(math.floor(pz / cell))
        free = True
        for dx in ways:
            for dy in ways:
                for dz in ways:
                    j = heads[_slot(kx + dx, ky + dy, kz + dz, size)]
                    while j >= 0:
                        reach = 0.5 * (pr + placed[j, 3])
                        a, b, c = px - placed[j, 0], py - placed[j, 1], pz - placed[j, 2]
                        if a * a + b * b + c * c < reach * reach:
                            free = False
                            break
                        j = after[j]
                    if not free:
                        break
                if not free:
                    break
            if not free:
                break
        if free:
            kept[i] = True
            slot = _slot(kx, ky, kz, size)
            placed[found, 0], placed[found, 1], placed[found, 2], placed[found, 3] = px, py, pz, pr
            after[found] = heads[slot]
            heads[slot] = found
            found += 1
    return kept


@kernel
def _slot(x, y, z, size):
    return (x * 73856093 ^ y * 19349663 ^ z * 83492791) & (size - 1)


@kernel
def corner_normals(verts, faces):
    """Unit normals of a mesh's corners, weighted by area."""
    sums = np.zeros(verts.shape)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = verts[j, 0] - verts[i, 0], verts[j, 1] - verts[i, 1], verts[j, 2] - verts[i, 2]
        bx, by, bz = verts[k, 0] - verts[i, 0], verts[k, 1] - verts[i, 1], verts[k, 2] - verts[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for corner in (i, j, k):
            sums[corner, 0] += x
            sums[corner, 1] += y
            sums[corner, 2] += z
    for i in range(len(sums)):
        length = max(math.sqrt(sums[i, 0] ** 2 + sums[i, 1] ** 2 + sums[i, 2] ** 2), 1e-12)
        for axis in range(3):
            sums[i, axis] /= length
    return sums


@kernel
def interpolate(faces, face, barycentric, values):
    """Values at places on triangles, of what is known at the corners."""
    count, channels = len(face), values.shape[1]
    result = np.empty((count, channels), values.dtype)
    for p in range(count):
        i, j, k = faces[face[p], 0], faces[face[p], 1], faces[face[p], 2]
        a, b, c = barycentric[p, 0], barycentric[p, 1], barycentric[p, 2]
        for channel in range(channels):
            result[p, channel] = a * values[i, channel] + b * values[j, channel] + c * values[k, channel]
    return result


@kernel
def largest_four(values):
    """Columns of each row's four largest values, in growing order."""
    count, columns = values.shape
    result = np.empty((count, 4), np.int64)
    for row in range(count):
        best = np.full(4, -np.inf)
        where = np.full(4, -1)
        for column in range(columns):
            value = values[row, column]
            if value <= best[3]:
                continue
            at = 3
            while at > 0 and best[at - 1] < value:
                best[at], where[at] = best[at - 1], where[at - 1]
                at -= 1
            best[at], where[at] = value, column
        result[row] = np.sort(where)
    return result


@kernel
def sample(picture, pixels):
    """Bilinear values at places of a picture, pixel centres at half-integers; the border's beyond it."""
    height, width, channels = picture.shape
    result = np.empty((len(pixels), channels), np.float64)
    for p in range(len(pixels)):
        x = min(max(pixels[p, 0] - 0.5, 0.0), width - 1.0)
        y = min(max(pixels[p, 1] - 0.5, 0.0), height - 1.0)
        left, top = int(x), int(y)
        right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
        a, b = x - left, y - top
        for channel in range(channels):
            upper = (1 - a) * picture[top, left, channel] + a * picture[top, right, channel]
            lower = (1 - a) * picture[bottom, left, channel] + a * picture[bottom, right, channel]
            result[p, channel] = (1 - b) * upper + b * lower
    return result


@kernel
def least_around(picture, row, column, radius):
    """The least value in a square around each place; places beyond the picture count as at its border."""
    height, width = picture.shape
    result = np.empty(len(row), picture.dtype)
    for p in range(len(row)):
        y, x = min(max(row[p], 0), height - 1), min(max(column[p], 0), width - 1)
        least = picture[y, x]
        for v in range(max(y - radius, 0), min(y + radius, height - 1) + 1):
            for u in range(max(x - radius, 0), min(x + radius, width - 1) + 1):
                least = min(least, picture[v, u])
        result[p] = least
    return result
