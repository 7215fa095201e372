"""Write what was made for other programs: films, pictures, splats, rigged meshes."""

from vivant.core.video import find_encoder, write_mp4
from vivant.export.avatar import FORMATS, ExportConfig, export_avatar, format_of
from vivant.export.frames import KINDS, expect_film, write_frames
from vivant.export.splats import SPLAT_FILES, write_splats
from vivant.export.vrm import VrmMeta

__all__ = [
    "FORMATS",
    "KINDS",
    "SPLAT_FILES",
    "ExportConfig",
    "VrmMeta",
    "expect_film",
    "export_avatar",
    "find_encoder",
    "format_of",
    "write_frames",
    "write_mp4",
    "write_splats",
]
