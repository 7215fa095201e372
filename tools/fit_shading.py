"""Learn how bright the hidden side is, from coarse avatars of people whose every side is known.

    python tools/bake_avatars.py ../shared/data FOLDER --train 400 --validation 30
    python tools/fit_shading.py FOLDER shading.safetensors --report shading.json

For each baked person the avatar's and the true colours are compared all over the body, where the photo does not
vouch for them (kept in the folder as NAME.shade.npz, so a second run takes seconds). Ridge regression then
predicts the difference in brightness from what the photo shows of the light (networks/shading.py); its strength
is chosen on training people only. Hues were tried: predicting them, too, gains nothing.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from bake_avatars import front_at_z
from fit_standoff import FOLDS, asked, asking
from numpy import ndarray
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.imagine.told import place_in_photo
from vivant.networks import ModelCard, Shading, save_weights, shading_features
from vivant.networks.shading import DARKEST
from vivant.networks.surface_line import UNUSUAL
from vivant.reconstruct.surface_field import mix_over, splats_where, verts_where
from vivant.records import Avatar, load_avatar
from vivant.splat import pose_splats, rasterize_averaged
from vivant.training.avatar_files import read_person

STRENGTHS = (10.0, 20.0, 40.0, 80.0, 160.0)
PLACES = 500
COVERED = 0.9
"""Least mask of both pictures where colours are compared."""

MOST = 1.2
"""Larger differences of logarithms are other things than light."""

SIDE = 512
"""Pixels at which splats are drawn at least, as the baked pictures were."""

SKIPPED = 5
"""Every so many places a test looks at."""

LOUDEST = 4.0
"""How much a person may count at one place, beside the mean of all."""


@dataclass(frozen=True)
class People:
    """What is learned from: people by places."""

    features: ndarray
    change: ndarray
    """Of the logarithm of brightness."""

    weight: ndarray
    """Hidden pixels, brighter ones more: there a wrong factor is a large error."""


@dataclass(frozen=True)
class Line:
    """A line through people, for each place."""

    middle: ndarray
    spread: ndarray
    mean: ndarray
    slopes: ndarray
    """Features by places."""

    def __call__(self, features: ndarray) -> ndarray:
        """Predict."""
        return self.mean + told_by(features, self.middle, self.spread) @ self.slopes


def main() -> None:
    """Compare colours, learn the change, say how well, and write the weights."""
    told, names = asked(asking(__doc__))
    first = load_avatar(told.folder / f"{names['train'][0]}.avatar")
    places = spread_verts(first)
    train, held_back = (gathered(told.folder, some, places, told.workers) for some in names.values())
    scores = {s: cross_validated(train, s) for s in STRENGTHS}
    strength = min(scores, key=lambda s: scores[s])
    line = learned(train, strength)
    network = as_network(line, first, places)
    predicted = network(torch.from_numpy(held_back.features).float()).numpy()[:, places]
    score, baseline = rms(held_back, predicted), rms(held_back, np.zeros_like(predicted))
    alone = rms(held_back, np.broadcast_to(line.mean, predicted.shape))
    people = len(train.features)
    print(f"strength {strength:g}, left of the squared change on training people held back: {scores}")
    print(f"{len(predicted)} people: {score:.2f} % left of {baseline:.2f}; by the mean {alone:.2f}")
    card = ModelCard(
        network="shading",
        trained_on=f"{people} people of MakeHuman's wardrobe, photographed, lifted and compared all round",
        licence="CC0",
        steps=1,
        people=people,
        score=round(score, 3),
        score_name=f"RMS % of brightness left where hidden, {len(predicted)} people held back; less is better",
        baseline=round(baseline, 3),
        command="python tools/fit_shading.py FOLDER shading.safetensors",
    )
    save_weights(network, network.config, card, told.out)
    if told.report:
        scored = {
            "strength": strength,
            "left_by_strength": scores,
            "rms_percent": score,
            "unchanged_percent": baseline,
            "mean_percent": alone,
            "trained_on": people,
            "people": names["validation"],
        }
        told.report.write_text(json.dumps(scored | again(held_back, predicted, places)))


def again(people: People, predicted: ndarray, places: ndarray) -> dict[str, object]:
    """What a test needs to measure the score again, at some of the places."""
    some = slice(None, None, SKIPPED)
    fewer = People(people.features, people.change[:, some], people.weight[:, some])
    return {
        "verts": places[some].tolist(),
        "verts_rms_percent": rms(fewer, predicted[:, some]),
        "features": np.round(fewer.features, 4).tolist(),
        "change": np.round(fewer.change, 3).tolist(),
        "weight": np.round(fewer.weight / fewer.weight.mean(), 3).tolist(),
    }


def spread_verts(avatar: Avatar) -> ndarray:
    """Vertices that lie evenly over the body's places and directions; the same ones of everybody."""
    from vivant.reconstruct._field_numba import spread_places

    return spread_places(verts_where(avatar), PLACES)


