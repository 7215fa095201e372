"""Learn where limbs point in space, from what the detector says of people whose pose is known.

    python tools/fit_limbs.py ../shared/data FOLDER limbs.safetensors --train 800 --report limbs.json

People are dressed, posed and photographed as in the benchmark, and looked at as by `perceive`; what was seen is
kept in FOLDER, so a second run takes seconds. Nobody is learned from in a clip that the benchmark takes photos
of: every fourth person of the training split moves as in such a clip, and only the strength is chosen on those.
The score is of such clips and of people of the validation split.
"""

import argparse
import json
import math
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vivant.animate import builtin_motion
from vivant.body import load_anny
from vivant.core.cameras import Cameras
from vivant.core.errors import VivantError
from vivant.core.rotations import multiply_quats, quats_from_rotvecs, slerp_quats
from vivant.core.run import Context
from vivant.dataset import PeopleConfig
from vivant.dataset.figure import Figure, pose_figure
from vivant.dataset.poses import PoseSource
from vivant.dataset.samples import random_figure
from vivant.dataset.scenes import Taking, framing_camera, photograph, random_background
from vivant.dataset.trial import PHOTO_SIZE, write_photo
from vivant.dataset.truth import observe
from vivant.engines.catalog import load_vision
from vivant.fit.landmarks import anny_landmarks
from vivant.fit.quality import place_on_body
from vivant.mesh import random_lighting
from vivant.networks import ModelCard, save_weights
from vivant.networks.limbs import (
    FARTHEST,
    HALVES,
    LIMBS,
    Habits,
    Half,
    LimbDirections,
    LimbsConfig,
    closeness,
    detected,
    in_mirror,
    limb_features,
    mirrored_answers,
    mirrored_limbs,
    unlikeness,
)
from vivant.perceive import PerceiveConfig, look_closely, read_photo
from vivant.records import BODY_POINTS, Body, Pose, Rig

SEED = 77
FIRST = {"train": 200, "validation": 1_000_000}
"""Number of the first person drawn."""

STRENGTHS = (0.03, 0.1, 0.2, 0.3, 0.6, 1.0)
WIDTHS = (0.1, 0.3, 0.6)
CALM, ANY = ("idle", "talk", "walk", "wave"), ("idle", "talk", "walk", "wave", "range_of_motion", "dance")
"""Built-in motions that clips are mixed with, and that are shown alone."""

PHOTOS = 3
"""Of each person who is learned from."""

STRAYING = ("root", "spine03", "upperarm01", "lowerarm01", "upperleg01", "lowerleg01")
"""Joints, of both sides where there are two, that poses which no clip has differ in."""

STRAYED_DEG, LEANING_DEG = 10.0, 12.0
"""Standard deviation of each of these joints about each axis, and of the whole person's lean."""


@dataclass(frozen=True)
class Job:
    """Somebody to be photographed."""

    config: PeopleConfig
    number: int
    folder: Path
    varied: bool = False
    """Half of who is learned from strays from clips, and some photos are taken from above or below."""

    @property
    def calm(self) -> bool:
        """Whether the clip is one of those that the benchmark takes photos of."""
        return self.config.split == "validation" or self.number % 4 == 0


@dataclass(frozen=True)
class Photos:
    """What the detector said, and what is true."""

    points: Tensor
    points_world: Tensor
    directions: Tensor

    def mirrored_too(self) -> "Photos":
        """Twice as many: with what the same would be in a mirror."""
        points, points_world = in_mirror(self.points, self.points_world)
        turned = torch.empty_like(self.directions)
        for half in HALVES:
            rows = [LIMBS.index(limb) for limb in half.asked]
            turned[:, rows] = mirrored_answers(self.directions[:, rows].flatten(1), half).unflatten(1, (-1, 3))
        return Photos(*(torch.cat(both) for both in (
            (self.points, points), (self.points_world, points_world), (self.directions, turned),
        )))  # fmt: skip


