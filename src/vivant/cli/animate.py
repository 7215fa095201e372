"""`vivant animate`: play a motion on an avatar and film it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse

if TYPE_CHECKING:
    from vivant.core.run import Context, Run
    from vivant.records import Motion, Rig


@dataclass(frozen=True)
class AnimateOptions:
    """Play a motion on an avatar and film it: .mp4, .webp, .gif, or .png for a folder of pictures.

    A film's name that ends in .motion keeps the motion itself, for other avatars and for later.
    """

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made."""

    out: Annotated[Path | None, named("FILE", "-o")] = None
    """The film; its suffix says the kind. Default: AVATAR.MOTION.mp4 beside the avatar."""

    motion: Annotated[str, named("MOTION")] = "wave"
    """What the avatar does: idle, wave, turn, walk, dance, talk or range_of_motion; or a file: .bvh, .glb or
    .vrm (FILE:CLIP if it has several), AMASS or SMPL-X .npz, or .motion of ours."""

    from_film: Annotated[Path | None, named("FILM", name="from")] = None
    """Do what a person does in a film (.mp4, .mov, .webm ...), instead of a motion. A stopped run resumes."""

    focal_px: float | None = None
    """For a film: its camera's focal length in pixels; by default the likeliest."""

    joint_map: Annotated[Path | None, named("FILE")] = None
    """For a file with unusual joint names: a JSON object of role: joint name (docs/motions.md)."""

    in_place: bool = False
    """Take the way over the floor out of a file's motion."""

    seconds: float | None = None
    """How long; by default the motion's natural length, and 2 for a file of a single pose."""

    fps: float = 30.0
    """Pictures a second."""

    size: tuple[int, int] = (720, 960)
    """Width and height in pixels."""

    azimuth: float = 0.0
    """Degrees round the person: 0 from the front, 90 from the person's left."""

    elevation: float = 5.0
    """Degrees above the horizon."""

    background: Literal["studio", "white", "black", "transparent"] = "studio"
    """What is behind. Transparent is for .webp, .gif and .png; .mp4 knows none and becomes white."""

    skinning: Literal["linear", "dual_quaternion"] = "linear"
    """How joints blend: as viewers and engines do it, or so that twisted wrists and shoulders keep their
    volume."""

    json: bool = False
    """Print one JSON event a line instead of a bar."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(AnimateOptions, "animate", arguments)
    from vivant.animate import Shot, motion_label, play, save_motion
    from vivant.core.errors import BadInputError
    from vivant.core.folders import results_folder
    from vivant.core.run import Context, Run
    from vivant.core.store import expect_writable
    from vivant.export import expect_film, write_frames
    from vivant.records import load_avatar

    if options.seconds is not None and not 0 < options.seconds < math.inf:
        raise BadInputError(f"--seconds {options.seconds:g}: a time above 0 is needed.")
    if not 0 < options.fps <= 1000:
        raise BadInputError(
            f"--fps {options.fps:g}: more than 0 and at most 1000 frames a second are possible."
        )
    if options.focal_px is not None and not 0 < options.focal_px < math.inf:
        raise BadInputError(f"--focal-px {options.focal_px:g}: a number of pixels above 0 is needed.")
    label = options.from_film.stem if options.from_film else motion_label(options.motion)
    path = options.out or options.avatar.with_suffix(f".{label}.mp4")
    keep_motion = path.suffix.lower() == ".motion"
    (expect_writable if keep_motion else expect_film)(path)
    shot = Shot(*options.size, options.azimuth, options.elevation, "none", options.background, options.skinning)
    avatar = load_avatar(options.avatar)
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        run = Run(results_folder() if options.from_film else None, Context(listener=listener))
        motion = _motion(options, run, avatar.rig)
        if keep_motion:
            save_motion(motion, avatar.rig, path)
        else:
            with run.step("film") as context:
                write_frames(counted(play(avatar, motion, shot), len(motion), context), path, motion.fps)
    made = path.with_suffix("") if path.suffix.lower() == ".png" else path
    terminal.show_files([made], as_json=options.json, quiet=options.quiet)
    return 0


def _motion(options: AnimateOptions, run: "Run", rig: "Rig") -> "Motion":
    from vivant.animate import RetargetConfig, motion_named

    if options.from_film is not None:
        from vivant.fit import FilmFitConfig
        from vivant.recipes.film import FilmConfig, motion_from_film

        moved = RetargetConfig(fps=options.fps, in_place=options.in_place)
        config = FilmConfig(fit=FilmFitConfig(focal_px=options.focal_px), retarget=moved)
        motion = motion_from_film(run, options.from_film, rig, config)
        return motion if options.seconds is None else motion.cut(max(1, round(options.seconds * motion.fps)))
    motion, summary = motion_named(
        options.motion,
        rig,
        options.seconds,
        options.fps,
        in_place=options.in_place,
        joint_map=options.joint_map,
    )
    if summary:
        run.context.note(summary)
    return motion


def counted(frames: Iterable, total: int, context: "Context") -> Iterator:
    """Pass frames on, and tell after each how far it is."""
    for index, frame in enumerate(frames):
        yield frame
        context.advance((index + 1) / total)
