"""A training's state as one file, complete enough to go on as if nothing had happened."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vivant.core.errors import BadFileError
from vivant.core.store import save_tensors

HEADER = "vivant"


@dataclass
class Progress:
    """How far a training is."""

    step: int = 0
    people: int = 0
    seconds: float = 0.0
    """Trained, validation and pauses left out."""

    fingerprint: str = ""
    """Of all settings that must not change on the way."""

    history: list[dict[str, int | float]] = field(default_factory=list)
    """What the log's curves are drawn from."""


def save_state(
    path: Path,
    network: nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    """Write everything.

    Raises:
        OutputError: If the file cannot be written.
    """
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
    tensors["generator"] = generator.get_state()
    copies = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    save_tensors(copies, {HEADER: json.dumps(vars(progress))}, path)


def load_state(
    path: Path,
    network: nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
    fingerprint: str,
) -> Progress:
    """Put everything back where it was.

    Raises:
        BadFileError: If the file is damaged, or of a training with other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads((file.metadata() or {})[HEADER]))
            if progress.fingerprint != fingerprint:
                raise BadFileError(
                    f"{path} is of a training with other settings. Train in another folder, or remove the file."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network.load_state_dict(_below(tensors, "network."))
        for name, value in _below(tensors, "average.").items():
            average[name].copy_(value)
        told = optimizer.state_dict()
        told["state"] = {}
        for name, value in _below(tensors, "optimizer.").items():
            number, _, part = name.partition(".")
            told["state"].setdefault(int(number), {})[part] = value
        optimizer.load_state_dict(told)
        generator.set_state(tensors["generator"])
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadFileError(f"{path} is damaged ({str(error)[:200]}). Remove it to begin anew.") from error
    return progress


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
