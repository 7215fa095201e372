"""Weights of our own networks as files: half precision, with the network's config and a model card inside."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from vivant.core.errors import BadFileError, OutputError
from vivant.core.store import save_tensors

N = TypeVar("N", bound=nn.Module)

LARGEST = 16 * 1024**2
"""Bytes of one file."""

HEADER = "vivant"


@dataclass(frozen=True)
class ModelCard:
    """What a user should know about weights before trusting them."""

    network: str
    """Name in the table of trainings."""

    trained_on: str
    licence: str
    steps: int
    people: int
    """How many people (shape, clothes and pose drawn anew) it has seen."""

    score: float
    score_name: str
    """What the score is, in which unit, on what."""

    baseline: float
    """The same score of doing nothing clever; see the network's objective."""

    command: str
    """What trained it, and measured the score at its end."""


def save_weights(network: nn.Module, config: Any, card: ModelCard, path: Path) -> None:
    """Write a network in half precision; integers stay as they are.

    Raises:
        OutputError: If the file would be over 16 MiB or cannot be written.
    """
    tensors = {name: _halved(value.detach().cpu()) for name, value in network.state_dict().items()}
    size = sum(value.numel() * value.element_size() for value in tensors.values())
    if size > LARGEST:
        raise OutputError(
            f"The network takes {size / 1024**2:.1f} MiB in half precision; {LARGEST // 1024**2} MiB is the "
            "limit. Train a smaller one."
        )
    header = {"config": dataclasses.asdict(config), "card": dataclasses.asdict(card)}
    save_tensors(tensors, {HEADER: json.dumps(header, sort_keys=True)}, path)


def load_weights(
    kind: type[N], config_kind: type, path: Path, *, network: str | None = None
) -> tuple[N, ModelCard]:
    """Read a network, in single precision and ready to be asked.

    Args:
        kind: Its class.
        config_kind: That of its config.
        path: The file.
        network: Name that its model card must have; None takes any.

    Raises:
        BadFileError: If the file is missing, damaged, or of another network.
    """
    if path.is_dir():
        raise BadFileError(f"{path} is a folder. Name the file of weights in it.")
    if not path.is_file():
        raise BadFileError(f"{path} does not exist. Name the file of weights that the training wrote.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: _single(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        if network is not None and header["card"]["network"] != network:
            raise BadFileError(
                f"{path} holds weights of the network {header['card']['network']!r}; here those of {network!r} "
                "are needed."
            )
        config = config_kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in header["config"].items()})
        card = ModelCard(**header["card"])
        with torch.device("meta"):
            made = kind(config)
        made.load_state_dict(tensors, assign=True)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BadFileError(
            f"{path} is damaged or holds no {kind.__name__} of this version "
            f"({type(error).__name__}: {str(error)[:200]}). Train it anew, or copy it anew."
        ) from error
    return made.eval(), card


def _halved(value: torch.Tensor) -> torch.Tensor:
    return (value.half() if value.is_floating_point() else value).contiguous()


def _single(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value
