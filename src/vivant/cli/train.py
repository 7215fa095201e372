"""`vivant train`: make the weights of our own networks."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse


@dataclass(frozen=True)
class TrainOptions:
    """Train one of our own networks: weights with their model card, log.html, and a state to go on from."""

    network: Annotated[Positional[Literal["view", "lifter", "nerf"]], named("view|lifter|nerf")]
    """`view`: the generator of views; `lifter`: photo to splats; `nerf`: the human NeRF."""

    out: Annotated[Path | None, named("FOLDER", "-o")] = None
    """Where the files go; the same command goes on where one was stopped. Default: training-NETWORK."""

    minutes: float | None = None
    """How long to train in all; the learning rate falls over it. Default: what we recommend."""

    time_left: float | None = None
    """Minutes until this machine is gone: stop and save in time."""

    wearers: Annotated[Path | None, named("FILE")] = None
    """People to draw, from tools/bake_wearers.py. Without it people are made up."""

    avatars: Annotated[Path | None, named("FOLDER")] = None
    """People with real coarse avatars, from tools/bake_avatars.py: what there is to mend."""

    avatars_share: float = 0.75
    """Part of the batches that shows them; the others show people drawn on the fly."""

    start: Annotated[Path | None, named("FILE")] = None
    """Weights to begin from."""

    lpips: Annotated[Path | None, named("FILE")] = None
    """Your weights of LPIPS (safetensors): the lifter's loss then compares pictures by it, too."""

    people: int | None = None
    """People in a batch."""

    learning_rate: float | None = None
    """Largest step. Default: what we recommend."""

    size: Literal["full", "reduced", "rehearsal"] = "full"
    """full: for a GPU. reduced: a smaller network that a processor trains in an hour. rehearsal: a tiny one:
    everything runs, in a minute on a laptop."""

    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""

    seed: int = 0
    """Of everything random."""

    json: bool = False
    """Print one JSON event a line instead of a bar."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(TrainOptions, "train", arguments)
    import torch

    from vivant.core.run import Context, Run
    from vivant.training import find_training, make_source, own_device, train

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = own_device(device)
    training = find_training(options.network, size=options.size, lpips=options.lpips)
    given = {name: getattr(options, name) for name in ("minutes", "time_left", "learning_rate", "seed")}
    config = dataclasses.replace(training.config, **{k: v for k, v in given.items() if v is not None})
    people = dataclasses.replace(
        training.people, people=options.people or training.people.people, seed=options.seed
    )
    folder = options.out or Path(f"training-{options.network}")
    command = " ".join(["vivant train", *arguments])
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        with Run(context=Context(device, options.seed, listener)).step("train") as context:
            source = make_source(
                people, device, wearers=options.wearers, avatars=options.avatars,
                avatars_share=options.avatars_share,
            )  # fmt: skip
            made = train(
                context, training.objective, source, config, folder, command=command, start=options.start
            )
    terminal.show_files([made.weights, folder / "log.html"], as_json=options.json, quiet=options.quiet)
    if not (options.json or options.quiet):
        terminal.say(f"Score {made.score:.2f}, baseline {made.baseline:.2f}: {training.objective.score_name}.")
        if not made.finished:
            terminal.say("Stopped in time. The same command goes on from there.")
    return 0
