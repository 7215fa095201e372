"""Loops that numpy cannot do: throwing darts, and how much each splat gives to each pixel."""

import math

import numpy as np

from vivant.core.jit import kernel


@kernel
def throw_darts(points, radius, cell):
    """Keep points, in order, that lie no nearer to a kept one than the mean of the two radii.

    A hash grid with chains; `cell` must be at least the largest radius.
    """
    count = len(points)
    size = 1
    while size < 2 * count:
        size *= 2
    heads = np.full(size, -1, np.int64)
    after = np.full(count, -1, np.int64)
    keys = np.empty((count, 3), np.int64)
    kept = np.zeros(count, np.bool_)
    for i in range(count):
        for axis in range(3):
            keys[i, axis] = int(math.floor(points[i, axis] / cell))
        free = True
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    x, y, z = keys[i, 0] + dx, keys[i, 1] + dy, keys[i, 2] + dz
                    j = heads[_slot(x, y, z, size)]
                    while j >= 0:
                        reach = 0.5 * (radius[i] + radius[j])
                        a = points[i, 0] - points[j, 0]
                        b = points[i, 1] - points[j, 1]
                        c = points[i, 2] - points[j, 2]
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
            slot = _slot(keys[i, 0], keys[i, 1], keys[i, 2], size)
            after[i] = heads[slot]
            heads[slot] = i
    return kept


@kernel
def _slot(x, y, z, size):
    return (x * 73856093 ^ y * 19349663 ^ z * 83492791) & (size - 1)


@kernel
def blend(centers, conics, opacities, radii, order, weight, pixel, splat, amount):
    """Blend splats front to back, and list which splat gives how much to which pixel that counts.

    Returns how many entries were listed; the lists stop growing when full.
    """
    height, width = weight.shape
    through = np.ones((height, width), np.float32)
    entries = 0
    for turn in range(len(order)):
        i = order[turn]
        u, v = centers[i, 0], centers[i, 1]
        left, right = max(0, int(math.floor(u - radii[i, 0]))), min(width - 1, int(math.floor(u + radii[i, 0])))
        top, bottom = (
            max(0, int(math.floor(v - radii[i, 1]))),
            min(height - 1, int(math.floor(v + radii[i, 1]))),
        )
        for y in range(top, bottom + 1):
            dy = y + np.float32(0.5) - v
            for x in range(left, right + 1):
                light = through[y, x]
                if light < np.float32(0.004) or weight[y, x] <= 0:
                    continue
                dx = x + np.float32(0.5) - u
                power = (
                    np.float32(0.5) * (conics[i, 0] * dx * dx + conics[i, 2] * dy * dy) + conics[i, 1] * dx * dy
                )
                if power > np.float32(5.6):
                    continue
                a = min(np.float32(0.999), opacities[i] * np.float32(math.exp(-power)))
                if a < np.float32(1 / 255):
                    continue
                through[y, x] = light * (1 - a)
                share = a * light
                if share > np.float32(0.004) and entries < len(pixel):
                    pixel[entries] = y * width + x
                    splat[entries] = i
                    amount[entries] = share
                    entries += 1
    return entries


@kernel
def jacobi(pixel, splat, amount, colors, start, goal, weight, anchor, limit, steps):
    """Move colours so that the blends come nearer to the goal, pixel by pixel weighted; see `sharpen`."""
    height, width = weight.shape
    count = len(colors)
    scale = np.zeros(count, np.float32)
    error = np.empty((height * width, 3), np.float32)
    push = np.empty((count, 3), np.float32)
    for e in range(len(pixel)):
        p = pixel[e]
        scale[splat[e]] += amount[e] * weight[p // width, p % width]
    for _ in range(steps):
        error[:] = 0
        push[:] = 0
        for e in range(len(pixel)):
            for k in range(3):
                error[pixel[e], k] += amount[e] * colors[splat[e], k]
        for p in range(height * width):
            y, x = p // width, p % width
            for k in range(3):
                error[p, k] = (goal[y, x, k] - error[p, k]) * weight[y, x]
        for e in range(len(pixel)):
            for k in range(3):
                push[splat[e], k] += amount[e] * error[pixel[e], k]
        for i in range(count):
            for k in range(3):
                step = (push[i, k] + anchor[i] * (start[i, k] - colors[i, k])) / (
                    scale[i] + anchor[i] + np.float32(1e-6)
                )
                value = colors[i, k] + step
                value = min(max(value, start[i, k] - limit), start[i, k] + limit)
                colors[i, k] = min(max(value, np.float32(0)), np.float32(1))