def main() -> None:
    """Photograph who is missing, learn, say how well, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with people/, makehuman/ and motion/")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=800, help="people; each fourth only helps to choose")
    parser.add_argument("--validation", type=int, default=120, help="people of the validation split")
    parser.add_argument(
        "--varied", action="store_true", help="people lean and stray from clips; seen from above"
    )
    parser.add_argument("--report", type=Path, help="JSON with scores, and what the test measures again")
    parser.add_argument("--workers", type=int, default=1)
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for split, count in (("validation", told.validation), ("train", told.train)):
        config = PeopleConfig(*(told.data / name for name in ("people", "makehuman", "motion")), split=split)
        jobs += [Job(config, FIRST[split] + number, told.folder, told.varied) for number in range(count)]
    with ProcessPoolExecutor(told.workers, get_context("spawn")) as pool:
        for said in pool.map(look, jobs):
            if said:
                print(said, flush=True)
    groups = {
        "train": [job for job in jobs if not job.calm],
        "choice": [job for job in jobs if job.calm and job.config.split == "train"],
        "validation": [job for job in jobs if job.config.split == "validation"],
    }
    train, choice, validation = (gathered(told.folder, group) for group in groups.values())
    tried = {
        (strength, width): error(learned(train, strength, width), choice)
        for strength in STRENGTHS
        for width in WIDTHS
    }
    strength, width = min(tried, key=lambda key: tried[key])
    network = learned(train, strength, width)
    network.errors[:] = usual_errors(network, choice)
    score, baseline = error(network, validation), error(None, validation)
    people = len(groups["train"])
    print(f"{len(train.points)} photos of {people} people; strength {strength:g}, width {width:g}")
    print(f"on {len(validation.points)} others {score:.2f} degrees off; the detector alone {baseline:.2f}")
    card = ModelCard(
        network="limbs",
        trained_on=f"{len(train.points)} photos of {people} rendered people in motions that the benchmark's "
        "photos do not show",
        licence="CC0 and MIT",
        steps=1,
        people=people,
        score=round(score, 3),
        score_name=f"degrees that limbs are off, {len(validation.points)} people held back; less is better",
        baseline=round(baseline, 3),
        command=f"python tools/fit_limbs.py DATA FOLDER limbs.safetensors{' --varied' * told.varied}",
    )
    save_weights(network, network.config, card, told.out)
    if told.report:
        told.report.write_text(json.dumps(report(network, validation, score, baseline, tried)))


def look(job: Job) -> str:
    """Photograph one person, and keep what the detector says and what is true, unless that is there."""
    torch.set_num_threads(1)
    paths = kept(job)
    if all(path.exists() for path in paths):
        return ""
    random = np.random.default_rng([SEED, job.number])
    try:
        figure = random_figure(job.config, random)
        for path in paths:
            pose = random_pose(job, figure, random)
            photo, camera = taken(job, figure, pose, random)
            with tempfile.TemporaryDirectory() as folder:
                shown = read_photo(write_photo(photo, Path(folder), "photo"))
                near = look_closely(Context(), load_vision("mediapipe"), shown, PerceiveConfig())
            # Photos that were turned under the person have other axes.
            if near.turn.quarters == 0:
                marks = true_places(figure, pose, camera)
                np.savez(path, kp=near.body.points, kw=near.body.points_world, marks=marks)
    except VivantError as problem:
        return f"{job.number}: {problem}"
    return ""


def kept(job: Job) -> list[Path]:
    """Files of one person."""
    count = 1 if job.calm else PHOTOS
    return [job.folder / (f"{job.number:05}_{k}.npz" if k else f"{job.number:05}.npz") for k in range(count)]


def random_pose(job: Job, figure: Figure, random: np.random.Generator) -> Pose:
    """A moment of a clip, of a motion of ours, or between both; or a pose near it that is in no clip."""
    pose = moment_of_any(job, figure, random)
    if job.calm or not job.varied or random.random() < 0.5:
        return pose
    return strayed(pose, figure.body, random)


def strayed(pose: Pose, rig: Rig, random: np.random.Generator) -> Pose:
    """A pose near this one that is in no clip: people lean, stoop and gesture in more ways than clips show."""
    quats = pose.local_quats.clone()
    for row, name in enumerate(rig.joint_names):
        if name.removesuffix(".L").removesuffix(".R") in STRAYING:
            degrees = LEANING_DEG if rig.joint_parents[row] < 0 else STRAYED_DEG
            turn = random.normal(0, math.radians(degrees), 3)
            if name.startswith("lowerleg"):
                # Knees bend only backwards.
                turn[0] = abs(turn[0])
            turn = torch.from_numpy(turn).to(quats)
            quats[row] = multiply_quats(quats[row], quats_from_rotvecs(turn))
    return replace(pose, local_quats=quats)


def moment_of_any(job: Job, figure: Figure, random: np.random.Generator) -> Pose:
    """A moment of a clip, of a motion of ours, or between both."""
    source = PoseSource(job.config.motion_folder)
    calm = source.clips(calm=True)
    clips = calm if job.calm else [clip for clip in source.clips() if clip not in calm]
    pose = source.pose(clips[int(random.integers(len(clips)))], float(random.random()), figure.body)
    if job.calm or (kind := random.random()) <= 0.35:
        return pose
    if kind < 0.6:
        return moment(ANY[int(random.integers(len(ANY)))], float(random.random()))
    ours = moment(CALM[int(random.integers(len(CALM)))], float(random.random()))
    share = float(random.uniform(0.25, 0.75))
    quats = slerp_quats(pose.local_quats, ours.local_quats, share)
    return Pose(quats, pose.root * (1 - share) + ours.root * share)


def moment(name: str, share: float) -> Pose:
    """A moment of a built-in motion, over the floor's middle."""
    motion = builtin_motion(name, reference())
    frame = min(int(share * len(motion)), len(motion) - 1)
    return Pose(motion.pose.local_quats[frame], motion.pose.root[frame] * torch.tensor([0.0, 1.0, 0.0]))


