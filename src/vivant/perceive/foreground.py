"""The person's own colour at every pixel, free of what shines through from behind.

Fast multi-level foreground estimation (Germer, Uelwer, Conrad, Harmeling, 2020): image = alpha * foreground +
(1 - alpha) * background with both smooth where alpha is, solved from a tiny picture up to the full one.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from vivant.core.images import resize_plane

Color = Float[np.ndarray, "height width 3"]
Plane = Float[np.ndarray, "height width"]

SMALL_SIDE = 32
"""Up to this size a level takes many steps."""

STEPS_SMALL, STEPS_LARGE = 10, 4
EVENNESS = 1e-5
"""How much neighbours agree even where alpha is flat."""


def estimate_foreground(image: Color, alpha: Plane) -> Color:
    """Give the person's colour: the photo's inside, unmixed at the rim, and carried on outward beyond it."""
    levels = _pyramid(image, alpha)
    foreground = background = np.full((1, 1, 3), image.mean((0, 1)), np.float32)
    for level_image, level_alpha in levels:
        height, width = level_alpha.shape
        small = max(height, width) <= SMALL_SIDE
        # Where alpha is 0 or 1 the colours are known or do not matter; large levels pass over them.
        inside, outside = level_alpha >= 0.995, level_alpha <= 0.005
        foreground = np.where(inside[..., None], level_image, _repeated(foreground, (width, height)))
        background = np.where(outside[..., None], level_image, _repeated(background, (width, height)))
        open_pixels = np.ones_like(inside) if small else ~inside & ~outside
        steps = STEPS_SMALL if small else STEPS_LARGE
        _relax(level_image, level_alpha, foreground, background, open_pixels, steps)
    return foreground.astype(np.float32)


def _pyramid(image: Color, alpha: Plane) -> list[tuple[Float[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]]:
    """Picture and alpha from one pixel up to their own size; each level is made from the next larger one."""
    levels = [(image, alpha)]
    for size in reversed(_sizes(alpha.shape[1], alpha.shape[0])[:-1]):
        image = np.stack([resize_plane(plane, size, smooth=False) for plane in np.moveaxis(image, -1, 0)], -1)
        alpha = resize_plane(alpha, size, smooth=False).clip(0, 1)
        levels.append((image, alpha))
    return levels[::-1]


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Sizes from one pixel up, about doubling."""
    levels = int(np.ceil(np.log2(max(width, height)))) if max(width, height) > 1 else 1
    return [
        (max(1, round(width ** (level / levels))), max(1, round(height ** (level / levels))))
        for level in range(levels + 1)
    ]


def _relax(
    image: Color,
    alpha: Plane,
    foreground: Color,
    background: Color,
    open_pixels: Bool[np.ndarray, "height width"],
    steps: int,
) -> None:
    """Improve both colours in place: at each open pixel, solve the 2 x 2 system its neighbours give."""
    pixels = np.flatnonzero(open_pixels)
    if len(pixels) == 0:
        return
    neighbours = _neighbours(pixels, alpha.shape)
    flat_alpha, flat_image = alpha.ravel(), image.reshape(-1, 3)
    flat_foreground, flat_background = foreground.reshape(-1, 3), background.reshape(-1, 3)
    a = flat_alpha[pixels][:, None]
    weight = (EVENNESS + np.abs(a.T - flat_alpha[neighbours]))[..., None]
    total = weight.sum(0)
    for _ in range(steps):
        near_foreground = (weight * flat_foreground[neighbours]).sum(0) + a * flat_image[pixels]
        near_background = (weight * flat_background[neighbours]).sum(0) + (1 - a) * flat_image[pixels]
        m00, m01, m11 = a * a + total, a * (1 - a), (1 - a) ** 2 + total
        scale = 1 / (m00 * m11 - m01 * m01)
        flat_foreground[pixels] = ((m11 * near_foreground - m01 * near_background) * scale).clip(0, 1)
        flat_background[pixels] = ((m00 * near_background - m01 * near_foreground) * scale).clip(0, 1)


def _neighbours(pixels: Int[np.ndarray, " pixels"], shape: tuple[int, ...]) -> Int[np.ndarray, "4 pixels"]:
    """Left, right, upper, lower; at the picture's rim the pixel itself."""
    height, width = shape
    rows, columns = np.divmod(pixels, width)
    return np.stack(
        [
            rows * width + (columns - 1).clip(0),
            rows * width + (columns + 1).clip(max=width - 1),
            (rows - 1).clip(0) * width + columns,
            (rows + 1).clip(max=height - 1) * width + columns,
        ]
    )


def _repeated(image: Color, size: tuple[int, int]) -> Float[np.ndarray, "new_height new_width 3"]:
    """Enlarge by repeating pixels."""
    rows = np.arange(size[1]) * image.shape[0] // size[1]
    columns = np.arange(size[0]) * image.shape[1] // size[0]
    return np.ascontiguousarray(image[rows[:, None], columns])
