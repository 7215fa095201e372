import subprocess
from pathlib import Path

import pytest
import torch

from vivant.core import video
from vivant.core.errors import BadInputError, MissingExtraError, OutputError
from vivant.core.video import find_encoder, write_mp4


def frames(count: int, width: int = 32, height: int = 24) -> list[torch.Tensor]:
    return [torch.full((height, width, 3), i / max(count - 1, 1)) for i in range(count)]


def decode(path: Path, width: int, height: int) -> torch.Tensor:
    """Frames as the encoder's own program reads them back."""
    program = find_encoder()
    assert program is not None
    raw = subprocess.run(
        [program, "-loglevel", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"],
        capture_output=True,
        check=True,
    ).stdout
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8).reshape(-1, height, width, 3).float() / 255


def test_a_film_comes_back_frame_by_frame(tmp_path: Path) -> None:
    write_mp4(iter(frames(5)), tmp_path / "a.mp4", 25.0)
    back = decode(tmp_path / "a.mp4", 32, 24)
    assert len(back) == 5
    levels = back.mean((1, 2, 3))
    # H.264 rounds, and 4:2:0 keeps less colour; grey stays within two of 255 steps.
    torch.testing.assert_close(levels, torch.linspace(0, 1, 5), atol=0.012, rtol=0)


def test_a_film_can_start_before_it_is_loaded_and_plays_everywhere(tmp_path: Path) -> None:
    write_mp4(frames(3), tmp_path / "a.mp4", 30.0)
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    told = subprocess.run([str(find_encoder()), "-i", str(tmp_path / "a.mp4")], capture_output=True, text=True)
    assert "h264" in told.stderr and "yuv420p" in told.stderr and "30 fps" in told.stderr


def test_odd_sizes_lose_a_row_and_a_column(tmp_path: Path) -> None:
    write_mp4(frames(2, width=33, height=25), tmp_path / "a.mp4", 10.0)
    assert decode(tmp_path / "a.mp4", 32, 24).shape == (2, 24, 32, 3)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    clear = torch.zeros(24, 32, 4)
    write_mp4([clear, clear], tmp_path / "a.mp4", 10.0)
    assert float(decode(tmp_path / "a.mp4", 32, 24).min()) > 0.97


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="at least one frame"):
        write_mp4([], tmp_path / "a.mp4", 10.0)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_stops_the_film_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="Frame 1 .* is 20 x 20"):
        write_mp4([torch.zeros(24, 32, 3), torch.zeros(20, 20, 3)], tmp_path / "a.mp4", 10.0)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_drawing_leaves_the_old_film(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")

    def broken():
        yield torch.zeros(24, 32, 3)
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        write_mp4(broken(), tmp_path / "a.mp4", 10.0)
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        ("Unknown encoder libx264", r"a\.mp4 cannot be written: Unknown encoder libx264"),
        ("[mp4 @ 0x14] Error closing file: No space left on device", r"The disk is full: .*a\.mp4"),
    ],
)
def test_the_encoder_s_complaint_is_told(
    complaint: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "encoder"
    program.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(video, "find_encoder", lambda: str(program))
    with pytest.raises(OutputError, match=told):
        write_mp4(frames(50, 320, 240), tmp_path / "a.mp4", 10.0)


def test_a_missing_encoder_is_told_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "find_encoder", lambda: None)
    with pytest.raises(MissingExtraError, match=r"\.webp"):
        write_mp4(frames(2), tmp_path / "a.mp4", 10.0)
