"""`vivant export`: an avatar for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse_with_config

if TYPE_CHECKING:
    from vivant.core.run import Context
    from vivant.records import Avatar, Motion

ABOUT = """Write an avatar for other programs. The suffix of FILE says the format:
.ply .spz .splat (splats), .glb (rigged mesh), .vrm (avatar with a licence), .usdz (rigged mesh),
.splats.glb (rigged splats, experimental), .html (a page to share), .mp4 .webp .gif .png (films)."""


@dataclass(frozen=True)
class ExportOptions:
    """Write an avatar for other programs."""

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made."""

    out: Annotated[Positional[Path], named("FILE")]
    """Where to; the suffix says the format."""

    motion: Annotated[tuple[str, ...], named("MOTION")] = ()
    """Rigged files and pages: their clips. Splat files: the pose, with --frame. Films: what is played. Built-in
    names or motion files, as for `vivant animate`. Default: no clips, at rest, a turntable; pages get all."""

    frame: int | None = None
    """Splat files with a motion: write this frame, from 0; -1 is the last. Otherwise all are written, one file
    each, into a folder."""

    seconds: float | None = None
    """How long a motion or a turntable is; by default the motion's natural length, or 4 s."""

    fps: float = 30.0
    """Frames a second of motions and films."""

    joint_map: Annotated[Path | None, named("FILE")] = None
    """For a motion file with unusual joint names, as for `vivant animate`."""

    turntable: bool = False
    """Films: turn round the person; with a motion, first the turn, then the motion."""

    size: tuple[int, int] = (720, 960)
    """Films: width and height in pixels."""

    azimuth: float = 0.0
    """Films: degrees round the person; 0 from the front, 90 from the person's left."""

    elevation: float = 5.0
    """Films: degrees above the horizon."""

    background: Literal["studio", "white", "black", "transparent"] = "studio"
    """Films: what is behind. Transparent is for .webp, .gif and .png; .mp4 knows none and becomes white."""

    splats: int | None = None
    """Pages: at most so many splats, for slow phones."""

    json: bool = False
    """Print one JSON event a line instead of a bar."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    from vivant.export import FORMATS, KINDS, ExportConfig, expect_film, export_avatar, format_of

    options, config = parse_with_config(ExportOptions, ExportConfig, "export", ABOUT, arguments)
    from vivant.core.errors import BadInputError
    from vivant.core.run import Context, Run
    from vivant.core.store import expect_writable
    from vivant.records import load_avatar

    path, kind = options.out, options.out.suffix.lower()
    if kind in KINDS:
        expect_film(path)
    elif kind == ".html":
        expect_writable(path)
    elif kind not in FORMATS:
        told = ", ".join([*FORMATS, ".html", *KINDS])
        raise BadInputError(f"{path} has the suffix {path.suffix!r}; there are {told}.")
    else:
        format_of(path)
    if options.frame is not None and not options.motion:
        raise BadInputError(f"--frame {options.frame} is a frame of a motion: name one with --motion.")
    avatar = load_avatar(options.avatar)
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        with Run(context=Context(listener=listener)).step("export") as context:
            motions = _motions(options, avatar, context)
            if kind in KINDS:
                path = _film(options, avatar, motions, context)
            elif kind == ".html":
                from vivant.viewer import spoken, write_page

                write_page(avatar, path, motions or None, options.splats, spoken(options.avatar.stem))
            else:
                path = export_avatar(context, avatar, path, motions, options.frame, config)
    terminal.show_files([path], as_json=options.json, quiet=options.quiet)
    return 0


def _motions(options: ExportOptions, avatar: "Avatar", context: "Context") -> "tuple[Motion, ...]":
    from vivant.animate import motion_named

    found = []
    for word in options.motion:
        motion, summary = motion_named(
            word, avatar.rig, options.seconds, options.fps, joint_map=options.joint_map
        )
        if summary:
            context.note(summary)
        found.append(motion)
    return tuple(found)


def _film(options: ExportOptions, avatar: "Avatar", motions: "tuple[Motion, ...]", context: "Context") -> Path:
    """A turntable, a motion, or one after the other."""
    from vivant.animate import Shot, play, showreel, turntable
    from vivant.cli.animate import counted
    from vivant.core.errors import BadInputError
    from vivant.export import write_frames

    if len(motions) > 1:
        raise BadInputError(f"A film plays one motion; {len(motions)} are given.")
    if not 0 < options.fps <= 1000:
        raise BadInputError(f"{options.fps} frames a second; up to 1000 are possible.")
    seconds = 4.0 if options.seconds is None else options.seconds
    if not motions and not 0.5 < seconds * options.fps <= 100_000:
        raise BadInputError(
            f"A turntable of {seconds} s at {options.fps} frames a second; 1 to 100,000 frames are possible."
        )
    turn = 0 if motions else round(seconds * options.fps)
    shot = Shot(*options.size, options.azimuth, options.elevation, "none", options.background)
    if not motions:
        frames, count = turntable(avatar, turn, shot), turn
    elif options.turntable:
        turn = round(4.0 * options.fps)
        frames, count = showreel(avatar, motions[0], turn, shot), turn + len(motions[0])
    else:
        frames, count = play(avatar, motions[0], shot), len(motions[0])
    fps = motions[0].fps if motions else options.fps
    write_frames(counted(frames, count, context), options.out, fps)
    return options.out.with_suffix("") if options.out.suffix.lower() == ".png" else options.out
