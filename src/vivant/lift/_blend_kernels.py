"""How much each splat gives to each pixel, and the steps that undo the blend.

The picture is cut into bands of rows; no two touch the same pixel, so they are worked on side by side. Each
band numbers those of its pixels that count, and lists what they get splat by splat, nearest first.
"""

import math

import numpy as np

from vivant.core.jit import kernel


@kernel
def blend(centers, conics, opacities, radii, weight, number, top, bottom, starts, pixel, amount):
    """Blend splats front to back within some rows, and list how much each gives to each pixel that counts.

    Args:
        centers: Of splats in pixels, nearest first.
        conics: Their inverse covariances.
        opacities: Theirs.
        radii: How far they reach.
        weight: How much each pixel counts.
        number: Each such pixel's number within the band.
        top: The first row.
        bottom: The row after the last.
        starts: Is set to where each splat's list begins, and at the end to the number of entries.
        pixel: Is set to the entries' pixels; lists stop growing when it is full.
        amount: Is set to what those pixels get.
    """
    width = weight.shape[1]
    through = np.empty((bottom - top, width), np.float32)
    for y in range(top, bottom):
        for x in range(width):
            through[y - top, x] = np.float32(1 if weight[y, x] > 0 else 0)
    entries = 0
    for i in range(len(centers)):
        starts[i] = entries
        u, v = centers[i, 0], centers[i, 1]
        left, right = max(0, int(math.floor(u - radii[i, 0]))), min(width - 1, int(math.floor(u + radii[i, 0])))
        first, last = (
            max(top, int(math.floor(v - radii[i, 1]))),
            min(bottom - 1, int(math.floor(v + radii[i, 1]))),
        )
        for y in range(first, last + 1):
            dy = y + np.float32(0.5) - v
            for x in range(left, right + 1):
                light = through[y - top, x]
                if light < np.float32(0.004):
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
                through[y - top, x] = light * (1 - a)
                share = a * light
                if share > np.float32(0.004) and entries < len(pixel):
                    pixel[entries] = number[y, x]
                    amount[entries] = share
                    entries += 1
    starts[len(centers)] = entries


@kernel
def weigh(starts, pixel, amount, weight, scale):
    """Set how much each splat gives in all to pixels, weighted."""
    for i in range(len(starts) - 1):
        total = np.float32(0)
        for e in range(starts[i], starts[i + 1]):
            total += amount[e] * weight[pixel[e]]
        scale[i] = total


@kernel
def push(starts, pixel, amount, colors, goal, weight, error, pushed):
    """Set how much each splat's colour is wanted to change, by the errors of the pixels it gives to.

    Colours have four channels, of which the last is idle: so they fill a register.
    """
    for p in range(len(error)):
        for k in range(4):
            error[p, k] = 0
    for i in range(len(colors)):
        for e in range(starts[i], starts[i + 1]):
            for k in range(4):
                error[pixel[e], k] += amount[e] * colors[i, k]
    for p in range(len(error)):
        for k in range(4):
            error[p, k] = (goal[p, k] - error[p, k]) * weight[p]
    for i in range(len(colors)):
        a = b = c = np.float32(0)
        for e in range(starts[i], starts[i + 1]):
            a += amount[e] * error[pixel[e], 0]
            b += amount[e] * error[pixel[e], 1]
            c += amount[e] * error[pixel[e], 2]
        pushed[i, 0], pushed[i, 1], pushed[i, 2] = a, b, c


@kernel
def step(pushed, scale, colors, start, anchor, limit):
    """Move colours by the mean of what the bands want, within their room."""
    for i in range(len(colors)):
        for k in range(3):
            wanted = anchor[i] * (start[i, k] - colors[i, k])
            for band in range(len(pushed)):
                wanted += pushed[band, i, k]
            value = colors[i, k] + wanted / (scale[i] + anchor[i] + np.float32(1e-6))
            value = min(max(value, start[i, k] - limit), start[i, k] + limit)
            colors[i, k] = min(max(value, np.float32(0)), np.float32(1))
