"""Bad photos at the command line: exit code, message, and nothing left behind. Real stages, no stand-ins."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vivant.core.images import encode_image, write_image

Vivant = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from vivant.core import folders

    monkeypatch.setattr(folders, "results_folder", lambda: tmp_path / "cache")


def noise(path: Path, width: int = 48, height: int = 64, seed: int = 0) -> Path:
    write_image(torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed)), path)
    return path


def text(path: Path) -> Path:
    path.write_text("Dear diary, this is no picture.\n")
    return path


def truncated(path: Path) -> Path:
    whole = encode_image(torch.rand(200, 200, 3, generator=torch.Generator().manual_seed(0)), "jpeg")
    path.write_bytes(whole[: len(whole) // 3])
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def missing(path: Path) -> Path:
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def one_pixel(path: Path) -> Path:
    path.write_bytes(encode_image(torch.zeros(1, 1, 3), "png"))
    return path


def nobody(path: Path) -> Path:
    smooth = torch.linspace(0.3, 0.8, 320)[:, None, None].expand(320, 240, 3)
    path.write_bytes(encode_image(smooth, "jpeg"))
    return path


@pytest.mark.parametrize(
    "make, code, said",
    [
        (text, 2, "text file"),
        (truncated, 2, "damaged or cut short"),
        (empty, 2, "empty"),
        (missing, 2, "does not exist"),
        (folder, 2, "folder"),
        (one_pixel, 2, "1 x 1 px"),
        (nobody, 3, "person"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_photo_ends_with_one_clear_message_and_leaves_nothing(
    make: Callable[[Path], Path], code: int, said: str, vivant: Vivant, tmp_path: Path
) -> None:
    photo = make(tmp_path / "me.jpg")
    got, out, err = vivant("create", photo, "--out", tmp_path / "out")
    assert got == code, err
    assert said in err
    assert "Traceback" not in err and "bug" not in err
    assert out == ""
    assert not (tmp_path / "out").exists()


def test_an_error_is_an_event_too(vivant: Vivant, tmp_path: Path) -> None:
    import json

    code, out, _ = vivant("create", text(tmp_path / "me.jpg"), "--json")
    last = json.loads(out.splitlines()[-1])
    assert last["event"] == "error" and last["kind"] == "BadPhotoError" and last["exit_code"] == code == 2
