"""Moving pictures to files, by the file's suffix."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.core.images import encode_image, write_animation
from vivant.core.store import expect_writable
from vivant.core.video import write_mp4
from vivant.export.numbered import expect_numbered_folder, numbered_folder

KINDS = (".mp4", ".webp", ".gif", ".png")
"""Suffixes of films. `.png`, or none, makes a folder of numbered pictures."""


def write_frames(
    frames: Iterable[Float[Tensor, "height width channels"]], path: Path | str, fps: float = 30.0
) -> None:
    """Write a film: `.mp4`, an endless `.webp` or `.gif`, or a folder of numbered PNG files.

    Only mp4 knows no transparency; transparent parts become white there.

    Raises:
        BadInputError: If there are no frames, the rate is impossible, or the suffix is another one.
        OutputError: If the film cannot be written.
    """
    path = Path(path)
    if not 0 < fps <= 1000:
        raise BadInputError(f"{fps} frames a second; more than 0 and at most 1000 are possible.")
    expect_film(path)
    if path.suffix.lower() == ".mp4":
        write_mp4(frames, path, fps)
    elif path.suffix.lower() in (".webp", ".gif"):
        write_animation(_opaque_as_rgb(frames), path, fps)
    else:
        _write_numbered(frames, path.with_suffix(""))


def expect_film(path: Path) -> None:
    """Make sure before long work that a film can be written to `path`.

    Raises:
        BadInputError: If the suffix is none of a film.
        OutputError: If the place cannot be written to.
    """
    if path.suffix and path.suffix.lower() not in KINDS:
        raise BadInputError(f"{path} has the suffix {path.suffix}; films are {', '.join(KINDS)} or a folder.")
    if path.suffix.lower() not in (".png", ""):
        expect_writable(path)
        return
    expect_numbered_folder(path.with_suffix(""), ".png")


def _opaque_as_rgb(
    frames: Iterable[Float[Tensor, "height width channels"]],
) -> Iterator[Float[Tensor, "height width channels"]]:
    """Drop an alpha that says nothing: files become smaller."""
    keep = None
    for frame in frames:
        if keep is None:
            keep = frame.shape[-1] == 4 and bool(frame[..., 3].min() < 0.999)
        yield frame if keep else frame[..., :3]


def _write_numbered(frames: Iterable[Float[Tensor, "height width channels"]], folder: Path) -> None:
    with numbered_folder(folder) as part:
        count = 0
        for count, frame in enumerate(_opaque_as_rgb(frames), 1):
            (part / f"{count - 1:04d}.png").write_bytes(encode_image(frame, "png"))
        if count == 0:
            raise BadInputError(f"{folder} needs at least one frame.")
