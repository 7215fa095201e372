"""Small stand-ins for what real stages make: a person, a body, an avatar, and stages that count their calls."""

import functools
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vivant.body import load_anny, rest_pose, surface_points
from vivant.body.surface import interpolate_skin
from vivant.core.cameras import Cameras, look_at, project
from vivant.core.run import Context
from vivant.networks.lpips import NAMES, STAGES
from vivant.records import (
    BODY_POINTS,
    Avatar,
    Binding,
    Body,
    Origin,
    Person,
    Photo,
    Rig,
    Shape,
    Splats,
)
from vivant.splat import sh_from_colors

WIDTH, HEIGHT = 96, 128


@functools.lru_cache(maxsize=1)
def shape() -> Shape:
    return load_anny().default_shape()


@functools.lru_cache(maxsize=1)
def rig() -> Rig:
    return load_anny().rig(shape())


def camera() -> Cameras:
    pose = look_at(torch.tensor([0.0, 1.0, 4.0]), torch.tensor([0.0, 0.85, 0.0]))
    intrinsics = torch.tensor([[240.0, 0, WIDTH / 2], [0, 240.0, HEIGHT / 2], [0, 0, 1]])
    return Cameras(pose[None], intrinsics[None], WIDTH, HEIGHT)


def photo() -> Photo:
    image = torch.full((HEIGHT, WIDTH, 3), 0.5)
    return Photo(image, None, None, "0" * 64, "fake", (WIDTH, HEIGHT))


def person() -> Person:
    """A grey picture with a tall ellipse in it, and points roughly where the body's joints are."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    alpha = (((x - WIDTH / 2) / 22) ** 2 + ((y - HEIGHT / 2) / 54) ** 2 < 1).float()
    image = torch.full((HEIGHT, WIDTH, 3), 0.5)
    pixels, _ = project(rig().joints_world, camera())
    keypoints = pixels[torch.arange(33) * 3]
    return Person(
        image=image,
        foreground=image * torch.tensor([1.2, 0.6, 0.6]),
        alpha=alpha,
        intrinsics=camera().intrinsics[0],
        photo_from_image=torch.eye(3),
        keypoints=keypoints,
        keypoints_world=torch.zeros(len(BODY_POINTS), 3),
        confidence=torch.full((33,), 0.9),
        spread_px=torch.ones(33),
        face=None,
        left_hand=None,
        right_hand=None,
        visible_parts=("head", "torso", "left_arm", "right_arm", "right_hand", "left_leg", "right_leg"),
        notes=("The left hand is hidden: guessed.",),
    )


def body() -> Body:
    return Body(rig(), rest_pose(len(rig().joint_names)), camera(), shape())


@functools.lru_cache(maxsize=4)
def avatar(count: int = 1500, seed: int = 0) -> Avatar:
    """Red splats all over the body; those in front are trusted."""
    points = surface_points(rig().verts, rig().faces, count, seed=seed)
    means = points.interpolate(rig().faces, rig().verts)
    joints, weights = interpolate_skin(points, rig().faces, rig().skin_joints, rig().skin_weights)
    quats = torch.zeros(len(means), 4)
    quats[:, 0] = 1.0
    splats = Splats(
        means=means,
        quats=quats,
        log_scales=torch.full((len(means), 3), 0.018).log(),
        opacity_logits=torch.full((len(means),), 4.0),
        sh=sh_from_colors(torch.tensor([[0.8, 0.2, 0.2]]).expand(len(means), 3)),
    )
    binding = Binding(points.face, points.barycentric, torch.zeros(len(means), 3), joints, weights)
    return Avatar(
        splats=splats,
        binding=binding,
        trust=(means[:, 2] > 0).float(),
        rig=rig(),
        shape=shape(),
        photo_pose=rest_pose(len(rig().joint_names)),
        photo_camera=camera(),
        origin=Origin("", "", "", (), (), ("The back is guessed.",)),
    )


@dataclass
class Stages:
    """Stand-ins for the rooms of a recipe; they count how often each one worked."""

    calls: list[str] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch, recipe: str = "quick") -> None:
        """Put them into a recipe."""
        from vivant.fit import FitConfig
        from vivant.lift import LiftConfig
        from vivant.perceive import PerceiveConfig
        from vivant.recipes import load_recipe
        from vivant.reconstruct import ReconstructConfig

        calls = self.calls

        def perceive(context: Context, photo: Photo, config: PerceiveConfig) -> Person:
            calls.append("perceive")
            context.advance(0.5)
            return person()

        def fit_body(context: Context, person: Person, config: FitConfig) -> Body:
            calls.append("fit_body")
            return body()

        def lift(context: Context, person: Person, body: Body, config: LiftConfig) -> Avatar:
            calls.append("lift")
            return avatar(max(min(config.splats, 2000), 500))

        def refine_photo(context: Context, coarse: Avatar, person: Person, config: ReconstructConfig) -> Avatar:
            calls.append("refine_photo")
            return coarse

        for stage in (perceive, fit_body, lift, refine_photo):
            monkeypatch.setattr(load_recipe(recipe), stage.__name__, stage)


def lpips_weights(folder: Path) -> Path:
    """A file as the lpips package's state gives one; the numbers are made up."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for number, (name, (inside, outside, kernel, _, _)) in enumerate(zip(NAMES, STAGES, strict=True)):
        spread = (2 / (inside * kernel * kernel)) ** 0.5
        tensors[f"net.{name}.weight"] = spread * torch.randn(
            outside, inside, kernel, kernel, generator=generator
        )
        tensors[f"net.{name}.bias"] = torch.zeros(outside)
        tensors[f"lin{number}.model.1.weight"] = torch.rand(1, outside, 1, 1, generator=generator)
    path = folder / "lpips.safetensors"
    save_file(tensors, path)
    return path
