"""What a photo's EXIF tags tell about the lens."""

import math
from typing import Any

WIDTH, HEIGHT = 0xA002, 0xA003
FOCAL, FOCAL_ON_FILM = 0x920A, 0xA405
SENSOR_DOTS, SENSOR_UNIT = 0xA20E, 0xA210
"""Numbers of tags (EXIF 2.32, section 4.6.5): size, focal lengths in mm, and dots on the sensor per unit."""

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
"""What "focal length in 35 mm film" refers to (CIPA DCG-001)."""


def focal_px_from_exif(exif: dict[int, Any], size: tuple[int, int]) -> float | None:
    """Focal length in pixels of the stored picture, from whichever tags are there and plausible.

    A picture whose shape differs from the one the camera wrote was cropped, and its scale is unknown.

    Args:
        exif: Tags by number, those of the camera block included.
        size: Width and height of the stored picture.
    """
    written = (_number(exif, WIDTH), _number(exif, HEIGHT))
    scale = 1.0
    if written[0] and written[1]:
        cropped = abs(math.log(max(size) * min(written) / (min(size) * max(written)))) > 0.02
        if cropped:
            return None
        scale = max(size) / max(written)
    film_mm = _number(exif, FOCAL_ON_FILM)
    lens_mm = _number(exif, FOCAL)
    dots = _number(exif, SENSOR_DOTS)
    unit_mm = {2: 25.4, 3: 10.0, 4: 1.0}.get(int(exif.get(SENSOR_UNIT, 2) or 2), 25.4)
    if film_mm:
        focal = film_mm / FILM_DIAGONAL_MM * math.hypot(*size)
    elif lens_mm and dots:
        focal = lens_mm * dots / unit_mm * scale
    else:
        return None
    # Between a fisheye and a telescope; anything else is a wrong tag.
    return focal if 0.3 < focal / max(size) < 20 else None


def _number(exif: dict[int, Any], tag: int) -> float:
    """Read a number, 0 if it is absent or nonsense."""
    try:
        value = float(exif.get(tag, 0.0))
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0
