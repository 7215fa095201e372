"""People with real coarse avatars, baked beforehand: one small file each, for training and validation.

Drawn people show a network true outlines and invented faults; these show it what a coarse avatar gets wrong.
"""

import dataclasses
import json
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.store import digest, save_tensors
from vivant.training.batch import TrainBatch, joined

HEADER = "vivant"
LIFTED = "guides_lifter"
SPLITS = ("train", "validation")
SIGNED = ("normals", "photo_normals", "body_normals")
PICTURES = ("photo", "images", "guides", "skeleton")
PLACES = ("photo_cam_from_world", "photo_intrinsics", "photo_joints", "cam_from_world", "intrinsics", "joints",
          "body_verts", "photo_depth")  # fmt: skip
TINT = 0.15
"""By how much colours are brightened or darkened at most, each channel alone and all together."""

LIFTED_SHARE = 0.4
"""Part of the people who are shown with the lifter's guides."""

BY_VIEW = ("images", "normals", "guides", "body_normals", "skeleton", "cam_from_world", "intrinsics", "joints")


def write_person(
    batch: TrainBatch,
    path: Path,
    *,
    licence: str,
    identity: str = "",
    lifted: Float[Tensor, "1 views 4 size size"] | None = None,
) -> None:
    """Write one person with all views; pictures in bytes.

    Args:
        batch: One person; its guides are the avatar's pictures.
        path: Of the file.
        licence: Of the data.
        identity: Two files of one identity show the same person, maybe in other clothes; empty if unknown.
        lifted: Guides of another kind: the lifter's pictures of the same views.

    Raises:
        BadInputError: If the batch holds several people.
        OutputError: If the file cannot be written.
    """
    if len(batch.photo) != 1:
        raise BadInputError(f"A file holds one person; {len(batch.photo)} are given.")
    tensors = {"task": batch.task}
    for name in (*PICTURES, *SIGNED):
        value = getattr(batch, name)
        unit = (value + 1) / 2 if name in SIGNED else value
        tensors[name] = _bytes(unit)
    if lifted is not None:
        tensors[LIFTED] = _bytes(lifted)
    for name in PLACES:
        tensors[name] = getattr(batch, name).float()
    header = json.dumps({"licence": licence, "identity": identity})
    save_tensors({n: v.contiguous() for n, v in tensors.items()}, {HEADER: header}, path)


def _bytes(unit: Tensor) -> Tensor:
    """254 steps, so that the middle, where normals are 0, is one of them."""
    return (unit.clamp(0, 1) * 254).round().to(torch.uint8)


def identity_in(path: Path) -> str:
    """Whom a file shows; empty if it does not say.

    Raises:
        BadFileError: If the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads((file.metadata() or {})[HEADER]).get("identity", "")
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise BadFileError(
            f"{path} is missing, damaged or holds no person ({error}). Bake it again."
        ) from error


def read_person(path: Path, *, lifted: bool = False) -> TrainBatch:
    """Read one person; `lifted`: with the lifter's pictures as guides, if the file has them.

    Raises:
        BadFileError: If the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            values = {name: file.get_tensor(name) for name in (*PICTURES, *SIGNED, *PLACES, "task")}
            if lifted and LIFTED in file.keys():  # noqa: SIM118 - the file is no dict.
                values["guides"] = file.get_tensor(LIFTED)
    except (SafetensorError, OSError) as error:
        raise BadFileError(
            f"{path} is missing, damaged or holds no person ({error}). Bake it again."
        ) from error
    for name in (*PICTURES, *SIGNED):
        unit = values[name].float() / 254
        values[name] = unit * 2 - 1 if name in SIGNED else unit
    return TrainBatch(**values, baked=torch.ones(1, dtype=torch.bool))


class BakedPeople:
    """A source of batches: people of a folder, some of each one's views."""

    description = "dressed people with the quick recipe's coarse avatars"

    def __init__(
        self, folder: Path, *, people: int, views: int, size: int, seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:  # fmt: skip
        """Look who is there.

        Args:
            folder: From tools/bake_avatars.py.
            people: In a batch.
            views: Of each.
            size: Pixels a side that the network works at.
            seed: Orders people.
            device: Where batches go.

        Raises:
            BadFileError: If the folder holds nobody of a split, or a file is damaged.
            BadInputError: If the pictures are of another size.
        """
        self.people, self.views, self.seed, self.device = people, views, seed, torch.device(device)
        self._paths = {split: sorted(folder.glob(f"{split}_*.safetensors")) for split in SPLITS}
        for split, paths in self._paths.items():
            if not paths:
                raise BadFileError(f"{folder} holds nobody for {split}. Make them with tools/bake_avatars.py.")
        first = self._paths["train"][0]
        there = read_person(first).photo.shape[-1]
        if there != size:
            raise BadInputError(
                f"{folder} holds pictures of {there} px; this network works at {size} px. Make them again by "
                f"tools/bake_avatars.py --size {size}: it keeps the avatars."
            )
        files = [(path.name, path.stat().st_size) for paths in self._paths.values() for path in paths]
        self.identity = digest([people, views, size, seed, files])
        with safe_open(first, framework="pt") as file:
            self.licence = str(json.loads((file.metadata() or {})[HEADER])["licence"])

    def batch(self, number: int) -> TrainBatch:
        """Make one batch; the same number gives the same batch."""
        g = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        paths = self._paths["train"]
        chosen = torch.randint(len(paths), (self.people,), generator=g).tolist()
        people = []
        for index in chosen:
            lifted = float(torch.rand(1, generator=g)) < LIFTED_SHARE
            people.append(tinted(self._some_views(read_person(paths[index], lifted=lifted), g), g))
        return joined(people).to(self.device)

    def validation(self, number: int) -> TrainBatch:
        """Make a batch of people that no training batch shows; others with each number."""
        g = torch.Generator().manual_seed(number)
        paths = self._paths["validation"]
        order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(0)).tolist()
        chosen = [order[(number * self.people + i) % len(order)] for i in range(self.people)]
        return joined([self._some_views(read_person(paths[i]), g) for i in chosen]).to(self.device)

    def _some_views(self, person: TrainBatch, g: torch.Generator) -> TrainBatch:
        """Views evenly round, from a random one on."""
        count = person.images.shape[1]
        begin = int(torch.randint(count, (1,), generator=g))
        picked = (begin + torch.arange(self.views) * count // self.views) % count
        changed: dict[str, Tensor] = {name: getattr(person, name)[:, picked] for name in BY_VIEW}
        return dataclasses.replace(person, **changed)


def tinted(person: TrainBatch, g: torch.Generator) -> TrainBatch:
    """Give somebody's photo, truth and guides the same other tone, as if dressed and lit in other colours."""
    # Three draws for the channels, then one for all of them.
    channels, together = (1 + TINT * (2 * torch.rand(n, generator=g) - 1) for n in (3, 1))
    gain = channels * together
    changed = {}
    for name in ("photo", "images", "guides"):
        color, mask = getattr(person, name).split([3, 1], dim=-3)
        changed[name] = torch.cat([(color * gain[:, None, None]).minimum(mask), mask], dim=-3)
    return dataclasses.replace(person, **changed)
