"""COLMAP's text model: `cameras.txt` and `images.txt` (colmap.github.io/format.html). Points are not needed.

Its cameras are OpenCV's, pixel centres lie at half-integers, and quaternions are wxyz of `cam_from_world`.
"""

import math
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadFileError
from vivant.core.rotations import matrices_from_quats
from vivant.perceive.captures.values import above_zero, number, read_text, side
from vivant.records import CapturePicture

COUNTS = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 4, "RADIAL": 5, "OPENCV": 8}
"""Models that are pinholes if all their distortion is 0, and how many numbers each has."""

ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")


class Lens(NamedTuple):
    """One camera of `cameras.txt`."""

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]


def read_colmap(cameras: Path) -> tuple[CapturePicture, ...]:
    """Read the model that a `cameras.txt` belongs to; pictures are where COLMAP puts them.

    Raises:
        BadFileError: If a line is damaged, a camera is missing or distorts, or a model is unknown.
    """
    lenses = _lenses(cameras)
    path = cameras.with_name("images.txt")
    folders = [*(parent / "images" for parent in cameras.parents[:4]), *cameras.parents[:4]]
    found = []
    for line_number, line in _entries(path, every_second=True):
        where = f"{path}, line {line_number}"
        words = line.split(maxsplit=9)
        if len(words) != 10:
            raise BadFileError(f"{where} has {len(words)} words; IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME.")
        if words[8] not in lenses:
            raise BadFileError(f"{where}: the picture {words[9]} has camera {words[8]}, which {cameras} lacks.")
        lens, name = lenses[words[8]], words[9].strip()
        file = next((folder / name for folder in folders if (folder / name).is_file()), folders[0] / name)
        pose = _pose([_parsed(word, "pose", where) for word in words[1:8]], where)
        found.append(CapturePicture(file, None, pose, lens.focal, lens.center, lens.size))
    return tuple(found)


def _lenses(path: Path) -> dict[str, Lens]:
    lenses = {}
    for line_number, line in _entries(path):
        where, words = f"{path}, line {line_number}", line.split()
        if len(words) < 5:
            raise BadFileError(
                f"{where} has {len(words)} words; CAMERA_ID MODEL WIDTH HEIGHT PARAMS is needed."
            )
        name, model = words[0], words[1]
        if model not in COUNTS:
            raise BadFileError(_bent(where, f"the model {model}"))
        values = [_parsed(word, model, where) for word in words[4:]]
        if len(values) != COUNTS[model]:
            raise BadFileError(f"{where}: {model} has {len(values)} numbers; {COUNTS[model]} are needed.")
        alone = model in ONE_FOCAL
        focal, rest = (values[:1] * 2, values[1:]) if alone else (values[:2], values[2:])
        if any(rest[2:]):
            raise BadFileError(
                _bent(where, f"the distortion {' '.join(words[4 + len(values) - len(rest) + 2 :])}")
            )
        lenses[name] = Lens(
            (side(_parsed(words[2], "WIDTH", where), "WIDTH", where),
             side(_parsed(words[3], "HEIGHT", where), "HEIGHT", where)),
            (above_zero(focal[0], "focal length", where), above_zero(focal[1], "focal length", where)),
            (rest[0], rest[1]),
        )  # fmt: skip
    return lenses


def _bent(where: str, what: str) -> str:
    return (
        f"{where} has {what}; only straight lenses can be used ({', '.join(COUNTS)}, without distortion). "
        "Undistort the pictures first: `colmap image_undistorter`, then `colmap model_converter` to text."
    )


def _entries(path: Path, every_second: bool = False) -> list[tuple[int, str]]:
    """Lines that hold something, with their numbers; of `images.txt` each second, for others hold points."""
    lines = [(n, line) for n, line in enumerate(read_text(path).splitlines(), 1) if not line.startswith("#")]
    if every_second:
        # A picture without points has an empty line in its place.
        while lines and not lines[0][1].strip():
            lines = lines[1:]
        return [entry for entry in lines[::2] if entry[1].strip()]
    return [entry for entry in lines if entry[1].strip()]


def _parsed(word: str, what: str, where: str) -> float:
    try:
        return number(float(word), what, where)
    except ValueError:
        raise BadFileError(f"{where}: `{what}` holds {word[:40]!r}; a number is needed.") from None


def _pose(values: list[float], where: str) -> Float[Tensor, "4 4"]:
    quat = torch.tensor(values[:4], dtype=torch.float64)
    if not math.isclose(float(quat.norm()), 1.0, abs_tol=1e-2):
        raise BadFileError(f"{where}: the quaternion {values[:4]} has length {float(quat.norm()):.3g}, not 1.")
    matrix = torch.eye(4).double()
    matrix[:3, :3] = matrices_from_quats(quat / quat.norm())
    matrix[:3, 3] = torch.tensor(values[4:], dtype=torch.float64)
    return matrix