@lru_cache(maxsize=1)
def reference() -> Rig:
    """The body in the middle of all."""
    return load_anny().rig(load_anny().default_shape())


def taken(job: Job, figure: Figure, pose: Pose, random: np.random.Generator) -> tuple[bytes, Cameras]:
    """A photo and its camera: as in the benchmark, or from farther aside, from above, and with other lenses."""
    wide = not job.calm and random.random() >= 0.5
    azimuth = float(random.uniform(-50, 50) if wide else random.uniform(-20, 20))
    elevation = float(random.uniform(-10, 30) if wide and job.varied else random.uniform(-5, 10))
    focal = 50.0 if job.calm else float(random.uniform(26 if job.varied else 30, 90))
    camera = framing_camera(pose_figure(figure, pose), *PHOTO_SIZE, azimuth, elevation, focal, 0.85)
    lighting = random_lighting(random).from_front()
    seen = observe(figure, pose, camera, lighting, threads=1).pictures
    background = random_background(random, *PHOTO_SIZE)
    return photograph(seen, 0, background, Taking(0.3, 0.006, 94), random), camera


def true_places(figure: Figure, pose: Pose, camera: Cameras) -> np.ndarray:
    """Where the detector's points of the body lie, in the camera's axes; in the order of `Landmarks.body`."""
    world = place_on_body(anny_landmarks().body, Body(figure.body, pose, camera, figure.shape))
    seen_from = camera.cam_from_world[0]
    return (world @ seen_from[:3, :3].T + seen_from[:3, 3]).numpy()


