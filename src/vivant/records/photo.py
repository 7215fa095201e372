"""A photo as it came in."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Photo:
    """One photo, upright, at a size that can be worked with."""

    image: Float[Tensor, "height width 3"]
    """sRGB, 0 to 1."""

    alpha: Float[Tensor, "height width"] | None
    """From the file, if it cuts something out; else None."""

    focal_px: float | None
    """In pixels of `image`, from EXIF; None if the file does not say."""

    digest: str
    """SHA-256 of the file."""

    name: str
    """The file's name without folder and suffix."""

    original_size: tuple[int, int]
    """Width and height of the upright picture in the file."""
