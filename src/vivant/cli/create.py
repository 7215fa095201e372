"""`vivant create`: one photo in, avatar, preview and report out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse
from vivant.core.errors import OutputError

RECOMMENDED = "quick"
"""The recipe we recommend today."""

ROOM_NEEDED = 64 * 1024**2
"""Bytes that must be free before the work starts: an avatar of 80,000 splats takes about 20 MB."""


@dataclass(frozen=True)
class JobOptions:
    """What every way to make an avatar can be told."""

    photo: Annotated[Positional[Path | None], named("PHOTO")] = None
    """A photo of one person, best from head to foot. Without one, a sample that comes with vivant is taken."""

    out: Annotated[Path | None, named("FOLDER", "-o")] = None
    """Where the three files go. Default: beside the photo (for the sample: here)."""

    person: Annotated[int | None, named("N")] = None
    """Which person, counted from the left, starting at 1. Default: the largest."""

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


@dataclass(frozen=True)
class CreateOptions(JobOptions):
    """Make an avatar from one photo: PHOTO.avatar, PHOTO.preview.webp and PHOTO.report.html."""

    recipe: Annotated[str, named("NAME")] = RECOMMENDED
    """How it is made. `vivant NAME --help` lists a recipe's own options."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks, with the recipe's defaults."""
    begun = terminal.clock()
    options = parse(CreateOptions, "create", arguments)
    from vivant.recipes import load_recipe

    return carry_out(options, options.recipe, load_recipe(options.recipe).Config(), begun)


def carry_out(options: JobOptions, name: str, config: object, begun: float) -> int:
    """Make the three files of one photo.

    Args:
        options: What the user said.
        name: Of the recipe.
        config: The recipe's.
        begun: When the command began, for the table of times.

    Raises:
        VivantError: If the photo cannot be used, or the files cannot be written.
    """
    from vivant.core import store
    from vivant.core.folders import results_folder
    from vivant.core.run import Context, Run
    from vivant.recipes import Files, build_and_deliver, film_paths, sample_photo, with_person

    photo = options.photo or sample_photo()
    if options.out is not None and options.out.is_file():
        raise OutputError(f"{options.out} is a file, not a folder. Name a folder with --out.")
    if (
        options.out is not None
        and options.out.suffix in (".avatar", ".webp", ".html")
        and not options.out.is_dir()
    ):
        raise OutputError(
            f"{options.out} looks like a file; --out names a folder. Files in it are named after the photo: "
            f"{photo.stem}.avatar and two more."
        )
    files = Files.named(options.out or (photo.parent if options.photo else Path()), photo.stem)
    paths = (*files.paths, *film_paths(name, config, files))
    for path in paths:
        store.expect_writable(path, ROOM_NEEDED)
    if options.person is not None:
        config = with_person(config, options.person)
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        run = Run(None if options.fresh else results_folder(), Context(seed=options.seed, listener=listener))
        build_and_deliver(run, photo, name, config, files)
    terminal.show_files(paths, as_json=options.json, quiet=options.quiet)
    if options.timings and not options.json:
        terminal.show_timings(run.timings, terminal.clock() - begun)
    return 0
