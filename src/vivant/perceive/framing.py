"""Which part of the photo a picture shows, at which scale, and turned how."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from vivant.core.images import sample_box
from vivant.engines.jobs import Region


@dataclass(frozen=True)
class Frame:
    """A box of a picture, brought to some size."""

    left: float
    top: float
    """In the whole picture's pixels."""

    scale: float
    """The whole picture's pixels for one of this one's."""

    width: int
    height: int
    """In this one's pixels."""

    @property
    def whole_from_crop(self) -> Float[Tensor, "3 3"]:
        """Scale and shift."""
        return torch.tensor([[self.scale, 0, self.left], [0, self.scale, self.top], [0, 0, 1.0]])

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in the whole picture's pixels."""
        return (
            self.left,
            self.top,
            self.left + self.width * self.scale,
            self.top + self.height * self.scale,
        )

    def cut(self, pixels: UInt8[np.ndarray, "height width *channels"]) -> UInt8[np.ndarray, "h w *channels"]:
        """Take this crop out of the whole picture."""
        left, top, right, bottom = self.box
        height, width = pixels.shape[:2]
        return sample_box(
            pixels, (left, top, min(right, width), min(bottom, height)), (self.width, self.height)
        )

    def cut_mask(
        self, mask: Bool[np.ndarray, "mask_height mask_width"], size: tuple[int, int]
    ) -> Bool[np.ndarray, "h w"]:
        """Take this crop out of a mask of the whole picture.

        Args:
            mask: At any resolution.
            size: Width and height of the whole picture.
        """
        rows = (self.top + (np.arange(self.height) + 0.5) * self.scale) / size[1] * mask.shape[0]
        columns = (self.left + (np.arange(self.width) + 0.5) * self.scale) / size[0] * mask.shape[1]
        rows = rows.astype(int).clip(0, mask.shape[0] - 1)
        return mask[rows[:, None], columns.astype(int).clip(0, mask.shape[1] - 1)]

    def crop_region(self, region: Region) -> Region:
        """Take a region of the whole picture to this crop."""
        x, y = (region.center[0] - self.left) / self.scale, (region.center[1] - self.top) / self.scale
        return replace(region, center=(x, y), side=region.side / self.scale)

    def whole_region(self, region: Region) -> Region:
        """Take a region of this crop to the whole picture."""
        x, y = region.center[0] * self.scale + self.left, region.center[1] * self.scale + self.top
        return replace(region, center=(x, y), side=region.side * self.scale)


def frame_whole(size: tuple[int, int], max_extent: int) -> Frame:
    """Frame a whole picture (width, height), never enlarged, with at most so many pixels on its longer side."""
    return frame_box((0.0, 0.0, float(size[0]), float(size[1])), size, max_extent)


def frame_box(
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    max_extent: int,
    margin: float = 0.0,
) -> Frame:
    """Frame a box with some room around, inside the whole picture, never enlarged.

    Args:
        box: Left, top, right, bottom in the whole picture's pixels.
        size: Width and height of the whole picture.
        max_extent: The box without its margin gets at most this many pixels on its longer side.
        margin: Room on each side, as a part of the longer side.
    """
    left, top, right, bottom = box
    extent = max(right - left, bottom - top, 1.0)
    room = margin * extent
    # Whole pixels, so that a crop at full size is the photo's own pixels.
    left, top = math.floor(max(0, left - room)), math.floor(max(0, top - room))
    right, bottom = math.ceil(min(size[0], right + room)), math.ceil(min(size[1], bottom + room))
    scale = max(1.0, extent / max_extent)
    # Rounded down, so that the crop never reaches outside.
    width, height = max(1, math.floor((right - left) / scale)), max(1, math.floor((bottom - top) / scale))
    return Frame(float(left), float(top), scale, width, height)


@dataclass(frozen=True)
class Turn:
    """A picture turned by quarters so that someone in it stands upright."""

    quarters: int
    """Counter-clockwise, 0 to 3."""

    width: int
    height: int
    """Of the picture before it is turned."""

    @property
    def photo_from_turned(self) -> Float[Tensor, "3 3"]:
        """Takes the turned picture's pixels to the photo's."""
        width, height = float(self.width), float(self.height)
        rows = (
            [[1.0, 0, 0], [0, 1.0, 0]],
            [[0, -1.0, width], [1.0, 0, 0]],
            [[-1.0, 0, width], [0, -1.0, height]],
            [[0, 1.0, 0], [-1.0, 0, height]],
        )[self.quarters]
        return torch.tensor([*rows, [0, 0, 1.0]])

    def turn(self, picture: np.ndarray) -> np.ndarray:
        """Turn pixels or a mask of any size."""
        return np.ascontiguousarray(np.rot90(picture, self.quarters))

    def turn_region(self, region: Region) -> Region:
        """Take a region of the photo to the turned picture."""
        point = torch.tensor([*region.center, 1.0])
        x, y, _ = torch.linalg.solve(self.photo_from_turned, point).tolist()
        return Region((x, y), region.side, region.angle - self.quarters * math.pi / 2)
