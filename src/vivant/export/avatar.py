"""The door: an avatar into a file of another program, by the file's suffix."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from vivant.core.errors import BadInputError
from vivant.core.glb import write_glb
from vivant.core.run import Context
from vivant.core.store import expect_writable
from vivant.export.figure import expect_of_rig, make_figure
from vivant.export.gltf import Builder, build_figure
from vivant.export.rigged_splats import build_rigged_splats
from vivant.export.splats import SPLAT_FILES, write_splats
from vivant.export.usd import expect_usd, write_usdz
from vivant.export.vrm import VrmMeta, build_vrm, humanoid_joints
from vivant.records import Avatar, Motion

FORMATS = {
    ".ply": "splats, as all 3D Gaussian viewers read them",
    ".spz": "splats, five times smaller",
    ".splat": "splats, for early web viewers",
    ".glb": "rigged and textured mesh with clips, for Blender, game engines and three.js",
    ".splats.glb": "rigged splats with clips (experimental)",
    ".vrm": "avatar for games and video calls, with a licence inside",
    ".usdz": "rigged and textured mesh with a clip, for USD tools (needs vivant[usd])",
}
"""Suffixes, and what is in such files."""


@dataclass(frozen=True)
class ExportConfig:
    """How files for other programs are written."""

    raw: bool = False
    """Splat files: keep our axes, y up. Otherwise they are turned by 180 degrees about z, for viewers turn them
    back."""

    pad_sh3: bool = False
    """.ply: write all 16 bands of harmonics, zeros where there are none: Unity needs them."""

    texture_size: int = 1024
    """Meshes: pixels a side of the texture."""

    quality: int = 92
    """Meshes: of the JPEG of the texture, 1 to 100."""

    lit: bool = False
    """.glb: let the viewer's lights fall on the mesh. Otherwise it keeps the photo's own light."""

    meta: VrmMeta = field(default_factory=VrmMeta)
    """.vrm: who made the avatar, and what others may do with it."""

    def __post_init__(self) -> None:
        """Check what the encoder of pictures knows.

        Raises:
            BadInputError: If the quality is out of range.
        """
        if not 1 <= self.quality <= 100:
            raise BadInputError(f"A JPEG quality of {self.quality}; 1 to 100 are possible.")


def export_avatar(
    context: Context,
    avatar: Avatar,
    path: Path,
    motions: tuple[Motion, ...] = (),
    frame: int | None = None,
    config: ExportConfig | None = None,
) -> Path:
    """Write an avatar for other programs; the suffix says the format (`FORMATS`).

    Args:
        context: Told how far it is.
        avatar: Whom.
        path: The file.
        motions: Clips of a rigged file; the first is the pose of a splat file.
        frame: For splat files, of the first motion: this one; None: all, one file each in a folder.
        config: Options.

    Returns:
        The file, or the folder of files.

    Raises:
        BadInputError: If the suffix is of no format, or a motion is of another rig.
        MissingExtraError: If the format needs an optional part that is not installed.
        OutputError: If the file cannot be written.
    """
    config = config or ExportConfig()
    kind = format_of(path)
    if kind in SPLAT_FILES:
        motion = motions[0] if motions else None
        return write_splats(
            avatar, path, motion, frame, raw=config.raw, pad_sh3=config.pad_sh3, advance=context.advance
        )
    expect_writable(path)
    for motion in motions:
        expect_of_rig(motion, avatar.rig)
    if kind == ".splats.glb":
        _write(build_rigged_splats(avatar, motions), path)
        return path
    if kind == ".vrm":
        # Before the long work.
        humanoid_joints(avatar.rig.joint_names)
    if kind == ".usdz":
        expect_usd(len(motions))
    figure = make_figure(avatar, motions, config.texture_size, lambda part: context.advance(0.95 * part))
    if kind == ".glb":
        _write(build_figure(figure, unlit=not config.lit, quality=config.quality), path)
    elif kind == ".vrm":
        meta = config.meta if config.meta.name else replace(config.meta, name=path.stem)
        _write(build_vrm(figure, avatar, meta, quality=config.quality), path)
    else:
        write_usdz(figure, path, quality=config.quality)
    return path


def format_of(path: Path) -> str:
    """Which of `FORMATS` a file's name asks for.

    Raises:
        BadInputError: If it is none.
    """
    name = path.name.lower()
    # The longest first: `.splats.glb` is a `.glb`, too.
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    raise BadInputError(f"{path} has the suffix {path.suffix!r}; avatars are exported as {', '.join(FORMATS)}.")


def _write(builder: Builder, path: Path) -> None:
    write_glb(path, builder.document, bytes(builder.binary))
