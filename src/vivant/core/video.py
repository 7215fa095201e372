"""Films as H.264 in MP4, and films read. The only importer of imageio_ffmpeg, a program in a wheel."""

import contextlib
import errno
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from vivant.core.errors import BadFileError, BadInputError, MissingExtraError, OutputError
from vivant.core.images import to_bytes
from vivant.core.store import expect_file, writing


def write_mp4(
    frames: Iterable[Float[Tensor, "height width channels"]], path: Path, fps: float, crf: int = 18
) -> None:
    """Write a film that every player and browser shows: H.264, 4:2:0, starting before it is loaded whole.

    Args:
        frames: RGB or straight RGBA; transparent parts become white. Odd sizes lose a row or column.
        path: The file.
        fps: Frames a second.
        crf: Quality: 0 loses nothing, 18 looks like it, 30 is small.

    Raises:
        BadInputError: If there are no frames, or they change their size.
        MissingExtraError: If the encoder is not there.
        OutputError: If the file cannot be written.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise BadInputError(f"{path} needs at least one frame.")
    first_bytes = _rgb(first)
    height, width = first_bytes.shape[:2]
    command = [
        _encoder(), "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:.6g}", "-i", "pipe:0",
        "-an", "-c:v", "libx264", "-preset", "medium", "-crf", str(crf), "-pix_fmt", "yuv420p",
        "-movflags", "+faststart", "-f", "mp4",
    ]  # fmt: skip
    with writing(path) as temporary, tempfile.TemporaryFile() as complaints:
        # Complaints go to a file: a pipe that nobody reads would fill up and stop the encoder.
        process = subprocess.Popen(
            [*command, str(temporary)], stdin=subprocess.PIPE, stderr=complaints, stdout=subprocess.DEVNULL
        )
        assert process.stdin is not None
        try:
            _feed(process.stdin, first_bytes, frames, path)
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        if process.returncode != 0:
            complaints.seek(0)
            told = complaints.read().decode(errors="replace").strip().splitlines()
            if any("No space left" in line for line in told):
                raise OSError(errno.ENOSPC, "the encoder found no room")
            raise OutputError(f"{path} cannot be written: {told[-1] if told else 'the encoder stopped'}.")


def read_video(
    path: Path, fps: float, max_side: int, max_frames: int
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Decode a film picture by picture, upright, at an even rate.

    Only this one file is opened: playlists that name others, or the network, are refused by the decoder.

    Args:
        path: Whatever the decoder knows: .mp4, .mov, .webm, .avi, .gif ...
        fps: Pictures a second; the film's are repeated or left out.
        max_side: Larger pictures are reduced so that the longer side has this many pixels.
        max_frames: Reading stops after so many.

    Raises:
        BadFileError: If the file is missing, or no film, or damaged from its first picture on.
        MissingExtraError: If the decoder is not there.
    """
    expect_file(path)
    side = f"if(gt(iw\\,ih)\\,min(iw\\,{max_side})\\,-2):if(gt(iw\\,ih)\\,-2\\,min(ih\\,{max_side}))"
    command = [
        _encoder(), "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file", "-i", f"file:{path}",
        "-map", "0:v:0", "-vf", f"fps={fps:.6g},scale={side}", "-frames:v", str(max_frames),
        "-f", "image2pipe", "-c:v", "ppm", "pipe:1",
    ]  # fmt: skip
    count = 0
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints)
        assert process.stdout is not None
        try:
            while (picture := _read_ppm(process.stdout, max_side)) is not None:
                count += 1
                yield picture
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        complaints.seek(0)
        told = complaints.read().decode(errors="replace").strip().splitlines()
    if not count:
        raise BadFileError(f"{path} cannot be read as a film: {told[-1] if told else 'it has no pictures'}.")


def _read_ppm(pipe: IO[bytes], max_side: int) -> UInt8[np.ndarray, "height width 3"] | None:
    """One picture of a stream; None at its end, also if it ends within a picture."""
    head = [pipe.readline(64) for _ in range(3)]
    if not head[0]:
        return None
    width, height = (int(number) for number in head[1].split())
    if head[0] != b"P6\n" or max(width, height) > max_side + 2:
        raise BadFileError(f"The decoder gave a picture of {width} x {height} px.")
    content = pipe.read(width * height * 3)
    if len(content) < width * height * 3:
        return None
    return np.frombuffer(content, np.uint8).reshape(height, width, 3)


def find_encoder() -> str | None:
    """Path of the encoder program; None if there is none for this machine."""
    import imageio_ffmpeg

    try:
        return imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        return None


def _feed(
    pipe: IO[bytes],
    first: UInt8[np.ndarray, "height width 3"],
    frames: Iterable[Float[Tensor, "height width channels"]],
    path: Path,
) -> None:
    try:
        pipe.write(first.tobytes())
        for index, frame in enumerate(frames, 1):
            values = _rgb(frame)
            if values.shape != first.shape:
                raise BadInputError(
                    f"Frame {index} of {path} is {values.shape[1]} x {values.shape[0]}; the first is "
                    f"{first.shape[1]} x {first.shape[0]}. All frames need one size."
                )
            pipe.write(values.tobytes())
        pipe.close()
    except BrokenPipeError:
        # The encoder stopped early; its own complaint says why.
        return


def _rgb(frame: Float[Tensor, "height width channels"]) -> UInt8[np.ndarray, "even_height even_width 3"]:
    """Bytes on white, of even size: 4:2:0 halves the colour's width and height."""
    if frame.shape[-1] == 4:
        frame = frame[..., :3] * frame[..., 3:] + (1 - frame[..., 3:])
    even = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2, :3]
    return np.ascontiguousarray(to_bytes(even))


def _encoder() -> str:
    program = find_encoder()
    if program is None:
        raise MissingExtraError(
            "There is no video encoder for this machine. Write .webp or .png instead, or install ffmpeg "
            "and set IMAGEIO_FFMPEG_EXE to it."
        )
    return program
