"""Learn how far the surface stands off, from coarse avatars of people whose surface is known.

    python tools/bake_avatars.py ../shared/data FOLDER --train 460 --validation 30
    python tools/bake_avatars.py ../shared/data OTHERS --train 340 --validation 24 --wardrobe-share 0 --seed 31
    python tools/fit_standoff.py FOLDER standoff.safetensors --also OTHERS --report standoff.json

For each baked person the moves are found that bring the avatar's outlines to the true ones in all views (kept
in the folder as NAME.moves.npy, so a second run takes minutes). Kernel ridge regression then predicts them from
what the avatar shows of build, clothes and pose (networks/standoff.py); strength and width are chosen on people
of the training split only.
"""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bake_avatars import front_at_z
from body_maps import (
    READ_AT,
    Kernels,
    Told,
    an_avatar,
    as_network,
    asked,
    baked,
    folds,
    of_everybody,
    predicted,
    spread_verts,
    vertex_areas,
)
from numpy import ndarray

from vivant.core.cameras import Cameras
from vivant.core.run import Context
from vivant.imagine.told import place_in_photo
from vivant.networks import ModelCard, Standoff, save_weights, standoff_features
from vivant.reconstruct.surface_field import HELD, PLACES, field_over, goals_of, over_verts, settled
from vivant.records import Avatar, Pose, Views, load_avatar
from vivant.training.avatar_files import read_person

STRENGTHS = (0.02, 0.05, 0.1)
WIDTHS = (0.15, 0.3, 0.5)
WEIGHTS = (1.0, 1.5, 1.0, 1.0)
"""How much groups of features count: build, what stands off about places, what the photo shows, the pose."""

LIMIT = 0.05
"""Metres beyond which an outline is another part's."""


@dataclass(frozen=True)
class People:
    """What is learned from."""

    groups: list[ndarray]
    """Features."""

    moves_mm: ndarray
    """People by vertices."""

    @classmethod
    def together(cls, parts: "list[People]") -> "People":
        """One after the other."""
        groups = zip(*(people.groups for people in parts), strict=True)
        moves = np.concatenate([people.moves_mm for people in parts])
        return cls([np.concatenate(some) for some in groups], moves)

    @property
    def features(self) -> ndarray:
        """All of them, people by rows."""
        return np.concatenate(self.groups, axis=1)


def main() -> None:
    """Find the moves, learn them, say how well, and write the weights."""
    told, folders = asked(__doc__)
    first = an_avatar(told.folder)
    places, weight = spread_verts(first, READ_AT), vertex_areas(first, *HELD)
    found = {split: [gathered(folder, split, places, told.workers) for folder in folders]
             for split in ("train", "validation")}  # fmt: skip
    train, held_back = (People.together(parts) for parts in found.values())
    scores = cross_validated(train, weight, folds(folders))
    strength, width = min(scores, key=lambda key: scores[key])
    print(f"strength {strength:g}, width {width:g}, left of the squared move on training people: {scores}")
    kernels = learned(train, strength, width)
    network = as_network(Standoff, kernels, weight, places)
    for folder, people in zip(folders, found["validation"], strict=True):
        left, whole = rms(left_mm(network, people), weight), rms(people.moves_mm, weight)
        print(f"{folder.name}, {len(people.moves_mm)} people: {left:.2f} mm left of {whole:.2f}")
    score = rms(left_mm(network, held_back), weight)
    baseline = rms(held_back.moves_mm, weight)
    alone = rms(held_back.moves_mm - train.moves_mm.mean(0), weight)
    people, others = len(train.moves_mm), len(held_back.moves_mm)
    print(f"all {others} people: {score:.2f} mm left of {baseline:.2f}; by the mean {alone:.2f}")
    card = ModelCard(
        network="standoff",
        trained_on=f"{people} rendered people, photographed, lifted and compared all round",
        licence="CC0 and MIT" if told.also else "CC0",
        steps=1,
        people=people,
        score=round(score, 3),
        score_name=f"RMS mm left along the normals, {others} people held back; less is better",
        baseline=round(baseline, 3),
        command="python tools/fit_standoff.py FOLDER standoff.safetensors --also OTHERS",
    )
    save_weights(network, network.config, card, told.out)
    if told.report:
        scored = {
            "strength": strength,
            "width": width,
            "left": {f"strength {s:g}, width {w:g}": v for (s, w), v in scores.items()},
            "rms_mm": score,
            "unmoved_mm": baseline,
            "mean_mm": alone,
            "trained_on": people,
            "people": [f"{folder.name} {name}" for folder in folders for name in baked(folder, "validation")],
        }
        told.report.write_text(json.dumps(scored | report(held_back, left_mm(network, held_back), weight)))


