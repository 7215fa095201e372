"""A photo file as a record."""

from pathlib import Path

from vivant.core.images import read_picture, to_float
from vivant.records import Photo

MAX_SIDE = 4096
"""Enough for a sharp face in a whole-body photo, and at most 200 MB."""


def read_photo(path: Path | str, max_side: int = MAX_SIDE) -> Photo:
    """Read a photo: upright, in sRGB, with its cut-out and its focal length where the file has them.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP, GIF; HEIC with the extra `heic`.
        max_side: Larger photos are reduced so that their longer side has this many pixels.

    Raises:
        BadPhotoError: If the file is missing, no picture, damaged, too small or too large.
        MissingExtraError: If it is HEIC and the reader for those is not installed.
    """
    path = Path(path)
    picture = read_picture(path, max_side)
    return Photo(
        image=to_float(picture.pixels),
        alpha=None if picture.alpha is None else to_float(picture.alpha),
        focal_px=picture.focal_px,
        digest=picture.digest,
        name=path.stem,
        original_size=picture.original_size,
    )
