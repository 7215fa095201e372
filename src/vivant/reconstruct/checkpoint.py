"""A reconstruction on disk, so that a killed one goes on where it was."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core import store
from vivant.core.errors import BadFileError
from vivant.reconstruct.adam import Adam
from vivant.reconstruct.cloud import FIELDS, Cloud
from vivant.reconstruct.refine import Corrections
from vivant.records import Binding, Splats


@dataclass(frozen=True)
class Checkpoint:
    """All that a step hangs on besides the goods and the config."""

    key: str
    """Digest of goods and config: another reconstruction's checkpoint is not taken."""

    step: int
    splats: Splats
    start: Splats
    """What the splats are held to."""

    binding: Binding
    trust: Float[Tensor, " splats"]
    sight: Float[Tensor, "2 rows"]
    """What the views know about each splat; empty if it does not matter."""

    first: Splats
    """Adam's memory, table by table."""

    second: Splats
    pull: Float[Tensor, " splats"]
    seen: Float[Tensor, " splats"]
    corrections: Float[Tensor, "views numbers"]
    corrections_first: Float[Tensor, "views numbers"]
    corrections_second: Float[Tensor, "views numbers"]
    corrections_steps: int
    losses: Float[Tensor, "2 steps"]
    """And the PSNRs."""


def pack_tables(tables: dict[str, Tensor]) -> Splats:
    """Tables as a record."""
    return Splats(**{name: tables[name].detach() for name in FIELDS})


def unpack_tables(record: Splats) -> dict[str, Tensor]:
    """The record's tables, to be written to."""
    return {name: getattr(record, name).clone() for name in FIELDS}


def pack_corrections(tables: dict[str, Tensor]) -> Float[Tensor, "views numbers"]:
    """All corrections of a view in a row."""
    return torch.cat([table.detach().flatten(1) for table in tables.values()], dim=1)


def unpack_corrections(packed: Float[Tensor, "views numbers"], tables: dict[str, Tensor]) -> None:
    """Write packed numbers into tables of the same shape."""
    widths = [table[0].numel() for table in tables.values()]
    with torch.no_grad():
        for table, part in zip(tables.values(), packed.split(widths, dim=1), strict=True):
            table.copy_(part.reshape(table.shape))


def load_checkpoint(path: Path, key: str) -> Checkpoint | None:
    """Read a checkpoint if there is one of this very reconstruction; a damaged one counts as none."""
    if not path.is_file():
        return None
    try:
        checkpoint = store.load(Checkpoint, path)
    except BadFileError:
        return None
    return checkpoint if checkpoint.key == key else None


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; a killed run leaves the one before.

    Raises:
        OutputError: If the file cannot be written.
    """
    store.save(checkpoint, path)


def restore(checkpoint: Checkpoint, cloud: Cloud, adam: Adam, corrections: Corrections) -> Cloud:
    """Put a checkpoint's numbers back."""
    tables = {name: table.requires_grad_() for name, table in unpack_tables(checkpoint.splats).items()}
    adam.tables, adam.steps = tables, checkpoint.step
    adam.first, adam.second = unpack_tables(checkpoint.first), unpack_tables(checkpoint.second)
    unpack_corrections(checkpoint.corrections, corrections.tables)
    unpack_corrections(checkpoint.corrections_first, corrections.adam.first)
    unpack_corrections(checkpoint.corrections_second, corrections.adam.second)
    corrections.adam.steps = checkpoint.corrections_steps
    return Cloud(tables, checkpoint.binding, checkpoint.trust)
