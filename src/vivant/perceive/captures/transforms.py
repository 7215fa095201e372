"""`transforms.json` of NeRF (arXiv 2003.08934, Blender scenes) and nerfstudio.

Its cameras look along -z with y up (OpenGL), and its matrices lead from camera to world. Lenses are told for
the whole file or for each picture.
"""

import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadFileError
from vivant.perceive.captures.values import above_zero, matrix, number, read_object, rigid, side
from vivant.records import CapturePicture

OPENCV_FROM_OPENGL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])).double()

STRAIGHT = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
"""Models that are pinholes if all their distortion is 0."""

DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2", "distortion_params")

SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".webp")
"""Blender scenes name files without their suffix."""


def read_transforms(path: Path) -> tuple[CapturePicture, ...]:
    """Read a `transforms.json`.

    Raises:
        BadFileError: If something is missing, is no number, or a lens is not straight.
    """
    whole = read_object(path)
    frames = whole.get("frames")
    if not isinstance(frames, list):
        raise BadFileError(f"{path} has no list `frames`; it is no transforms.json of NeRF or nerfstudio.")
    return tuple(_picture(path, whole, index, frame) for index, frame in enumerate(frames))


def _picture(path: Path, whole: dict[str, Any], index: int, frame: object) -> CapturePicture:
    where = f"{path}, frame {index + 1}"
    if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
        raise BadFileError(f"{where} names no `file_path`.")
    where = f"{path}, {frame['file_path']}"
    told = {**whole, **frame}
    _expect_straight(told, where)
    world_from_gl = rigid(
        matrix(frame.get("transform_matrix"), (3, 4), 4, "transform_matrix", where), "transform_matrix", where
    )
    mask = frame.get("mask_path")
    if not (mask is None or isinstance(mask, str)):
        raise BadFileError(f"{where}: `mask_path` is {mask!r}; the name of a file is needed.")
    focal, fov_x = _lens(told, where)
    sizes = [told.get("w"), told.get("h")]
    center = [told.get("cx"), told.get("cy")]
    return CapturePicture(
        file=_with_suffix(path.parent / frame["file_path"]),
        mask=None if mask is None else path.parent / mask,
        cam_from_world=OPENCV_FROM_OPENGL @ _inverse(world_from_gl),
        focal_px=focal,
        center_px=None if None in center else (number(center[0], "cx", where), number(center[1], "cy", where)),
        size=None if None in sizes else (side(sizes[0], "w", where), side(sizes[1], "h", where)),
        fov_x=fov_x,
    )


def _lens(told: dict[str, Any], where: str) -> tuple[tuple[float, float] | None, float | None]:
    """Focal lengths, or the field of view."""
    if "fl_x" in told:
        focal = above_zero(told["fl_x"], "fl_x", where)
        return (focal, above_zero(told.get("fl_y", focal), "fl_y", where)), None
    if "camera_angle_x" not in told:
        raise BadFileError(f"{where} tells no lens: `fl_x` or `camera_angle_x` is needed.")
    angle = above_zero(told["camera_angle_x"], "camera_angle_x", where)
    if angle >= math.pi:
        raise BadFileError(f"{where}: `camera_angle_x` is {angle:g}; radians below pi are needed.")
    return None, angle


def _expect_straight(told: dict[str, Any], where: str) -> None:
    model = told.get("camera_model", "PINHOLE")
    bent = model not in STRAIGHT or told.get("is_fisheye") is True
    found = [name for name in DISTORTION if _is_used(told.get(name), name, where)]
    if bent or found:
        what = f"`camera_model` {model!r}" if bent else f"distortion `{found[0]}`"
        raise BadFileError(
            f"{where} has {what}; only straight lenses can be used. Undistort the pictures first, e.g. with "
            "`colmap image_undistorter` or `ns-process-data`, and give their new cameras."
        )


def _is_used(value: object, name: str, where: str) -> bool:
    if value is None:
        return False
    return any(number(entry, name, where) != 0 for entry in (value if isinstance(value, list) else [value]))


def _with_suffix(path: Path) -> Path:
    for suffix in SUFFIXES:
        full = path.with_name(path.name + suffix)
        if full.is_file():
            return full
    return path


def _inverse(rigid: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
    back = torch.eye(4).double()
    back[:3, :3] = rigid[:3, :3].T
    back[:3, 3] = -rigid[:3, :3].T @ rigid[:3, 3]
    return back
