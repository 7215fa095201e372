"""A capture of the stand-in avatar, and stand-ins for the rooms that look at it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.animate import pose_avatar
from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import ManyPersonsError, NoPersonError
from vivant.core.images import write_image
from vivant.core.run import Context
from vivant.fit import FilmedFitConfig, StudioFitConfig
from vivant.perceive import PerceiveConfig
from vivant.recipes import capture, captured
from vivant.records import Avatar, Person, Photo, Placed, Pose
from vivant.splat import rasterize, sh_from_colors

SIZE = (48, 64)
NAMES = ("front.png", "left.png", "back.png", "right.png")


def cameras() -> Cameras:
    middle = torch.tensor([0.0, 0.85, 0.0])
    return orbit(middle, [0.0, 90.0, 180.0, 270.0], extent=1.9, width=SIZE[0], height=SIZE[1])


def true_avatar() -> Avatar:
    """Blue, the higher the greener, while the one to begin with is red."""
    red = fakes.avatar()
    colors = torch.tensor([0.1, 0.0, 0.9]).repeat(len(red.splats), 1)
    colors[:, 1] = 0.3 * red.splats.means[:, 1]
    return replace(red, splats=replace(red.splats, sh=sh_from_colors(colors)))


def write_studio(folder: Path) -> Path:
    """Four cut-outs of the blue avatar at rest, and our own cameras file."""
    folder.mkdir(parents=True)
    drawn = rasterize(pose_avatar(true_avatar(), fakes.body().pose), cameras())
    told = []
    for view, name in enumerate(NAMES):
        alpha = drawn.alpha[view][..., None].clamp(0, 1)
        color = drawn.color[view] / alpha.clamp(min=1e-3)
        write_image(torch.cat([color, alpha], -1).clamp(0, 1), folder / name)
        matrix, lens = cameras().cam_from_world[view], cameras().intrinsics[view]
        told.append({"file": name, "cam_from_world": matrix.tolist(), "intrinsics": lens.tolist(),
                     "width": SIZE[0], "height": SIZE[1]})  # fmt: skip
    (folder / "cameras.json").write_text(json.dumps({"pictures": told}))
    return folder


class Rooms:
    """Stand-ins for looking and posing; they count their work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looked: list[str] = []
        self.told: list[float] = []
        self.heights: list[float] = []
        self.sees = True
        self.crowd = False
        self.cuts_white = False
        """Whether what is white counts as background; else all of a picture without alpha is the person."""

        self.strays: tuple[int, ...] = ()

        def perceive(context: Context, photo: Photo, config: PerceiveConfig) -> Person:
            if self.crowd and config.person is None:
                raise ManyPersonsError("2 people are in the photo.")
            if config.person is not None and config.person > 2:
                raise NoPersonError("Person 3 was asked for.")
            if not self.sees:
                raise NoPersonError("No person was found in the photo.")
            self.looked.append(photo.name)
            height, width = photo.image.shape[:2]
            alpha = torch.ones(height, width) if photo.alpha is None else photo.alpha
            if self.cuts_white:
                alpha = ((1 - photo.image[..., 0]) / 0.8).clamp(0, 1)
            keypoints = fakes.person().keypoints * (0.5 if config.person == 1 else 1.0)
            return replace(
                fakes.person(), keypoints=keypoints, image=photo.image, foreground=photo.image, alpha=alpha,
                intrinsics=cameras().intrinsics[0], notes=(),
            )  # fmt: skip

        def fit_studio(
            context: Context, avatar: Avatar, persons: tuple[Person, ...], given: tuple[Cameras, ...],
            config: StudioFitConfig,
        ) -> Placed:  # fmt: skip
            self.told = [float(person.confidence.sum()) for person in persons]
            self.heights = [person.height_px for person in persons]
            return self._placed(torch.cat([camera.cam_from_world.float() for camera in given]), "studio")

        def fit_filmed(
            context: Context, avatar: Avatar, persons: tuple[Person, ...], config: FilmedFitConfig
        ) -> Placed:
            return self._placed(cameras().cam_from_world[:1].repeat(len(persons), 1, 1), "film")

        monkeypatch.setattr(captured, "perceive", perceive)
        monkeypatch.setattr(capture, "fit_studio", fit_studio)
        monkeypatch.setattr(capture, "fit_filmed", fit_filmed)

    def _placed(self, matrices: torch.Tensor, note: str) -> Placed:
        count, pose = len(matrices), fakes.body().pose
        return Placed(
            cam_from_world=matrices,
            intrinsics=cameras().intrinsics[:1].repeat(count, 1, 1),
            poses=Pose(pose.local_quats.repeat(count, 1, 1), pose.root.repeat(count, 1)),
            error=torch.tensor([9.0 if view in self.strays else 1.0 for view in range(count)]),
            kept=torch.tensor([view not in self.strays for view in range(count)]),
            trust=torch.ones(count),
            metres_per_unit=1.0,
            notes=(f"A note of the {note}'s.",),
        )
