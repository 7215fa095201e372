"""Pictures laid on triangles: pyramids of ever smaller copies, so that far surfaces do not glitter."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vivant.core.errors import BadInputError

MAX_SIDE = 8192
"""Pixels: larger textures are refused."""


@dataclass(frozen=True)
class Texture:
    """One picture with its smaller copies (Williams 1983), in bytes: five bytes a pixel in all."""

    levels: tuple[UInt8[Tensor, "_ _ 4"], ...]
    """sRGB and straight alpha; the first is the picture itself, each next one half as large."""

    def __post_init__(self) -> None:
        """Check that there is a picture of a sane size.

        Raises:
            BadInputError: If there is none, or it is too large.
        """
        if not self.levels or not all(1 <= side <= MAX_SIDE for side in self.levels[0].shape[:2]):
            raise BadInputError(
                f"A texture needs a picture of 1 to {MAX_SIDE} px a side, "
                f"got {tuple(self.levels[0].shape[:2]) if self.levels else 'none'}."
            )

    @classmethod
    def build(
        cls, pixels: UInt8[np.ndarray, "height width 3"], alpha: UInt8[np.ndarray, "height width"] | None = None
    ) -> "Texture":
        """Make the smaller copies: averages of light, weighted by alpha."""
        if not 1 <= max(pixels.shape[:2]) <= MAX_SIDE:
            raise BadInputError(
                f"A texture of {pixels.shape[1]} x {pixels.shape[0]} px; {MAX_SIDE} is the most."
            )
        opacity = np.full(pixels.shape[:2], 255, np.uint8) if alpha is None else alpha
        light = linear_from_srgb(torch.from_numpy(pixels.astype(np.float32) / 255))
        cover = torch.from_numpy(opacity.astype(np.float32) / 255)[..., None]
        levels = [torch.from_numpy(np.concatenate([pixels, opacity[..., None]], -1))]
        # A trace of weight, so that colour goes on where nothing is opaque: filters reach beyond the edge.
        weight = cover + 1e-4
        light = light * weight
        while max(levels[-1].shape[:2]) > 1:
            light, weight = _halved(light), _halved(weight)
            straight = srgb_from_linear(light / weight)
            rgba = torch.cat([straight, (weight - 1e-4)], -1)
            levels.append((rgba * 255).round().clamp(0, 255).to(torch.uint8))
        return cls(tuple(levels))

    @classmethod
    def plain(cls, color: tuple[float, float, float]) -> "Texture":
        """One colour."""
        return cls.build((np.array([[color]]) * 255).round().clip(0, 255).astype(np.uint8))


def _halved(image: Float[Tensor, "height width channels"]) -> Float[Tensor, "half_height half_width channels"]:
    height, width = image.shape[:2]
    size = (max(1, height // 2), max(1, width // 2))
    return torch.nn.functional.adaptive_avg_pool2d(image.permute(2, 0, 1), size).permute(1, 2, 0)


def linear_from_srgb(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Light that an sRGB value stands for (IEC 61966-2-1)."""
    return torch.where(value <= 0.04045, value / 12.92, ((value.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(light: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Write light as sRGB (IEC 61966-2-1)."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=1e-8) ** (1 / 2.4) - 0.055)
