"""The door: finds the cameras file of a folder and reads its pictures one by one."""

import math
from dataclasses import replace
from pathlib import Path

import torch

from vivant.core.cameras import Cameras
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.images import read_picture, to_float
from vivant.perceive.captures.colmap import read_colmap
from vivant.perceive.captures.own import read_own
from vivant.perceive.captures.transforms import read_transforms
from vivant.perceive.photo import MAX_SIDE, read_photo
from vivant.records import CapturePicture, Photo

PLACES = (
    "cameras.json", "transforms.json", "transforms_train.json", "cameras.txt", "sparse/0/cameras.txt",
    "sparse/cameras.txt", "colmap/sparse/0/cameras.txt",
)  # fmt: skip
"""Where cameras files lie in a folder, in the order in which they are looked for."""

MASK_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def find_cameras_file(folder: Path) -> Path:
    """Give the cameras file of a folder.

    Raises:
        BadFileError: If there is none, or only COLMAP's binary model.
    """
    if not folder.is_dir():
        raise BadFileError(f"{folder} is no folder. Name a folder of pictures with a cameras file, or a film.")
    for place in PLACES:
        if (folder / place).is_file():
            return folder / place
    binary = next(
        (
            p
            for place in PLACES
            if place.endswith(".txt") and (p := folder / place).with_suffix(".bin").is_file()
        ),
        None,
    )
    if binary is not None:
        model = binary.parent
        raise BadFileError(
            f"{model} holds COLMAP's binary model; its text form is needed. Convert it: "
            f"`colmap model_converter --input_path {model} --output_path {model} --output_type TXT`."
        )
    raise BadFileError(
        f"{folder} has no cameras file. One of these is needed: {', '.join(PLACES[:5])} "
        "(docs/reconstruct.md tells what they hold)."
    )


def read_capture(path: Path) -> tuple[CapturePicture, ...]:
    """Read a cameras file, or that of a folder; every picture it names is there.

    Raises:
        BadFileError: If it is missing or damaged, tells of no picture or of one that is missing.
    """
    file = find_cameras_file(path) if path.is_dir() else path
    if file.suffix == ".txt":
        pictures = read_colmap(file.with_name("cameras.txt"))
    else:
        pictures = read_own(file) if file.name == "cameras.json" else read_transforms(file)
    if not pictures:
        raise BadFileError(f"{file} tells of no picture; at least two are needed.")
    missing = [picture.file for picture in pictures if not picture.file.is_file()]
    if missing:
        raise BadFileError(
            f"{file} names {len(pictures)} pictures; {len(missing)} of them are missing: the first is "
            f"{missing[0]}. Put it there, or take it out of the file."
        )
    return tuple(replace(picture, mask=_mask(picture, file)) for picture in pictures)


def _mask(picture: CapturePicture, file: Path) -> Path | None:
    """Give the file's own mask, or that of a folder `masks` beside the pictures or the cameras file."""
    if picture.mask is not None:
        if not picture.mask.is_file():
            raise BadFileError(f"{file} names the mask {picture.mask}, which is missing.")
        return picture.mask
    for folder in (picture.file.parent / "masks", picture.file.parent.parent / "masks", file.parent / "masks"):
        # COLMAP's masks are named picture.jpg.png, others' picture.png.
        for stem in (picture.file.name, picture.file.stem):
            for suffix in MASK_SUFFIXES:
                if (folder / f"{stem}{suffix}").is_file():
                    return folder / f"{stem}{suffix}"
    return None


def read_picture_of(picture: CapturePicture) -> tuple[Photo, Cameras]:
    """Read a picture with its mask, and give its camera in the picture's own pixels.

    Raises:
        BadPhotoError: If a file is no picture, or damaged.
        BadInputError: If picture, mask and camera are of different sizes.
    """
    photo = read_photo(picture.file)
    width, height = photo.original_size
    if picture.size is not None and picture.size != (width, height):
        turned = " It is turned by its EXIF: save it upright." if picture.size == (height, width) else ""
        raise BadInputError(
            f"{picture.file} has {width} x {height} px, but its camera {picture.size[0]} x "
            f"{picture.size[1]}.{turned} Give pictures of the size that the cameras file speaks of."
        )
    if picture.mask is not None:
        photo = replace(photo, alpha=_read_mask(picture, picture.mask, photo))
    fov_focal = 0.0 if picture.fov_x is None else width / 2 / math.tan(picture.fov_x / 2)
    fx, fy = picture.focal_px or (fov_focal, fov_focal)
    cx, cy = picture.center_px or (width / 2, height / 2)
    lens = torch.tensor([[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]], dtype=torch.float32)
    whole = Cameras(picture.cam_from_world[None], lens, width, height)
    # Large photos are reduced when they are read.
    return photo, whole.resized(photo.image.shape[1], photo.image.shape[0])


def _read_mask(picture: CapturePicture, path: Path, photo: Photo) -> torch.Tensor:
    mask = read_picture(path, MAX_SIDE, texture=True)
    if mask.original_size != photo.original_size:
        width, height = mask.original_size
        raise BadInputError(
            f"The mask {path} has {width} x {height} px; {picture.file} has {photo.original_size[0]} x "
            f"{photo.original_size[1]}. Both need one size."
        )
    plane = to_float(mask.pixels).mean(-1)
    return plane if mask.alpha is None else plane * to_float(mask.alpha)
