"""Write what was made for other programs: films, pictures, splat files."""

from vivant.export.frames import KINDS, expect_film, write_frames
from vivant.export.splats import write_splats
from vivant.export.video import find_encoder, write_mp4

__all__ = ["KINDS", "expect_film", "find_encoder", "write_frames", "write_mp4", "write_splats"]
