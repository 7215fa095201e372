"""`vivant export`: an avatar for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse


@dataclass(frozen=True)
class ExportOptions:
    """Write an avatar for other programs: .ply holds the splats at rest, as 3D Gaussian viewers read them."""

    avatar: Annotated[Positional[Path], named("AVATAR")]
    """A file that `vivant create` made."""

    out: Annotated[Positional[Path], named("FILE")]
    """Where to; the suffix says the format."""

    json: bool = False
    """Print the file's name as JSON."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(ExportOptions, "export", arguments)
    from vivant.export import write_splats
    from vivant.records import load_avatar

    write_splats(load_avatar(options.avatar), options.out)
    terminal.show_files([options.out], as_json=options.json, quiet=options.quiet)
    return 0
