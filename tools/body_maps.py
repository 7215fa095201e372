"""What tools share that teach a `BodyMap` from baked people: who there is, kernels, the network."""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy import ndarray

from vivant.body import joints_of
from vivant.mesh import face_normals
from vivant.networks import BodyMap, BodyMapConfig, verts_where
from vivant.networks.body_map import UNUSUAL, closeness
from vivant.records import Avatar, load_avatar
from vivant.training.avatar_files import identity_in

N = TypeVar("N", bound=BodyMap)

FOLDS = 8
READ_AT = 200
"""Places at which avatars are read."""

PATTERNS = 48
ALIKE = 3e-3
"""Added to spreads as a part of values: what half precision makes of numbers tells nothing."""


@dataclass(frozen=True)
class Told:
    """What is told of people, and on which scale."""

    features: ndarray
    middle: ndarray
    spread: ndarray
    shares: ndarray

    @classmethod
    def of(cls, groups: list[ndarray], weights: tuple[float, ...]) -> "Told":
        """Groups of features side by side; each group counts by its weight.

        Features of the first group have scales of their own; others have one scale for their whole group.
        """
        spreads = [groups[0].std(0) + ALIKE * (1 + np.abs(groups[0]).max(0))]
        for group in groups[1:]:
            spread = np.sqrt((group.std(0) ** 2).mean()) + ALIKE * (1 + np.abs(group).max())
            spreads.append(np.full(group.shape[1], spread))
        shares = np.concatenate(
            [
                np.full(group.shape[1], weight**2 / group.shape[1])
                for group, weight in zip(groups, weights, strict=True)
            ]
        )
        features = np.concatenate(groups, axis=1)
        return cls(features, features.mean(0), np.concatenate(spreads), shares / shares.sum())

    def __call__(self, features: ndarray) -> ndarray:
        """Features in spreads about the middle; nobody is more unusual than `UNUSUAL`."""
        return ((features - self.middle) / self.spread).clip(-UNUSUAL, UNUSUAL)

    def near(self, one: ndarray, other: ndarray, width: float) -> ndarray:
        """How alike people are."""
        first, second, shares = (torch.from_numpy(x) for x in (self(one), self(other), self.shares))
        return closeness(first, second, shares, width).numpy()


@dataclass(frozen=True)
class Kernels:
    """What people tell of whoever is like them."""

    told: Told
    width: float
    mean: ndarray
    slopes: ndarray
    """People by places, or by vertices."""

    def __call__(self, features: ndarray) -> ndarray:
        """Predict."""
        return self.mean + self.told.near(features, self.told.features, self.width) @ self.slopes


def asked(what: str | None) -> tuple[argparse.Namespace, list[Path]]:
    """The command line of tools that learn from baked people, and all folders."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="further folders of baked people")
    parser.add_argument("--report", type=Path, help="JSON with scores, and what the test measures again")
    parser.add_argument("--workers", type=int, default=1)
    told = parser.parse_args()
    folders = [told.folder, *told.also]
    for folder in folders:
        if min(len(baked(folder, split)) for split in ("train", "validation")) < FOLDS:
            parser.error(f"{folder} holds too few baked people; make some with tools/bake_avatars.py.")
    return told, folders


def baked(folder: Path, split: str) -> list[str]:
    """Names of everybody of one split."""
    return sorted(path.stem for path in folder.glob(f"{split}_*.safetensors"))


def of_everybody(
    one: Callable[[Path], tuple[ndarray, ...]], folder: Path, split: str, workers: int
) -> list[ndarray]:
    """What `one` finds of each baked person (whose file it is given), people by rows."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        found = list(pool.map(one, [folder / f"{name}.safetensors" for name in baked(folder, split)]))
    return [np.stack(some).astype(float) for some in zip(*found, strict=True)]


def an_avatar(folder: Path) -> Avatar:
    """The first one's: its vertices are everybody's, and nearly where everybody has them."""
    return load_avatar(folder / f"{baked(folder, 'train')[0]}.avatar")


def spread_verts(avatar: Avatar, count: int) -> ndarray:
    """Vertices that lie evenly over the body's places and directions."""
    from vivant.reconstruct._field_numba import spread_places

    return spread_places(verts_where(avatar), count)


def vertex_areas(avatar: Avatar, *held: str) -> ndarray:
    """Part of the surface about each vertex; without the parts that are held."""
    rig = avatar.rig
    areas = face_normals(rig.verts, rig.faces, unit=False).norm(dim=1) / 6
    total = torch.zeros(len(rig.verts)).index_add_(0, rig.faces.flatten(), areas.repeat_interleave(3))
    if held:
        total = total * (rig.skin_weights * ~joints_of(rig, *held)[rig.skin_joints]).sum(1)
    return (total / total.sum()).double().numpy()


def folds(folders: list[Path]) -> list[ndarray]:
    """Everybody of the training splits once, in turn; all of one identity together.

    Who is learned from in one photo would be known by heart in the next.
    """
    whom = [identity_in(folder / f"{name}.safetensors").partition("+")[0] or f"{folder.name} {name}"
            for folder in folders for name in baked(folder, "train")]  # fmt: skip
    different = sorted(set(whom))
    order = np.random.default_rng(0).permutation(len(different))
    groups = [{different[i] for i in fold} for fold in np.array_split(order, FOLDS)]
    return [np.array([row for row, one in enumerate(whom) if one in group]) for group in groups]


def as_network(kind: type[N], kernels: Kernels, weight: ndarray, places: ndarray) -> N:
    """The same with slopes as amounts of a few patterns: the file stays small.

    Args:
        kind: Of the network.
        kernels: What was learned, for each vertex.
        weight: How much vertices count when patterns are chosen.
        places: At which avatars were read.
    """
    root = np.sqrt(weight)
    amounts, sizes, _ = np.linalg.svd(kernels.slopes * root, full_matrices=False)
    count = min(PATTERNS, len(sizes))
    told = kernels.told
    people, features = told.features.shape
    config = BodyMapConfig(len(weight), features, len(places), count, people, kernels.width)
    network = kind(config).eval()
    values = {
        "middle": told.middle,
        "spread": told.spread,
        "shares": told.shares,
        "mean": kernels.mean,
        "known": told(told.features),
        "patterns": amounts[:, :count].T @ kernels.slopes,
        "amounts": amounts[:, :count],
    }
    made = {name: torch.from_numpy(np.ascontiguousarray(value)).float() for name, value in values.items()}
    network.load_state_dict({**made, "places": torch.from_numpy(places).int()})
    return network


def predicted(network: BodyMap, features: ndarray) -> ndarray:
    """What the network says of people."""
    return network(torch.from_numpy(features).float()).numpy()
