"""`vivant dataset people`: render people with known truth."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse


@dataclass(frozen=True)
class DatasetOptions:
    """Render people with known truth: tar files of photos, masks, depth, normals, joints and bodies."""

    kind: Annotated[Positional[Literal["people"]], named("people")]
    """What to make: dressed people."""

    out: Annotated[Path, named("FOLDER", "-o")]
    """Where the tar files and manifest.json go. The same command goes on where an earlier one was stopped."""

    people_folder: Annotated[Path | None, named("FOLDER")] = None
    """Rigged people: NAME.npz with NAME_k.webp."""

    wardrobe_folder: Annotated[Path | None, named("FOLDER")] = None
    """MakeHuman's assets: geo.zip and the pictures beside it."""

    motion_folder: Annotated[Path | None, named("FOLDER")] = None
    """Motion clips (.glb, .bvh). Without it: the motions that come with vivant."""

    count: int = 1000
    """Samples."""

    seed: int = 0
    """Of everything random. The samples depend on it and on nothing else."""

    split: Literal["train", "validation"] = "train"
    """Identities are never in both."""

    size: int = 512
    """Pixels a side."""

    views: int = 8
    """Pictures of each figure."""

    per_shard: int = 128
    """Samples in a tar file."""

    workers: int = 1
    """Processes at once."""

    engine: Literal["processes", "ray"] = "processes"
    """Where they work: on this machine, or on a Ray cluster (pip install vivant[ray])."""

    preview: bool = False
    """Write only preview.jpg, a contact sheet of the first samples of sixteen figures."""

    json: bool = False
    """Print one JSON event a line instead of a bar."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(DatasetOptions, "dataset", arguments)
    from vivant.core.images import write_image
    from vivant.core.run import Context, Run
    from vivant.core.store import expect_writable
    from vivant.dataset import PeopleConfig, preview, write_people

    config = PeopleConfig(
        **{f.name: getattr(options, f.name) for f in fields(PeopleConfig) if hasattr(options, f.name)}
    )
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        with Run(context=Context(seed=options.seed, listener=listener)).step("render_people") as context:
            if options.preview:
                made = options.out / "preview.jpg"
                expect_writable(made)
                numbers = list(range(0, min(options.count, 16 * options.views), options.views))
                write_image(preview(config, options.seed, numbers), made)
            else:
                made = write_people(
                    context, config, options.out, options.count, seed=options.seed, workers=options.workers,
                    engine=options.engine, per_shard=options.per_shard,
                )  # fmt: skip
    terminal.show_files([made], as_json=options.json, quiet=options.quiet)
    return 0
