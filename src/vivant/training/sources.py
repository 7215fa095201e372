"""Which people a training sees, by what the user has."""

from pathlib import Path

import torch

from vivant.training.avatar_files import BakedPeople
from vivant.training.batch import Mixed, Source
from vivant.training.people import People, PeopleConfig
from vivant.training.wearer_files import read_wearers


def make_source(
    config: PeopleConfig, device: torch.device | str, *, wearers: Path | None, avatars: Path | None,
    avatars_share: float,
) -> Source:  # fmt: skip
    """Give people drawn on the fly, people with real coarse avatars, or both.

    Args:
        config: Of the batches.
        device: Where they go.
        wearers: File of people to draw, from tools/bake_wearers.py; None makes people up.
        avatars: Folder from tools/bake_avatars.py; None draws everybody.
        avatars_share: Part of the batches that shows these.

    Raises:
        BadFileError: If something cannot be read, or the folder is empty.
        BadInputError: If pictures are of another size, or numbers are out of range.
    """
    drawn = People(config, device, read_wearers(wearers) if wearers else None)
    if avatars is None:
        return drawn
    baked = BakedPeople(
        avatars, people=config.people, views=config.views, size=config.size, seed=config.seed, device=device
    )
    return Mixed(baked, drawn, avatars_share)
