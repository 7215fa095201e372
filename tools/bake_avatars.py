"""Make coarse avatars of dressed people's photos, and what they should look like, for `vivant train --avatars`.

    python tools/bake_avatars.py ../shared/data FOLDER --train 300 --validation 16 --workers 2

Each person is photographed as in the benchmark, goes through the `quick` recipe as far as its coarse avatar
(NAME.avatar, kept), and is drawn from all round in the pose that was found: by the avatar's splats, and by the
true surface. NAME.safetensors is what a training reads. What is there in that size is not made again; people
whose photo gives no avatar are left out. All are from MakeHuman's wardrobe, whose body is known: outlines of
people whose body was fitted are off by its error, up to a centimetre. `--wardrobe-share 0` makes such.
"""

import argparse
import math
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import VivantError
from vivant.core.rotations import multiply_quats, quats_from_matrices
from vivant.core.run import Context, Run
from vivant.dataset import PeopleConfig
from vivant.dataset.samples import random_figure
from vivant.dataset.trial import Subject, main_joints, photographed_figure, write_photo
from vivant.dataset.truth import observe
from vivant.engines.own_networks import load_lifter
from vivant.evaluate import align
from vivant.fit import fit_body
from vivant.imagine.guides import lifter_guides, splat_guides
from vivant.imagine.told import Place, body_normals, frame_photo, place_in_photo, skeletons
from vivant.lift import lift
from vivant.networks import TASKS
from vivant.perceive import perceive, read_photo
from vivant.recipes import load_recipe
from vivant.records import Avatar, Person, Pose, load_avatar, save_avatar
from vivant.splat import pose_splats, rasterize
from vivant.training.avatar_files import read_person, write_person
from vivant.training.batch import TrainBatch

FINE = 2
"""Samples along each side of a pixel of the truth."""

MIDDLE = (0.0, 0.9, 0.0)
"""Where trainings have a person's middle."""


@dataclass(frozen=True)
class Job:
    """Somebody to be made."""

    config: PeopleConfig
    number: int
    folder: Path
    views: int
    size: int
    seed: int


def main() -> None:
    """Make everybody who is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with people/, makehuman/ and motion/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--validation", type=int, default=16)
    parser.add_argument("--views", type=int, default=12)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--wardrobe-share", type=float, default=1.0, help="the others are from people/")
    parser.add_argument("--seed", type=int, default=29)
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    jobs = []
    for split, count in (("validation", told.validation), ("train", told.train)):
        folders = [told.data / name for name in ("people", "makehuman", "motion")]
        config = PeopleConfig(*folders, split=split, wardrobe_share=told.wardrobe_share)
        jobs += [Job(config, number, told.out, told.views, told.size, told.seed) for number in range(count)]
    with ProcessPoolExecutor(told.workers, get_context("spawn")) as pool:
        for said in pool.map(bake, jobs):
            print(said, flush=True)


def bake(job: Job) -> str:
    """Make one person's two files, unless they are there."""
    torch.set_num_threads(1)
    name = f"{job.config.split}_{job.number:04}"
    path = job.folder / f"{name}.safetensors"
    if path.exists() and read_person(path).images.shape[1:] == (job.views, 4, job.size, job.size):
        return f"{name}: is there"
    random = np.random.default_rng([job.seed, job.config.split == "validation", job.number])
    figure = random_figure(job.config, random)
    subject = photographed_figure(job.config, name, figure, random)
    try:
        avatar, person = coarse_avatar(subject, job.folder / f"{name}.avatar")
    except VivantError as error:
        return f"{name}: {error}"
    batch, lifted = told_about(subject, avatar, person, job, random)
    write_person(batch, path, licence=figure.licence, identity=figure.identity, lifted=lifted)
    return f"{name}: {figure.name}"


def coarse_avatar(subject: Subject, kept: Path) -> tuple[Avatar, Person]:
    """Go from the photo as far as the coarse avatar."""
    recipe = load_recipe("quick").Config()
    with tempfile.TemporaryDirectory() as folder:
        photo = read_photo(write_photo(subject.photo, Path(folder), subject.name))
    run = Run(None, Context())
    person = run(perceive, photo, recipe.perceive)
    if kept.exists():
        return load_avatar(kept), person
    body = run(fit_body, person, recipe.fit)
    avatar = run(lift, person, body, recipe.lift)
    save_avatar(avatar, kept)
    return avatar, person


