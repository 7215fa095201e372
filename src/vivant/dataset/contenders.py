"""What is measured on the benchmark: avatars, the truth itself, and things that an avatar must beat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate import pose_avatar
from vivant.body import pose_verts
from vivant.core.cameras import Cameras, project
from vivant.dataset.figure import Figure
from vivant.dataset.truth import observe
from vivant.mesh import (
    Lighting,
    Texture,
    TexturedMesh,
    draw_textured,
    interpolate,
    rasterize_mesh,
    vertex_normals,
)
from vivant.records import Avatar, Pose, Rendering, Rig
from vivant.splat import rasterize_averaged


@runtime_checkable
class Contender(Protocol):
    """Somebody made from one photo, who can be posed and drawn."""

    @property
    def rig(self) -> Rig:
        """With anny's joints."""
        ...

    @property
    def photo_pose(self) -> Pose:
        """In the photo."""
        ...

    @property
    def photo_camera(self) -> Cameras:
        """In world axes, in pixels of whatever part of the photo was worked on."""
        ...

    @property
    def photo_from_image(self) -> Float[Tensor, "3 3"]:
        """Takes the pixels of `photo_camera` to the photo's."""
        ...

    def draw(self, pose: Pose, cameras: Cameras) -> Rendering:
        """Draw: `color` is premultiplied, the background empty."""
        ...


@dataclass(frozen=True)
class Splatted:
    """An avatar."""

    avatar: Avatar
    photo_from_image: Float[Tensor, "3 3"]

    @property
    def rig(self) -> Rig:
        """The avatar's."""
        return self.avatar.rig

    @property
    def photo_pose(self) -> Pose:
        """The avatar's."""
        return self.avatar.photo_pose

    @property
    def photo_camera(self) -> Cameras:
        """The avatar's."""
        return self.avatar.photo_camera

    def draw(self, pose: Pose, cameras: Cameras) -> Rendering:
        """Draw the splats, averaged as the truth and the other contenders are."""
        return rasterize_averaged(pose_avatar(self.avatar, pose), cameras)


@dataclass(frozen=True)
class Perfect:
    """The truth itself: what the harness gives at best. Spoilt on purpose, it must score worse."""

    figure: Figure
    photo_pose: Pose
    photo_camera: Cameras
    lighting: Lighting
    mirrored: bool = False
    shifted_m: float = 0.0

    @property
    def photo_from_image(self) -> Float[Tensor, "3 3"]:
        """The whole photo is worked on."""
        return torch.eye(3)

    @property
    def rig(self) -> Rig:
        """The body in the figure."""
        return self.figure.body

    def draw(self, pose: Pose, cameras: Cameras) -> Rendering:
        """Draw the figure."""
        matrices = cameras.cam_from_world.clone()
        matrices[:, 0, 3] += self.shifted_m
        moved = Cameras(matrices, cameras.intrinsics, cameras.width, cameras.height)
        seen = observe(self.figure, pose, moved, self.lighting).pictures
        planes = (seen.color * seen.alpha[..., None], seen.alpha, seen.depth, seen.normal)
        return Rendering(*(plane.flip(2) if self.mirrored else plane for plane in planes))


@dataclass(frozen=True)
class Placed:
    """A body where the fit found it; what it wears is its heirs' business."""

    rig: Rig
    photo_pose: Pose
    photo_camera: Cameras
    photo_from_image: Float[Tensor, "3 3"]


@dataclass(frozen=True)
class MeanColored(Placed):
    """The fitted body in the mean colour of what the photo shows: the least that an avatar must beat."""

    color: Float[Tensor, "3"]

    def draw(self, pose: Pose, cameras: Cameras) -> Rendering:
        """Draw the body."""
        verts, faces = pose_verts(self.rig, pose), self.rig.faces
        fine = cameras.resized(cameras.width * 2, cameras.height * 2)
        seen = rasterize_mesh(verts, faces, fine)
        world = interpolate(seen, faces, vertex_normals(verts, faces))
        normal = world @ fine.cam_from_world[:, None, :3, :3].transpose(-1, -2)
        alpha = _halved((seen.face >= 0).float()[..., None])[..., 0]
        depth = seen.depth[:, ::2, ::2]
        normal = torch.nn.functional.normalize(_halved(normal), dim=-1)
        return Rendering(alpha[..., None] * self.color, alpha, depth, normal)


@dataclass(frozen=True)
class Billboard(Placed):
    """The photo's cut-out on a board that stands where the person does: right from the front only."""

    texture: Texture

    def draw(self, pose: Pose, cameras: Cameras) -> Rendering:
        """Draw the board, moved as the root joint moves."""
        camera = self.photo_camera
        joints = _root(self.rig, self.photo_pose)
        _, depth = project(joints[None], camera)
        width, height = camera.width, camera.height
        pixels = torch.tensor([[0.0, height], [width, height], [width, 0.0], [0.0, 0.0]])
        k = camera.intrinsics[0]
        local = torch.cat([(pixels - k[:2, 2]) / k.diagonal()[:2], torch.ones(4, 1)], 1) * depth
        rotation = camera.cam_from_world[0, :3, :3]
        corners = (local - camera.cam_from_world[0, :3, 3]) @ rotation
        corners = corners + (_root(self.rig, pose) - joints)
        faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
        mesh = TexturedMesh(
            faces=faces,
            uv=torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
            uv_faces=faces,
            face_texture=torch.zeros(2, dtype=torch.long),
            textures=(self.texture,),
            face_blended=torch.ones(2, dtype=torch.bool),
            weld=torch.arange(4),
        )
        ambient = torch.zeros(9, 3)
        ambient[0] = 1 / 0.28209479177387814
        light = Lighting(ambient, torch.tensor([0.0, 0.6, 0.8]), torch.zeros(3))
        seen = draw_textured(corners, mesh, cameras, light)
        return Rendering(seen.color * seen.alpha[..., None], seen.alpha, seen.depth, seen.normal)


def _root(rig: Rig, pose: Pose) -> Float[Tensor, "3"]:
    return rig.joints_world[0] + pose.root


def _halved(image: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(image.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


Make = Callable[[bytes, str], tuple[Contender, tuple[tuple[str, float], ...]]]
"""From a photo's file and a name to a contender, and the seconds of each stage."""
