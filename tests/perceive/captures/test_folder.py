"""Cameras files: three formats of one studio tell the same cameras; what is wrong in one is told by name."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vivant.core.cameras import look_at
from vivant.core.errors import BadFileError, BadInputError, VivantError
from vivant.core.images import write_image
from vivant.core.rotations import quats_from_matrices
from vivant.perceive.captures import cut_by_mask, read_capture, read_picture_of
from vivant.perceive.person import PerceiveConfig
from vivant.records import CapturePicture

WIDTH, HEIGHT, FX, FY, CX, CY = 48, 64, 70.0, 71.0, 23.0, 33.5
NAMES = ("front", "left", "back")


def poses() -> list[torch.Tensor]:
    """`cam_from_world` of three cameras."""
    places = ([0.0, 1.2, 3.0], [2.8, 0.9, 0.4], [-0.5, 1.0, -3.1])
    return [look_at(torch.tensor(p).double(), torch.tensor([0.0, 1.0, 0.0]).double()) for p in places]


def pictures_in(folder: Path, alpha: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    for name in NAMES:
        image = torch.rand(HEIGHT, WIDTH, 4 if alpha else 3, generator=generator)
        if alpha:
            image[..., 3] = (torch.arange(WIDTH) > 20).float()
        write_image(image, folder / f"{name}.png")
    return folder


def write_own(folder: Path) -> Path:
    pictures_in(folder)
    lens = [[FX, 0, CX], [0, FY, CY], [0, 0, 1]]
    told = [
        {"file": f"{n}.png", "cam_from_world": p.tolist(), "intrinsics": lens, "width": WIDTH, "height": HEIGHT}
        for n, p in zip(NAMES, poses(), strict=True)
    ]
    (folder / "cameras.json").write_text(json.dumps({"pictures": told}))
    return folder


def write_transforms(folder: Path) -> Path:
    pictures_in(folder / "images")
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])).double()
    frames = [
        {"file_path": f"images/{n}.png", "transform_matrix": (torch.linalg.inv(p) @ flip).tolist()}
        for n, p in zip(NAMES, poses(), strict=True)
    ]
    lens = {
        "fl_x": FX,
        "fl_y": FY,
        "cx": CX,
        "cy": CY,
        "w": WIDTH,
        "h": HEIGHT,
        "k1": 0.0,
        "camera_model": "OPENCV",
    }
    (folder / "transforms.json").write_text(json.dumps({**lens, "frames": frames}))
    return folder


def write_colmap(folder: Path) -> Path:
    pictures_in(folder / "images")
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    (model / "cameras.txt").write_text(f"# a comment\n7 PINHOLE {WIDTH} {HEIGHT} {FX} {FY} {CX} {CY}\n")
    lines = ["# a comment"]
    for number, (name, pose) in enumerate(zip(NAMES, poses(), strict=True)):
        numbers = [*quats_from_matrices(pose[:3, :3]).tolist(), *pose[:3, 3].tolist()]
        lines += [f"{number} {' '.join(map(repr, numbers))} 7 {name}.png", "1.0 2.0 -1" if number else ""]
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    return folder


WRITERS = (write_own, write_transforms, write_colmap)


@pytest.mark.parametrize("write", WRITERS, ids=lambda w: w.__name__)
def test_all_formats_tell_the_same_cameras(write: Callable[[Path], Path], tmp_path: Path) -> None:
    found = read_capture(write(tmp_path / "studio"))
    assert [picture.name for picture in found] == [f"{name}.png" for name in NAMES]
    for picture, pose in zip(found, poses(), strict=True):
        photo, camera = read_picture_of(picture)
        torch.testing.assert_close(camera.cam_from_world[0], pose, atol=1e-9, rtol=0)
        lens = torch.tensor([[FX, 0, CX], [0, FY, CY], [0, 0, 1]])
        torch.testing.assert_close(camera.intrinsics[0], lens)
        assert (camera.width, camera.height) == (WIDTH, HEIGHT) and photo.alpha is None


def test_a_blender_scene_tells_an_angle_and_no_suffix(tmp_path: Path) -> None:
    folder = write_transforms(tmp_path / "nerf")
    told = json.loads((folder / "transforms.json").read_text())
    told = {"camera_angle_x": 0.8, "frames": told["frames"]}
    for frame in told["frames"]:
        frame["file_path"] = "./" + frame["file_path"].removesuffix(".png")
    (folder / "transforms.json").rename(folder / "transforms_train.json")
    (folder / "transforms_train.json").write_text(json.dumps(told))
    _, camera = read_picture_of(read_capture(folder)[0])
    assert float(camera.intrinsics[0, 0, 0]) == pytest.approx(WIDTH / 2 / math.tan(0.4))
    assert camera.intrinsics[0, :2, 2].tolist() == [WIDTH / 2, HEIGHT / 2]


def test_a_picture_s_own_lens_overrules_the_file_s(tmp_path: Path) -> None:
    folder = write_transforms(tmp_path / "nerf")
    told = json.loads((folder / "transforms.json").read_text())
    told["frames"][1] |= {"fl_x": 99.0, "fl_y": 98.0}
    (folder / "transforms.json").write_text(json.dumps(told))
    focal = [read_picture_of(picture)[1].intrinsics[0, 0, 0].item() for picture in read_capture(folder)]
    assert focal == [FX, 99.0, FX]


def test_masks_come_from_alpha_or_from_a_folder_beside(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "own")
    (folder / "masks").mkdir()
    for name, end in zip(NAMES, (".png", ".png.png", ".png"), strict=True):
        write_image((torch.arange(WIDTH) > 30).float().expand(HEIGHT, WIDTH)[..., None].expand(-1, -1, 3),
                    folder / "masks" / f"{name}{end}")  # fmt: skip
    for picture in read_capture(folder):
        photo, _ = read_picture_of(picture)
        assert photo.alpha is not None and float(photo.alpha.mean()) == pytest.approx(17 / 48, abs=0.02)
    pictures_in(folder, alpha=True)
    (folder / "masks" / "front.png").unlink()
    photo, camera = read_picture_of(read_capture(folder)[0])
    assert photo.alpha is not None and float(photo.alpha.mean()) == pytest.approx(27 / 48, abs=0.02)
    person = cut_by_mask(photo, PerceiveConfig(margin=0.0))
    assert person.alpha.shape == (HEIGHT, 27) and float(person.confidence.sum()) == 0
    assert person.photo_from_image[:2, 2].tolist() == [21.0, 0.0]
    assert camera.width == WIDTH


def own(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], Path]:
    """A studio of ours with its file changed."""

    def write(folder: Path) -> Path:
        write_own(folder)
        told = json.loads((folder / "cameras.json").read_text())
        change(told["pictures"][1])
        (folder / "cameras.json").write_text(json.dumps(told))
        return folder

    return write


def colmap(name: str, old: str, new: str) -> Callable[[Path], Path]:
    """COLMAP's model with a file changed."""

    def write(folder: Path) -> Path:
        path = write_colmap(folder) / "sparse" / "0" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        return folder

    return write


