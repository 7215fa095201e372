"""Learn how far the surface stands off, from coarse avatars of people whose surface is known.

    python tools/bake_avatars.py ../shared/data FOLDER --train 440 --validation 40
    python tools/bake_avatars.py ../shared/data OTHERS --train 120 --validation 24 --wardrobe-share 0 --seed 31
    python tools/fit_standoff.py FOLDER standoff.safetensors --also OTHERS --report standoff.json

For each baked person the moves are found that bring the avatar's outlines to the true ones in all views (kept
in the folder as NAME.moves.npy, so a second run takes seconds). Kernel ridge regression then predicts them from
what the avatar shows of build and clothes (networks/standoff.py); its strength and width are chosen on training
people only.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from bake_avatars import front_at_z
from numpy import ndarray

from vivant.body import joints_of
from vivant.core.cameras import Cameras
from vivant.core.run import Context
from vivant.imagine.told import place_in_photo
from vivant.mesh import face_normals
from vivant.networks import ModelCard, Standoff, SurfaceLineConfig, save_weights, standoff_features
from vivant.networks.surface_line import UNUSUAL
from vivant.reconstruct.surface_field import HELD, PLACES, field_over, goals_of, over_verts, settled
from vivant.records import Avatar, Pose, Views, load_avatar
from vivant.training.avatar_files import read_person

STRENGTHS = (0.3, 0.6, 1.0)
WIDTHS = (0.6, 1.2, 2.0)
FOLDS = 8
PATTERNS = 48
LIMIT = 0.05
"""Metres beyond which an outline is another part's."""


@dataclass(frozen=True)
class People:
    """What is learned from."""

    names: list[str]
    features: ndarray
    moves_mm: ndarray
    """People by vertices."""


@dataclass(frozen=True)
class Kernels:
    """What people tell of whoever is like them."""

    middle: ndarray
    spread: ndarray
    mean: ndarray
    known: ndarray
    width: float
    slopes: ndarray
    """People by vertices."""

    def __call__(self, features: ndarray) -> ndarray:
        """Predict, in millimetres."""
        told = ((features - self.middle) / self.spread).clip(-UNUSUAL, UNUSUAL)
        return self.mean + closeness(told, self.known, self.width) @ self.slopes


def closeness(told: ndarray, known: ndarray, width: float) -> ndarray:
    """1 for the same features, less the more they differ."""
    squares = (told**2).sum(1)[:, None] + (known**2).sum(1) - 2 * told @ known.T
    return np.exp(-width * squares / known.shape[1])


def asking(what: str | None) -> argparse.ArgumentParser:
    """The command line of tools that learn from baked people."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--report", type=Path, help="JSON with scores, and what the test measures again")
    parser.add_argument("--workers", type=int, default=1)
    return parser


def asked(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, dict[str, list[str]]]:
    """What was said, and the names of the folder's people by split."""
    told = parser.parse_args()
    names = {split: baked(told.folder, split) for split in ("train", "validation")}
    if min(len(some) for some in names.values()) < FOLDS:
        parser.error(f"{told.folder} holds too few baked people; make some with tools/bake_avatars.py.")
    return told, names


def main() -> None:
    """Find the moves, learn them, say how well, and write the weights."""
    parser = asking(__doc__)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="further folders of baked people")
    told, names = asked(parser)
    avatar = load_avatar(told.folder / f"{names['train'][0]}.avatar")
    folders = (told.folder, *told.also)
    train = together([gathered(folder, baked(folder, "train"), told.workers) for folder in folders])
    each = [gathered(folder, baked(folder, "validation"), told.workers) for folder in folders]
    weight = vertex_areas(avatar)
    scores = {(s, w): cross_validated(train, s, w, weight) for s in STRENGTHS for w in WIDTHS}
    strength, width = min(scores, key=lambda key: scores[key])
    print(f"strength {strength:g}, width {width:g}, left of the squared move on training people: {scores}")
    network = as_network(learned(train.features, train.moves_mm, strength, width), weight)
    for folder, people in zip(folders, each, strict=True):
        left, whole = rms(people.moves_mm - predicted(network, people), weight), rms(people.moves_mm, weight)
        print(f"{folder.name}, {len(people.names)} people: {left:.2f} mm left of {whole:.2f}")
    held_back = together(each)
    score = rms(held_back.moves_mm - predicted(network, held_back), weight)
    baseline = rms(held_back.moves_mm, weight)
    alone = rms(held_back.moves_mm - train.moves_mm.mean(0), weight)
    count = len(train.names)
    print(f"all {len(held_back.names)} people: {score:.2f} mm left of {baseline:.2f}; by the mean {alone:.2f}")
    card = ModelCard(
        network="standoff",
        trained_on=f"{count} rendered people, photographed, lifted and compared all round",
        licence="CC0 and MIT" if told.also else "CC0",
        steps=1,
        people=count,
        score=round(score, 3),
        score_name=f"RMS mm left along the normals, {len(held_back.names)} people held back; less is better",
        baseline=round(baseline, 3),
        command="python tools/fit_standoff.py FOLDER standoff.safetensors --also OTHERS",
    )
    save_weights(network, network.config, card, told.out)
    if told.report:
        chosen = {
            "strength": strength,
            "width": width,
            "left": {f"strength {s:g}, width {w:g}": v for (s, w), v in scores.items()},
            "rms_mm": score,
            "unmoved_mm": baseline,
            "mean_mm": alone,
            "trained_on": count,
        }
        told.report.write_text(json.dumps(chosen | report(held_back, predicted(network, held_back), weight)))


