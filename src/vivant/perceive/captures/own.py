"""Our own `cameras.json`: what a studio writes by hand or with ten lines of code (docs/reconstruct.md)."""

from pathlib import Path

from vivant.core.errors import BadFileError
from vivant.perceive.captures.values import above_zero, matrix, number, read_object, rigid, side
from vivant.records import CapturePicture

KEYS = {"file", "mask", "cam_from_world", "intrinsics", "width", "height"}


def read_own(path: Path) -> tuple[CapturePicture, ...]:
    """Read a `cameras.json`: OpenCV axes, pixel centres at half-integers.

    Raises:
        BadFileError: If something is missing, is no number, or no camera.
    """
    pictures = read_object(path).get("pictures")
    if not isinstance(pictures, list):
        raise BadFileError(f"{path} has no list `pictures`; see docs/reconstruct.md for what it holds.")
    return tuple(_picture(path, index, entry) for index, entry in enumerate(pictures))


def _picture(path: Path, index: int, entry: object) -> CapturePicture:
    where = f"{path}, picture {index + 1}"
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        raise BadFileError(f"{where} names no `file`.")
    where = f"{path}, {entry['file']}"
    unknown = sorted(map(str, entry.keys() - KEYS))
    if unknown:
        raise BadFileError(f"{where} has the unknown entry `{unknown[0]}`; known are {sorted(KEYS)}.")
    lens = matrix(entry.get("intrinsics"), (3,), 3, "intrinsics", where)
    if abs(number(float(lens[0, 1]), "intrinsics", where)) > 1e-6 or lens[1:, 0].any() or lens[2, 1] != 0:
        raise BadFileError(f"{where}: `intrinsics` is skewed; [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] is needed.")
    mask = entry.get("mask")
    if not (mask is None or isinstance(mask, str)):
        raise BadFileError(f"{where}: `mask` is {mask!r}; the name of a file is needed.")
    told = matrix(entry.get("cam_from_world"), (3, 4), 4, "cam_from_world", where)
    return CapturePicture(
        file=path.parent / entry["file"],
        mask=None if mask is None else path.parent / mask,
        cam_from_world=rigid(told, "cam_from_world", where),
        focal_px=(
            above_zero(float(lens[0, 0]), "intrinsics[0][0]", where),
            above_zero(float(lens[1, 1]), "intrinsics[1][1]", where),
        ),
        center_px=(float(lens[0, 2]), float(lens[1, 2])),
        size=(side(entry.get("width"), "width", where), side(entry.get("height"), "height", where)),
    )
