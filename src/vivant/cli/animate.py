"""`vivant animate`: play a motion on an avatar and film it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse

if TYPE_CHECKING:
    from vivant.core.run import Context


@dataclass(frozen=True)
class AnimateOptions:
    """Play a motion on an avatar and film it: .mp4, .webp, .gif, or .png for a folder of pictures."""

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made."""

    out: Annotated[Path | None, named("FILE", "-o")] = None
    """The film; its suffix says the kind. Default: AVATAR.MOTION.mp4 beside the avatar."""

    motion: Annotated[str, named("MOTION")] = "wave"
    """What the avatar does: idle, wave, turn or walk, made by rule; or a file: .bvh, .glb (FILE:CLIP if it has
    several), AMASS or SMPL-X .npz, or .motion of ours."""

    joint_map: Annotated[Path | None, named("FILE")] = None
    """For a file with unusual joint names: a JSON object of role: joint name (docs/motions.md)."""

    in_place: bool = False
    """Take the way over the floor out of a file's motion."""

    seconds: float | None = None
    """How long; by default the motion's natural length."""

    fps: float = 30.0
    """Pictures a second."""

    size: tuple[int, int] = (720, 960)
    """Width and height in pixels."""

    azimuth: float = 0.0
    """Degrees round the person: 0 from the front, 90 from the person's left."""

    elevation: float = 5.0
    """Degrees above the horizon."""

    background: Literal["studio", "white", "black", "transparent"] = "studio"
    """What is behind. Transparent needs .webp or .png."""

    json: bool = False
    """Print one JSON event a line instead of a bar."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(AnimateOptions, "animate", arguments)
    from vivant.animate import Shot, motion_label, motion_named, play
    from vivant.core.run import Context, Run
    from vivant.export import expect_film, write_frames
    from vivant.records import load_avatar

    path = options.out or options.avatar.with_suffix(f".{motion_label(options.motion)}.mp4")
    expect_film(path)
    shot = Shot(*options.size, options.azimuth, options.elevation, "none", options.background)
    avatar = load_avatar(options.avatar)
    motion, summary = motion_named(
        options.motion,
        avatar.rig,
        options.seconds,
        options.fps,
        in_place=options.in_place,
        joint_map=options.joint_map,
    )
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        with Run(context=Context(listener=listener)).step("film") as context:
            if summary:
                context.note(summary)
            write_frames(counted(play(avatar, motion, shot), len(motion), context), path, motion.fps)
    made = path.with_suffix("") if path.suffix.lower() == ".png" else path
    terminal.show_files([made], as_json=options.json, quiet=options.quiet)
    return 0


def counted(frames: Iterable, total: int, context: "Context") -> Iterator:
    """Pass frames on, and tell after each how far it is."""
    for index, frame in enumerate(frames):
        yield frame
        context.advance((index + 1) / total)