def gathered(folder: Path, jobs: list[Job]) -> Photos:
    """What is kept of these people."""
    paths = [path for job in jobs for path in kept(replace(job, folder=folder)) if path.exists()]
    points, points_world, marks = (
        torch.from_numpy(np.stack([np.load(path)[name] for path in paths])).double()
        for name in ("kp", "kw", "marks")
    )
    names = [BODY_POINTS[int(row)] for row in anny_landmarks().body_index]
    ends = [[names.index(name) for name in limb] for limb in LIMBS]
    start, end = torch.tensor(ends).T
    return Photos(points, points_world, torch.nn.functional.normalize(marks[:, end] - marks[:, start], dim=-1))


def learned(photos: Photos, strength: float, width: float) -> LimbDirections:
    """Kernel ridge regression; what is seen in the mirror is learned from, but not kept."""
    count = len(photos.points)
    both = photos.mirrored_too()
    network = LimbDirections(LimbsConfig(count, width)).double().eval()
    wrong = both.directions - detected(both.points_world, LIMBS)
    for half, habits in zip(HALVES, network.halves, strict=True):
        learn_half(habits, half, both, wrong, strength, count)
    return network.float()


def learn_half(habits: Habits, half: Half, both: Photos, wrong: Tensor, strength: float, count: int) -> None:
    """Fill in one half of the body."""
    features = limb_features(both.points, both.points_world, half)
    goal = wrong[:, [LIMBS.index(limb) for limb in half.asked]].flatten(1)
    middle, spread, mean = features.mean(0), features.std(0) + 1e-3, goal.mean(0)
    told = ((features - middle) / spread).clamp(-FARTHEST, FARTHEST)
    near = closeness(unlikeness(told, told), habits.width)
    amounts = torch.linalg.solve(near + strength * torch.eye(len(near)).double(), goal - mean)
    values = {
        "middle": middle,
        "spread": spread,
        "known": told[:count],
        "amounts": amounts[:count],
        "mean": mean,
    }
    habits.load_state_dict(values)


def usual_errors(network: LimbDirections, photos: Photos) -> Tensor:
    """Radians by which each limb errs where photos look like those learned from; left and right alike."""
    network.errors[:] = 1.0
    found = network(photos.points.float(), photos.points_world.float())
    squares = (angles(found.directions.double(), photos.directions).deg2rad() / found.spread).square().mean(0)
    return ((squares + squares[mirrored_limbs(LIMBS)]) / 2).sqrt().float()


def error(network: LimbDirections | None, photos: Photos) -> float:
    """Mean angle between true and guessed directions, in degrees; without a network, the detector's own."""
    if network is None:
        guessed = detected(photos.points_world, LIMBS)
    else:
        guessed = network(photos.points.float(), photos.points_world.float()).directions.double()
    return float(angles(guessed, photos.directions).mean())


def angles(guessed: Tensor, true: Tensor) -> Tensor:
    """In degrees, of photos by limbs."""
    return (guessed * true).sum(-1).clamp(-1, 1).acos().rad2deg()


def report(
    network: LimbDirections,
    photos: Photos,
    score: float,
    baseline: float,
    tried: dict[tuple[float, float], float],
) -> dict[str, object]:
    """Scores, and what a test needs to measure one of them again."""
    guessed = network(photos.points.float(), photos.points_world.float()).directions.double()
    by_limb = {
        name: {f"{limb.start} to {limb.end}": round(float(v), 2) for limb, v in zip(LIMBS, found, strict=True)}
        for name, found in (
            ("degrees", angles(guessed, photos.directions).mean(0)),
            ("rms_degrees", angles(guessed, photos.directions).square().mean(0).sqrt()),
            ("detector_degrees", angles(detected(photos.points_world, LIMBS), photos.directions).mean(0)),
        )
    }
    return {
        "degrees": score,
        "detector_degrees": baseline,
        "choice": {f"strength {s:g}, width {w:g}": round(v, 3) for (s, w), v in tried.items()},
        "by_limb": by_limb,
        "points": np.round(photos.points.numpy(), 1).tolist(),
        "points_world": np.round(photos.points_world.numpy(), 4).tolist(),
        "directions": np.round(photos.directions.numpy(), 4).tolist(),
    }


if __name__ == "__main__":
    main()
