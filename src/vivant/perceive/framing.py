"""Which part of the photo a picture shows, and at which scale."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vivant.core.images import sample_box
from vivant.engines.jobs import Region


@dataclass(frozen=True)
class Frame:
    """A box of the photo, brought to some size."""

    left: float
    top: float
    """In the photo's pixels."""

    scale: float
    """Photo pixels for one of this picture's."""

    width: int
    height: int
    """In this picture's pixels."""

    @property
    def photo_from_image(self) -> Float[Tensor, "3 3"]:
        """Scale and shift."""
        return torch.tensor([[self.scale, 0, self.left], [0, self.scale, self.top], [0, 0, 1.0]])

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in the photo's pixels."""
        right, bottom = self.left + self.width * self.scale, self.top + self.height * self.scale
        return self.left, self.top, right, bottom

    def cut(self, pixels: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """Take this frame's picture out of the photo."""
        left, top, right, bottom = self.box
        height, width = pixels.shape[:2]
        return sample_box(
            pixels, (left, top, min(right, width), min(bottom, height)), (self.width, self.height)
        )

    def to_photo(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Take points of this picture to the photo."""
        return points * np.float32(self.scale) + np.array([self.left, self.top], np.float32)

    def from_photo(self, points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
        """Take points of the photo to this picture."""
        return (points - np.array([self.left, self.top], np.float32)) / np.float32(self.scale)

    def region_from_photo(self, region: Region) -> Region:
        """Take a region of the photo to this picture."""
        x, y = (region.center[0] - self.left) / self.scale, (region.center[1] - self.top) / self.scale
        return replace(region, center=(x, y), side=region.side / self.scale)

    def region_to_photo(self, region: Region) -> Region:
        """Take a region of this picture to the photo."""
        x, y = region.center[0] * self.scale + self.left, region.center[1] * self.scale + self.top
        return replace(region, center=(x, y), side=region.side * self.scale)


def frame_box(
    box: tuple[float, float, float, float], photo_size: tuple[int, int], max_side: float, margin: float = 0.0
) -> Frame:
    """Frame a box with some room around, inside the photo, never enlarged.

    Args:
        box: Left, top, right, bottom in the photo's pixels.
        photo_size: Width and height.
        max_side: The box without its margin has at most this many pixels on its longer side.
        margin: Room on each side, as a part of the longer side.
    """
    left, top, right, bottom = box
    extent = max(right - left, bottom - top, 1.0)
    room = margin * extent
    # Whole photo pixels, so that a crop at full size is the photo's own pixels.
    left, top = int(max(0, left - room)), int(max(0, top - room))
    right = int(np.ceil(min(photo_size[0], right + room)))
    bottom = int(np.ceil(min(photo_size[1], bottom + room)))
    scale = max(1.0, extent / max_side)
    width, height = max(1, int((right - left) / scale)), max(1, int((bottom - top) / scale))
    return Frame(float(left), float(top), scale, width, height)
