"""Cloth that nobody photographed: stripes, checks, dots; and other tints of cloth that somebody did."""

import numpy as np
from jaxtyping import UInt8

from vivant.core.errors import BadInputError


def tinted(
    pixels: UInt8[np.ndarray, "height width 3"], random: np.random.Generator
) -> UInt8[np.ndarray, "height width 3"]:
    """Turn the hue and change the value of a whole piece, half of the time."""
    if random.random() < 0.5:
        return pixels
    angle = random.uniform(0, 2 * np.pi)
    value = random.uniform(0.6, 1.35)
    # A turn about the grey axis (Rodrigues): greys stay grey.
    k = np.ones(3) / np.sqrt(3)
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    turn = np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * np.outer(k, k)
    return (pixels @ (turn.T * value)).round().clip(0, 255).astype(np.uint8)


def printed(random: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Paint a square of cloth.

    Raises:
        BadInputError: If the size is not 8 to 8192.
    """
    if not 8 <= size <= 8192:
        raise BadInputError(f"A print of {size} px a side; 8 to 8192 are possible.")
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    ground, figure, third = (np.array(_color(random)) for _ in range(3))
    kind = ("plain", "stripes", "checks", "dots")[int(random.choice(4, p=[0.4, 0.25, 0.2, 0.15]))]
    count = float(random.integers(10, 60))
    if kind == "stripes":
        axis = x if random.random() < 0.5 else y
        mask = (np.sin(2 * np.pi * count * axis) > random.uniform(-0.5, 0.8)).astype(float)
    elif kind == "checks":
        mask = 0.5 * (np.sin(2 * np.pi * count * x) > 0) + 0.5 * (np.sin(2 * np.pi * count * y) > 0)
    elif kind == "dots":
        cell = np.stack([x * count % 1, y * count % 1]) - 0.5
        mask = ((cell**2).sum(0) < random.uniform(0.03, 0.12)).astype(float)
    else:
        mask = np.zeros_like(x)
    cloth = ground + mask[..., None] * (figure - ground)
    cloth = np.where((mask == 0.5)[..., None], 0.5 * (cloth + third), cloth)
    weave = 1 + random.uniform(0.01, 0.07) * random.normal(size=(size, size, 1))
    weave = weave * (1 + 0.03 * np.sin(2 * np.pi * size / 4 * x + np.pi * size / 8 * y))[..., None]
    return (cloth * weave * 255).round().clip(0, 255).astype(np.uint8)


def _color(random: np.random.Generator) -> tuple[float, float, float]:
    """Like clothes: often dark or pale, seldom loud."""
    value, strength, hue = random.beta(1.3, 1.5) * 0.85 + 0.05, random.beta(1.2, 2.5), random.uniform(0, 6)
    channels = [np.clip(abs((hue + shift) % 6 - 3) - 1, 0, 1) for shift in (0, 4, 2)]
    return tuple(float(value * (1 - strength * (1 - channel))) for channel in channels)  # pyright: ignore
