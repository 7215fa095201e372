"""Learn how bright the hidden side is, from coarse avatars of people whose every side is known.

    python tools/bake_avatars.py ../shared/data FOLDER --train 460 --validation 30
    python tools/bake_avatars.py ../shared/data OTHERS --train 340 --validation 24 --wardrobe-share 0 --seed 31
    python tools/fit_shading.py FOLDER shading.safetensors --also OTHERS --report shading.json

For each baked person the avatar's and the true colours are compared all over the body, where the photo does not
vouch for them (kept in the folder as NAME.shade.npz, so a second run takes minutes). Kernel ridge regression
then predicts the difference in brightness from what the photo shows of the light (networks/shading.py); its
strength and width are chosen on training people only. Hues were tried: predicting them, too, gains nothing.
"""

import json
from dataclasses import dataclass, replace
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
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.imagine.told import place_in_photo
from vivant.networks import (
    ModelCard,
    Shading,
    mix_over,
    save_weights,
    shading_features,
    splats_where,
    verts_where,
)
from vivant.networks.shading import DARKEST
from vivant.records import Avatar, load_avatar
from vivant.splat import pose_splats, rasterize_averaged
from vivant.training.avatar_files import read_person

STRENGTHS = (0.05, 0.1, 0.2)
WIDTHS = (0.08, 0.15, 0.25)
WEIGHTS = (1.0, 1.0, 0.7)
"""How much groups of features count: light, brightness about places, what the photo shows."""

PLACES = 500
BETWEEN = 0.03
"""Metres (standard deviation) over which neighbouring places are mixed for the vertices between them."""

COVERED = 0.9
"""Least mask of both pictures where colours are compared."""

MOST = 1.2
"""Larger differences of logarithms are other things than light."""

SIDE = 512
"""Pixels at which splats are drawn at least, as the baked pictures were."""

SKIPPED = 5
"""Every so many places a test looks at, and strengths are compared at."""

LEAST, LOUDEST = 0.02, 4.0
"""How little and how much a person may count at one place, beside the mean of all."""


@dataclass(frozen=True)
class People:
    """What is learned from: people by places."""

    groups: list[ndarray]
    """Features."""

    change: ndarray
    """Of the logarithm of brightness."""

    weight: ndarray
    """Hidden pixels, brighter ones more: there a wrong factor is a large error."""

    @classmethod
    def together(cls, parts: "list[People]") -> "People":
        """One after the other."""
        groups = zip(*(people.groups for people in parts), strict=True)
        rest = (np.concatenate([getattr(p, name) for p in parts]) for name in ("change", "weight"))
        return cls([np.concatenate(some) for some in groups], *rest)

    @property
    def features(self) -> ndarray:
        """All of them, people by rows."""
        return np.concatenate(self.groups, axis=1)

    def at(self, places: slice) -> "People":
        """The same at some places."""
        return People(self.groups, self.change[:, places], self.weight[:, places])

    def some(self, rows: ndarray) -> "People":
        """Some of them."""
        return People([group[rows] for group in self.groups], self.change[rows], self.weight[rows])


def main() -> None:
    """Compare colours, learn the change, say how well, and write the weights."""
    told, folders = asked(__doc__)
    first = an_avatar(told.folder)
    places, read_at = spread_verts(first, PLACES), spread_verts(first, READ_AT)
    found = {split: [gathered(folder, split, places, read_at, told.workers) for folder in folders]
             for split in ("train", "validation")}  # fmt: skip
    train, held_back = (People.together(parts) for parts in found.values())
    fewer, parts = train.at(slice(None, None, SKIPPED)), folds(folders)
    scores = {(s, w): cross_validated(fewer, s, w, parts) for s in STRENGTHS for w in WIDTHS}
    strength, width = min(scores, key=lambda key: scores[key])
    print(f"strength {strength:g}, width {width:g}, left of the squared change on training people: {scores}")
    network = over_all(learned(train, strength, width), first, places, read_at)
    for folder, people in zip(folders, found["validation"], strict=True):
        left, whole = (
            rms(people, network_at(network, people, places)),
            rms(people, np.zeros_like(people.change)),
        )
        print(f"{folder.name}, {len(people.change)} people: {left:.2f} % left of {whole:.2f}")
    guessed = network_at(network, held_back, places)
    score, baseline = rms(held_back, guessed), rms(held_back, np.zeros_like(guessed))
    alone = rms(held_back, np.broadcast_to(mean_of(train), guessed.shape))
    people, others = len(train.change), len(held_back.change)
    print(f"all {others} people: {score:.2f} % left of {baseline:.2f}; by the mean {alone:.2f}")
    card = ModelCard(
        network="shading",
        trained_on=f"{people} rendered people, photographed, lifted and compared all round",
        licence="CC0 and MIT" if told.also else "CC0",
        steps=1,
        people=people,
        score=round(score, 3),
        score_name=f"RMS % of brightness left where hidden, {others} people held back; less is better",
        baseline=round(baseline, 3),
        command="python tools/fit_shading.py FOLDER shading.safetensors --also OTHERS",
    )
    save_weights(network, network.config, card, told.out)
    if told.report:
        scored = {
            "strength": strength,
            "width": width,
            "left": {f"strength {s:g}, width {w:g}": v for (s, w), v in scores.items()},
            "rms_percent": score,
            "unchanged_percent": baseline,
            "mean_percent": alone,
            "trained_on": people,
            "people": [f"{folder.name} {name}" for folder in folders for name in baked(folder, "validation")],
        }
        told.report.write_text(json.dumps(scored | again(held_back, guessed, places)))