def together(parts: list[People]) -> People:
    """One after the other."""
    return People(
        [name for people in parts for name in people.names],
        np.concatenate([people.features for people in parts]),
        np.concatenate([people.moves_mm for people in parts]),
    )


def predicted(network: Standoff, people: People) -> ndarray:
    """What the network says of people, in millimetres."""
    return 1e3 * network(torch.from_numpy(people.features).float()).numpy()


def baked(folder: Path, split: str) -> list[str]:
    """Names of everybody of one split."""
    return sorted(path.stem for path in folder.glob(f"{split}_*.safetensors"))


def gathered(folder: Path, names: list[str], workers: int) -> People:
    """These people, found or kept."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        found = list(pool.map(partial(one, folder), names))
    features, moves = zip(*found, strict=True)
    return People(names, np.stack(features).astype(float), 1e3 * np.stack(moves).astype(float))


def one(folder: Path, name: str) -> tuple[ndarray, ndarray]:
    """A person's features, and the moves of the body's vertices to the true outlines."""
    avatar = load_avatar(folder / f"{name}.avatar")
    kept, source = folder / f"{name}.moves.npy", folder / f"{name}.safetensors"
    if not kept.exists() or kept.stat().st_mtime < source.stat().st_mtime:
        torch.set_num_threads(1)
        np.save(kept, true_moves(avatar, source))
        print(name, flush=True)
    return standoff_features(avatar).numpy(), np.load(kept)


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


def learned(features: ndarray, moves: ndarray, strength: float, width: float) -> Kernels:
    """Kernel ridge regression on features of unit spread."""
    middle, spread, mean = features.mean(0), features.std(0) + 1e-6, moves.mean(0)
    known = ((features - middle) / spread).clip(-UNUSUAL, UNUSUAL)
    near = closeness(known, known, width) + strength * np.eye(len(known))
    return Kernels(middle, spread, mean, known, width, np.linalg.solve(near, moves - mean))


def cross_validated(people: People, strength: float, width: float, weight: ndarray) -> float:
    """Part of the squared move that is left on people held back in turn."""
    order = np.random.default_rng(0).permutation(len(people.names))
    left = whole = 0.0
    for fold in np.array_split(order, FOLDS):
        others = np.setdiff1d(order, fold)
        kernels = learned(people.features[others], people.moves_mm[others], strength, width)
        left += float((weight * (people.moves_mm[fold] - kernels(people.features[fold])) ** 2).sum())
        whole += float((weight * people.moves_mm[fold] ** 2).sum())
    return round(left / whole, 4)


def as_network(kernels: Kernels, weight: ndarray) -> Standoff:
    """The same with slopes as amounts of a few patterns: the file stays small."""
    root = np.sqrt(weight)
    amounts, sizes, _ = np.linalg.svd(kernels.slopes * root, full_matrices=False)
    count = min(PATTERNS, len(sizes))
    verts, features = len(kernels.mean), len(kernels.middle)
    config = SurfaceLineConfig(verts, features, count, len(kernels.known), kernels.width)
    network = Standoff(config).eval()
    values = {
        "middle": kernels.middle,
        "spread": kernels.spread,
        "mean": kernels.mean,
        "known": kernels.known,
        "patterns": amounts[:, :count].T @ kernels.slopes,
        "amounts": amounts[:, :count],
    }
    network.load_state_dict(
        {name: torch.from_numpy(np.ascontiguousarray(v)).float() for name, v in values.items()}
    )
    return network


def vertex_areas(avatar: Avatar) -> ndarray:
    """Part of the surface that may move about each vertex."""
    rig = avatar.rig
    areas = face_normals(rig.verts, rig.faces, unit=False).norm(dim=1) / 6
    total = torch.zeros(len(rig.verts)).index_add_(0, rig.faces.flatten(), areas.repeat_interleave(3))
    held = joints_of(rig, *HELD)[rig.skin_joints]
    total = total * (rig.skin_weights * ~held).sum(1)
    return (total / total.sum()).double().numpy()


def rms(millimetres: ndarray, weight: ndarray) -> float:
    """Root of the mean square over people and surface."""
    return float(np.sqrt((weight * millimetres**2).sum(1).mean()))


def report(held_back: People, predicted_mm: ndarray, weight: ndarray) -> dict[str, object]:
    """What a test needs to measure a score again: some vertices of the people held back."""
    picked = np.random.default_rng(0).choice(len(weight), 300, replace=False, p=weight / weight.sum())
    left = held_back.moves_mm[:, picked] - predicted_mm[:, picked]
    return {
        "people": held_back.names,
        "verts": picked.tolist(),
        "verts_rms_mm": float(np.sqrt((left**2).mean())),
        "features": np.round(held_back.features, 3).tolist(),
        "moves_mm": np.round(held_back.moves_mm[:, picked], 2).tolist(),
    }


if __name__ == "__main__":
    main()