def told_about(
    subject: Subject, avatar: Avatar, person: Person, job: Job, random: np.random.Generator
) -> tuple[TrainBatch, Tensor]:
    """Draw avatar and truth from all round, in the pose that was found, in the world that trainings have.

    The lifter's pictures of the same views come beside them.
    """
    place, pose = place_in_photo(avatar), avatar.photo_pose
    cameras = _round(place, job, random)
    count = len(cameras)
    poses = Pose(pose.local_quats.expand(count, -1, -1), pose.root.expand(count, -1))
    images, normals = _truth(subject, avatar, cameras)
    guides, _ = splat_guides(avatar, cameras, poses)
    photo = frame_photo(person, avatar, job.size)
    once = Pose(pose.local_quats[None], pose.root[None])
    joints = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, pose)
    shown = rasterize(pose_splats(avatar.splats, avatar.binding, joints), photo.camera, normals=False)
    to_training = front_at_z(place)
    back = torch.linalg.inv(to_training)
    turned = to_training @ joints
    lifter, _ = load_lifter("")
    lifted = _premultiplied(lifter_guides(lifter, avatar, photo, cameras, poses))[None]
    batch = TrainBatch(
        photo=_premultiplied(photo.rgba[None]),
        photo_normals=body_normals(avatar, photo.camera, once),
        photo_depth=shown.depth * (shown.alpha > 0.5),
        photo_cam_from_world=photo.camera.cam_from_world @ back,
        photo_intrinsics=photo.camera.intrinsics,
        photo_joints=turned[None],
        images=images[None],
        normals=normals[None],
        guides=_premultiplied(guides)[None],
        body_normals=body_normals(avatar, cameras, poses)[None],
        skeleton=skeletons(avatar, cameras, poses)[None],
        cam_from_world=(cameras.cam_from_world @ back)[None],
        intrinsics=cameras.intrinsics[None],
        joints=turned.expand(1, count, -1, -1, -1),
        body_verts=avatar.rig.verts[None],
        task=torch.tensor([TASKS.index("view")]),
        baked=torch.tensor([True]),
    )
    return batch, lifted


def _round(place: Place, job: Job, random: np.random.Generator) -> Cameras:
    """Evenly round the person from anywhere on, at one height."""
    extent = float(place.height) * random.uniform(1.15, 1.35)
    begin, fov = random.uniform(0, 360), random.uniform(20, 40)
    azimuths = [place.front_deg + begin + 360 * view / job.views for view in range(job.views)]
    return orbit(place.middle, azimuths, extent=extent, elevation_deg=random.uniform(-5, 15), width=job.size,
                 height=job.size, fov_deg=fov)  # fmt: skip


def _truth(subject: Subject, avatar: Avatar, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Colours (0 to 1, premultiplied) with mask, and normals, of the true surface in the pose that was found.

    Light stays where it was when the photo was taken, so the person is turned to it as in the photo.
    """
    true_from_ours = (
        subject.photo_camera.cam_from_world[0, :3, :3].T @ avatar.photo_camera.cam_from_world[0, :3, :3]
    )
    pose = avatar.photo_pose
    quats = pose.local_quats.clone()
    quats[0] = multiply_quats(quats_from_matrices(true_from_ours[None])[0], quats[0])
    pose = Pose(quats, torch.zeros(3))
    moved = align(main_joints(avatar.rig, avatar.photo_pose), main_joints(subject.figure.body, pose))
    fine = moved.camera(cameras.resized(cameras.width * FINE, cameras.height * FINE))
    seen = observe(subject.figure, pose, fine, subject.lighting, threads=1).pictures  # pyright: ignore
    alpha = seen.alpha[..., None]
    flat = torch.cat([seen.color * alpha, alpha, seen.normal * alpha], dim=-1).permute(0, 3, 1, 2)
    flat = torch.nn.functional.avg_pool2d(flat, FINE)
    return flat[:, :4], torch.nn.functional.normalize(flat[:, 4:], dim=1) * flat[:, 3:4]


def _premultiplied(flat: Tensor) -> Tensor:
    """Colours 0 to 1 from -1 to 1; both are 0 outside the mask."""
    return torch.cat([(flat[:, :3] + flat[:, 3:]) / 2, flat[:, 3:]], dim=1).clamp(0, 1)


def front_at_z(place: Place) -> Tensor:
    """Turn and shift the world so that the photo is taken from +z and the person's middle is trainings'."""
    angle = math.radians(place.front_deg)
    turn = torch.eye(4)
    turn[0, 0] = turn[2, 2] = math.cos(angle)
    turn[0, 2], turn[2, 0] = -math.sin(angle), math.sin(angle)
    there, here = torch.eye(4), torch.eye(4)
    there[:3, 3], here[:3, 3] = -place.middle, torch.tensor(MIDDLE)
    return here @ turn @ there


if __name__ == "__main__":
    main()