def gathered(folder: Path, names: list[str], places: ndarray, workers: int) -> People:
    """These people, found or kept."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        found = list(pool.map(partial(one, folder, places), names))
    return People(*(np.stack(some).astype(float) for some in zip(*found, strict=True)))


def one(folder: Path, places: ndarray, name: str) -> tuple[ndarray, ndarray, ndarray]:
    """A person's features, and at each place the change that is needed and how much it counts."""
    avatar = load_avatar(folder / f"{name}.avatar")
    kept, source = folder / f"{name}.shade.npz", folder / f"{name}.safetensors"
    if not kept.exists() or kept.stat().st_mtime < source.stat().st_mtime:
        torch.set_num_threads(1)
        change, weight = true_change(avatar, source, places)
        np.savez(kept, change=change, weight=weight)
        print(name, flush=True)
    with np.load(kept) as file:
        return shading_features(avatar).numpy(), file["change"], file["weight"]


def true_change(avatar: Avatar, path: Path, places: ndarray) -> tuple[ndarray, ndarray]:
    """By how much the logarithm of brightness is wrong at each place, in all baked views; and weights."""
    person = read_person(path)
    true, ours = person.images[0], person.guides[0]
    count, _, size, _ = true.shape
    cameras = Cameras(
        person.cam_from_world[0] @ front_at_z(place_in_photo(avatar)), person.intrinsics[0], size, size
    )
    joints = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, avatar.photo_pose)
    posed = pose_splats(avatar.splats, avatar.binding, joints)
    rest = torch.cat([splats_where(avatar), 1 - avatar.trust[:, None]], dim=1)
    at = verts_where(avatar)[places]
    sums, weights = np.zeros(PLACES), np.zeros(PLACES)
    for view in range(count):
        drawn = rasterize_averaged(posed, cameras[view], features=rest, normals=False, least_side=SIDE)
        alpha = drawn.alpha[0]
        both = (true[view, 3] > COVERED) & (ours[view, 3] > COVERED) & (alpha > COVERED)
        found = (drawn.color[0, ..., 3:] / alpha[..., None].clamp(min=COVERED))[both].double().numpy()
        bright = [_colors(picture[view])[both] for picture in (true, ours)]
        change = (bright[0].log() - bright[1].log()).clamp(-MOST, MOST).mean(1).double().numpy()
        counts = bright[1].mean(1).square().double().numpy() * found[:, 6].clip(0, 1)
        mix = mix_over(found[:, :6], at)
        for total, values in ((weights, counts), (sums, counts * change)):
            total += np.bincount(mix.index.ravel(), (mix.share * values[:, None]).ravel(), PLACES)
    return sums / np.maximum(weights, 1e-6), weights


def _colors(picture: Tensor) -> Tensor:
    """Colours of a premultiplied picture, its channels last."""
    return (picture[:3] / picture[3:].clamp(min=COVERED)).permute(1, 2, 0).clamp(DARKEST, 1)


def told_by(features: ndarray, middle: ndarray, spread: ndarray) -> ndarray:
    """Features of unit spread, none more unusual than people were."""
    return ((features - middle) / spread).clip(-UNUSUAL, UNUSUAL)


def learned(people: People, strength: float) -> Line:
    """Ridge regression at each place, with people's weights there; the mean is hardly held back."""
    middle, spread = people.features.mean(0), people.features.std(0) + 1e-6
    told = told_by(people.features, middle, spread)
    told = np.concatenate([np.ones((len(told), 1)), told], axis=1)
    weight = (people.weight / (people.weight.mean(0) + 1e-9)).clip(0, LOUDEST)
    left = np.einsum("nf,np,ng->pfg", told, weight, told, optimize=True)
    ridge = strength * np.eye(told.shape[1])
    ridge[0, 0] = 1.0
    right = np.einsum("nf,np->pf", told, weight * people.change)
    slopes = np.linalg.solve(left + ridge, right[..., None])[..., 0]
    return Line(middle, spread, slopes[:, 0], slopes[:, 1:].T)


def cross_validated(people: People, strength: float) -> float:
    """Part of the squared change that is left on people held back in turn."""
    order = np.random.default_rng(0).permutation(len(people.features))
    left = whole = 0.0
    for fold in np.array_split(order, FOLDS):
        others = np.setdiff1d(order, fold)
        line = learned(chosen(people, others), strength)
        apart = chosen(people, fold)
        left += float((apart.weight * (apart.change - line(apart.features)) ** 2).sum())
        whole += float((apart.weight * apart.change**2).sum())
    return round(left / whole, 4)


def chosen(people: People, rows: ndarray) -> People:
    """Some of them."""
    return People(people.features[rows], people.change[rows], people.weight[rows])


def as_network(line: Line, avatar: Avatar, places: ndarray) -> Shading:
    """The same line for all vertices, mixed from the places round them."""
    network = Shading().eval()
    at = verts_where(avatar)
    mix = mix_over(at, at[places])
    values = {
        "middle": line.middle,
        "spread": line.spread,
        "mean": mix(line.mean),
        "patterns": np.stack([mix(slopes) for slopes in line.slopes]),
        "amounts": np.eye(len(line.middle)),
    }
    network.load_state_dict(
        {name: torch.from_numpy(np.ascontiguousarray(v)).float() for name, v in values.items()}
    )
    return network


def rms(people: People, predicted: ndarray) -> float:
    """Root of the mean square over hidden pixels, in percent of brightness."""
    weight = people.weight / people.weight.sum()
    return 100 * float(np.sqrt((weight * (people.change - predicted) ** 2).sum()))


if __name__ == "__main__":
    main()