def again(people: People, guessed: ndarray, places: ndarray) -> dict[str, object]:
    """What a test needs to measure the score again, at some of the places."""
    some = slice(None, None, SKIPPED)
    fewer = people.at(some)
    return {
        "verts": places[some].tolist(),
        "verts_rms_percent": rms(fewer, guessed[:, some]),
        "features": np.round(fewer.features, 3).tolist(),
        "change": np.round(fewer.change, 3).tolist(),
        "weight": np.round(fewer.weight / fewer.weight.mean(), 3).tolist(),
    }


def gathered(folder: Path, split: str, places: ndarray, read_at: ndarray, workers: int) -> People:
    """These people, found or kept."""
    *groups, change, weight = of_everybody(partial(one, places, read_at), folder, split, workers)
    return People(groups, change, weight)


def one(places: ndarray, read_at: ndarray, source: Path) -> tuple[ndarray, ...]:
    """A person's features, and at each place the change that is needed and how much it counts."""
    torch.set_num_threads(1)
    avatar, kept = load_avatar(source.with_suffix(".avatar")), source.with_suffix(".shade.npz")
    if not kept.exists() or kept.stat().st_mtime < source.stat().st_mtime or not of_places(kept, places):
        change, weight = true_change(avatar, source, places)
        np.savez(kept, change=change, weight=weight, places=places)
        print(source.stem, flush=True)
    with np.load(kept) as file:
        groups = shading_features(avatar, torch.from_numpy(read_at))
        return *(group.numpy() for group in groups), file["change"], file["weight"]


def of_places(kept: Path, places: ndarray) -> bool:
    """Whether what is kept is of these places: they are chosen on the first folder's first person."""
    with np.load(kept) as file:
        return "places" in file and np.array_equal(file["places"], places)


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


def counts_of(people: People) -> ndarray:
    """How much each person counts at each place, beside the mean."""
    return (people.weight / (people.weight.mean(0) + 1e-9)).clip(LEAST, LOUDEST)


def mean_of(people: People) -> ndarray:
    """The mean change at each place."""
    counts = counts_of(people)
    return (counts * people.change).sum(0) / counts.sum(0)


def learned(people: People, strength: float, width: float) -> Kernels:
    """Kernel ridge regression at each place, with people's weights there."""
    told, mean, counts = Told.of(people.groups, WEIGHTS), mean_of(people), counts_of(people)
    near = told.near(told.features, told.features, width)
    slopes = [
        np.linalg.solve(near + np.diag(strength / count), change)
        for count, change in zip(counts.T, (people.change - mean).T, strict=True)
    ]
    return Kernels(told, width, mean, np.stack(slopes, axis=1))


def cross_validated(people: People, strength: float, width: float, parts: list[ndarray]) -> float:
    """Part of the squared change that is left on people held back in turn."""
    count = len(people.change)
    left = whole = 0.0
    for fold in parts:
        kernels = learned(people.some(np.setdiff1d(np.arange(count), fold)), strength, width)
        apart = people.some(fold)
        left += float((apart.weight * (apart.change - kernels(apart.features)) ** 2).sum())
        whole += float((apart.weight * apart.change**2).sum())
    return round(left / whole, 4)


def over_all(kernels: Kernels, avatar: Avatar, places: ndarray, read_at: ndarray) -> Shading:
    """The same for all vertices, mixed from the places round them."""
    at = verts_where(avatar)
    # What was gathered about places is smooth already: mixed as widely again it would be too smooth.
    mix = mix_over(at, at[places], BETWEEN)
    slopes = np.stack([mix(some) for some in kernels.slopes])
    everywhere = replace(kernels, mean=mix(kernels.mean), slopes=slopes)
    return as_network(Shading, everywhere, vertex_areas(avatar), read_at)


def network_at(network: Shading, people: People, places: ndarray) -> ndarray:
    """What the network says of people at the places."""
    return predicted(network, people.features)[:, places]


def rms(people: People, guessed: ndarray) -> float:
    """Root of the mean square over hidden pixels, in percent of brightness."""
    weight = people.weight / people.weight.sum()
    return 100 * float(np.sqrt((weight * (people.change - guessed) ** 2).sum()))


if __name__ == "__main__":
    main()
