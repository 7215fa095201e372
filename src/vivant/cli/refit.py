"""`vivant refit`: an avatar fitted again, to real pictures from several sides."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse_with_config
from vivant.core.errors import OutputError

ABOUT = """Fit an avatar to real pictures: AVATAR.refit.avatar, AVATAR.refit.jpg and AVATAR.refit.report.html.
CAPTURE is a folder of pictures from several sides with a cameras file: transforms.json (NeRF, nerfstudio),
COLMAP's text model, or our cameras.json (docs/reconstruct.md); the person stands still. Or it is a film of the
person moving before one camera."""

ROOM_NEEDED = 64 * 1024**2
"""Bytes that must be free before the work starts."""


@dataclass(frozen=True)
class RefitOptions:
    """Fit an avatar to real pictures of the person."""

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made; or a photo, of which an avatar is made first and which counts, too."""

    capture: Annotated[Positional[Path], named("CAPTURE")]
    """The folder; its cameras file, if it has several; or a film (.mp4, .mov, .webm ...)."""

    out: Annotated[Path | None, named("FOLDER", "-o")] = None
    """Where the three files go. Default: beside the avatar."""

    seed: int = 0
    """Seed of everything random."""

    fresh: bool = False
    """Do all stages anew, even if an earlier run kept their results."""

    timings: bool = False
    """Print what each stage took, and the memory."""

    json: bool = False
    """Print one JSON event a line instead of bars."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    begun = terminal.clock()
    from vivant.recipes.capture import CaptureConfig

    options, config = parse_with_config(RefitOptions, CaptureConfig, "refit", ABOUT, arguments)
    from vivant.core import store
    from vivant.core.folders import results_folder
    from vivant.core.run import Context, Run
    from vivant.recipes.deliver_capture import RefitFiles, refit_and_deliver

    if options.out is not None and options.out.is_file():
        raise OutputError(f"{options.out} is a file, not a folder. Name a folder with --out.")
    files = RefitFiles.named(options.out or options.avatar.parent, options.avatar.stem)
    for path in files.paths:
        store.expect_writable(path, ROOM_NEEDED)
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        work = Run(None if options.fresh else results_folder(), Context(seed=options.seed, listener=listener))
        done = refit_and_deliver(work, options.avatar, options.capture, config, files)
    terminal.show_scores(done.scores, as_json=options.json, quiet=options.quiet)
    terminal.show_files(files.paths, as_json=options.json, quiet=options.quiet)
    if options.timings and not options.json:
        terminal.show_timings(work.timings, terminal.clock() - begun)
    return 0