def nerf(**new: object) -> Callable[[Path], Path]:
    """A transforms.json with other values."""

    def write(folder: Path) -> Path:
        path = write_transforms(folder) / "transforms.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **new}))
        return folder

    return write


def bare(folder: Path) -> Path:
    return pictures_in(folder)


def binary(folder: Path) -> Path:
    model = write_colmap(folder) / "sparse" / "0"
    for name in ("cameras", "images"):
        (model / f"{name}.txt").rename(model / f"{name}.bin")
    return folder


def text(content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pictures_in(folder)
        (folder / "cameras.json").write_bytes(content)
        return folder

    return write


def larger_picture(folder: Path) -> Path:
    write_own(folder)
    write_image(torch.rand(80, 60, 3), folder / "left.png")
    return folder


def small_mask(folder: Path) -> Path:
    write_own(folder)
    (folder / "masks").mkdir()
    write_image(torch.rand(32, 24, 3), folder / "masks" / "left.png")
    return folder


ROTATED = [[0.0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
WRONG: dict[str, tuple[Callable[[Path], Path], type[VivantError], str]] = {
    "no cameras file": (bare, BadFileError, "has no cameras file"),
    "no folder": (lambda folder: folder, BadFileError, "does not exist"),
    "binary": (binary, BadFileError, "model_converter"),
    "no JSON": (text(b"{"), BadFileError, "no JSON"),
    "no text": (text(b"\xff\xfe\x00"), BadFileError, "no text"),
    "a list": (text(b"[]"), BadFileError, "a JSON object is needed"),
    "no pictures": (text(b'{"pictures": []}'), BadFileError, "no picture"),
    "deep": (text(b"[" * 100_000), BadFileError, "no JSON"),
    "picture missing": (own(lambda p: p.update(file="gone.png")), BadFileError, r"gone\.png"),
    "mask missing": (own(lambda p: p.update(mask="gone.png")), BadFileError, "mask"),
    "NaN": (own(lambda p: p["cam_from_world"][0].__setitem__(3, math.nan)), BadFileError, "finite"),
    "zero focal": (own(lambda p: p["intrinsics"][0].__setitem__(0, 0)), BadFileError, "above 0"),
    "text for a number": (own(lambda p: p["intrinsics"][0].__setitem__(0, "70")), BadFileError, "finite"),
    "huge number": (own(lambda p: p["intrinsics"][0].__setitem__(0, 10**400)), BadFileError, "finite"),
    "scaled": (own(lambda p: p["cam_from_world"][0].__setitem__(0, 2.0)), BadFileError, "no rotation"),
    "mirrored": (own(lambda p: p.update(cam_from_world=ROTATED)), BadFileError, "mirrors"),
    "matrix of another size": (own(lambda p: p.update(cam_from_world=[[1, 2]])), BadFileError, "matrix of"),
    "no camera": (own(lambda p: p.pop("intrinsics")), BadFileError, "intrinsics"),
    "unknown entry": (own(lambda p: p.update(k1=0.1)), BadFileError, "k1"),
    "half a pixel": (own(lambda p: p.update(width=47.5)), BadFileError, "whole number"),
    "another size": (larger_picture, BadInputError, "60 x 80"),
    "another mask": (small_mask, BadInputError, "24 x 32"),
    "no frames": (nerf(frames=3), BadFileError, "frames"),
    "distorted": (nerf(k1=0.05), BadFileError, "k1"),
    "fisheye": (nerf(camera_model="OPENCV_FISHEYE"), BadFileError, "FISHEYE"),
    "zero angle": (nerf(fl_x=0), BadFileError, "fl_x"),
    "COLMAP distorted": (
        colmap("cameras.txt", "PINHOLE 48 64 70.0 71.0 23.0 33.5", "SIMPLE_RADIAL 48 64 70 23 33.5 0.1"),
        BadFileError, "distortion 0.1",
    ),
    "COLMAP unknown model": (colmap("cameras.txt", "PINHOLE", "FOV"), BadFileError, "FOV"),
    "COLMAP camera gone": (colmap("images.txt", " 7 left", " 8 left"), BadFileError, "camera 8"),
    "COLMAP short line": (colmap("images.txt", " 7 left.png", ""), BadFileError, "line"),
    "COLMAP no number": (colmap("cameras.txt", "71.0", "x"), BadFileError, "'x'"),
    "COLMAP NaN": (colmap("cameras.txt", "71.0", "nan"), BadFileError, "finite"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_by_name(wrong: str, tmp_path: Path) -> None:
    write, kind, told = WRONG[wrong]
    with pytest.raises(kind, match=told) as caught:
        found: tuple[CapturePicture, ...] = read_capture(write(tmp_path / "studio"))
        for picture in found:
            read_picture_of(picture)
    assert str(tmp_path) in str(caught.value)


def test_an_opencv_model_without_distortion_is_a_pinhole(tmp_path: Path) -> None:
    write = colmap("cameras.txt", "PINHOLE 48 64 70.0 71.0 23.0 33.5", "OPENCV 48 64 70 71 23 33.5 0 0 0 0")
    _, camera = read_picture_of(read_capture(write(tmp_path / "studio"))[0])
    assert camera.intrinsics[0, 1, 1] == FY
