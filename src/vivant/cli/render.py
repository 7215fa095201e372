"""`vivant render`: one picture of an avatar, from any side."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse

if TYPE_CHECKING:
    from vivant.records import Avatar, Pose


@dataclass(frozen=True)
class RenderOptions:
    """Draw an avatar from any side as one picture: .png, .webp or .jpg."""

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made."""

    out: Annotated[Path | None, named("FILE", "-o")] = None
    """The picture. Default: AVATAR.AZIMUTH.png beside the avatar."""

    azimuth: float = 0.0
    """Degrees round the person: 0 from the front, 90 from the person's left, 180 from behind."""

    elevation: float = 0.0
    """Degrees above the horizon."""

    pose: Literal["relaxed", "photo", "rest"] = "relaxed"
    """How the person stands: at ease, as in the photo, or in the A-pose the avatar is kept in."""

    closeup: Literal["none", "face"] = "none"
    """What fills the picture."""

    size: tuple[int, int] = (720, 960)
    """Width and height in pixels."""

    background: Literal["transparent", "studio", "white", "black"] = "transparent"
    """What is behind."""

    json: bool = False
    """Print the file's name as JSON."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(RenderOptions, "render", arguments)
    from vivant.animate import Shot, picture
    from vivant.core.errors import BadInputError
    from vivant.core.images import write_image
    from vivant.core.store import expect_writable
    from vivant.records import load_avatar

    path = options.out or options.avatar.with_suffix(f".{options.azimuth:g}.png")
    if path.suffix.lower() not in (".png", ".webp", ".jpg", ".jpeg"):
        raise BadInputError(f"{path} has the suffix {path.suffix!r}; pictures are .png, .webp or .jpg.")
    expect_writable(path)
    opaque = path.suffix.lower() in (".jpg", ".jpeg") and options.background == "transparent"
    background = "white" if opaque else options.background
    shot = Shot(*options.size, options.azimuth, options.elevation, options.closeup, background)
    avatar = load_avatar(options.avatar)
    image = picture(avatar, shot, _pose(avatar, options.pose))
    write_image(image if background == "transparent" else image[..., :3], path)
    terminal.show_files([path], as_json=options.json, quiet=options.quiet)
    return 0


def _pose(avatar: "Avatar", name: str) -> "Pose | None":
    from vivant.body import rest_pose

    if name == "photo":
        return avatar.photo_pose
    return rest_pose(len(avatar.rig.joint_names)) if name == "rest" else None