def left_mm(network: Standoff, people: People) -> ndarray:
    """What of people's moves the network leaves."""
    return people.moves_mm - 1e3 * predicted(network, people.features)


def gathered(folder: Path, split: str, places: ndarray, workers: int) -> People:
    """These people, found or kept."""
    *groups, moves = of_everybody(partial(one, places), folder, split, workers)
    return People(groups, 1e3 * moves)


def one(places: ndarray, source: Path) -> tuple[ndarray, ...]:
    """A person's features, and the moves of the body's vertices to the true outlines."""
    torch.set_num_threads(1)
    avatar, kept = load_avatar(source.with_suffix(".avatar")), source.with_suffix(".moves.npy")
    if not kept.exists() or kept.stat().st_mtime < source.stat().st_mtime:
        np.save(kept, true_moves(avatar, source))
        print(source.stem, flush=True)
    return *(group.numpy() for group in standoff_features(avatar, torch.from_numpy(places))), np.load(kept)


def true_moves(avatar: Avatar, path: Path) -> ndarray:
    """Moves, in metres, that bring the avatar's outlines to the true ones in all baked views."""
    person = read_person(path)
    alphas = person.images[0, :, 3]
    count, _, size = alphas.shape
    # Baked views lie in the world of trainings, with the photo's front at +z.
    world = front_at_z(place_in_photo(avatar))
    cameras = Cameras(person.cam_from_world[0] @ world, person.intrinsics[0], size, size)
    pose = avatar.photo_pose
    poses = Pose(pose.local_quats.expand(count, -1, -1), pose.root.expand(count, -1))
    views = Views(person.images[0, :, :3].permute(0, 2, 3, 1), alphas, None, alphas, cameras, poses)
    field = field_over(avatar)
    goals = goals_of(avatar, views, weight=1.0, limit=LIMIT)
    numbers = settled(avatar, field, goals, np.zeros(PLACES), rounds=2, steady=1.0, limit=LIMIT,
                      advance=Context().advance)  # fmt: skip
    return over_verts(field, avatar, numbers).clip(-LIMIT, LIMIT).astype(np.float32)


def learned(people: People, strength: float, width: float) -> Kernels:
    """Kernel ridge regression."""
    told, mean = Told.of(people.groups, WEIGHTS), people.moves_mm.mean(0)
    near = told.near(told.features, told.features, width) + strength * np.eye(len(told.features))
    return Kernels(told, width, mean, np.linalg.solve(near, people.moves_mm - mean))


def cross_validated(people: People, weight: ndarray, parts: list[ndarray]) -> dict[tuple[float, float], float]:
    """Part of the squared move that is left on people held back in turn, by strength and width."""
    count, scores = len(people.moves_mm), dict[tuple[float, float], float]()
    whole = float((weight * people.moves_mm**2).sum())
    for strength in STRENGTHS:
        for width in WIDTHS:
            left = 0.0
            for fold in parts:
                others = chosen(people, np.setdiff1d(np.arange(count), fold))
                kernels, apart = learned(others, strength, width), chosen(people, fold)
                left += float((weight * (apart.moves_mm - kernels(apart.features)) ** 2).sum())
            scores[strength, width] = round(left / whole, 4)
    return scores


def chosen(people: People, rows: ndarray) -> People:
    """Some of them."""
    return People([group[rows] for group in people.groups], people.moves_mm[rows])


def rms(millimetres: ndarray, weight: ndarray) -> float:
    """Root of the mean square over people and surface."""
    return float(np.sqrt((weight * millimetres**2).sum(1).mean()))


def report(held_back: People, left: ndarray, weight: ndarray) -> dict[str, object]:
    """What a test needs to measure a score again: some vertices of the people held back."""
    picked = np.random.default_rng(0).choice(len(weight), 300, replace=False, p=weight / weight.sum())
    return {
        "verts": picked.tolist(),
        "verts_rms_mm": float(np.sqrt((left[:, picked] ** 2).mean())),
        "features": np.round(held_back.features, 2).tolist(),
        "moves_mm": np.round(held_back.moves_mm[:, picked], 1).tolist(),
    }


if __name__ == "__main__":
    main()
