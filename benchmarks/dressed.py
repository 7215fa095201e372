"""Dressed people with truth: rigged, textured meshes of the VALID library, as a rig of ours and as views.

The appearance is painted onto the person at rest, light included, so every pose and view shows the same person:
what an avatar could reproduce without error.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vivant.body import (
    forward_kinematics,
    interpolate_skin,
    rest_pose,
    skin_points,
    surface_points,
    tangent_frames,
)
from vivant.core.cameras import Cameras, look_at
from vivant.core.images import read_picture
from vivant.core.rotations import quats_from_matrices, quats_from_rotvecs
from vivant.mesh import rasterize_mesh, vertex_normals
from vivant.records import Avatar, Binding, Origin, Pose, Rig, Shape, Splats, Views
from vivant.splat import sh_from_colors

OVER = 3
"""Samples along each side of a pixel."""

LIGHTS = ((0.5, 0.7, 0.6), (-0.8, 0.3, 0.3), (0.1, 0.4, -0.9))
STRENGTHS = (0.45, 0.2, 0.25)
AMBIENT = 0.45


@dataclass(frozen=True)
class Dressed:
    """A person's mesh at rest (T-pose) with its colours."""

    rig: Rig
    part: Tensor
    textures: tuple[Tensor | None, ...]
    colors: Tensor
    shade: Tensor
    """One factor a vertex."""


def read_dressed(path: Path) -> Dressed:
    """Read one of the data set's files."""
    data = np.load(path)
    low, high = data["verts_range"]
    verts = torch.from_numpy(data["verts_u16"] / 65535 * (high - low) + low).float()
    floor = float(verts[:, 1].min())
    verts[:, 1] -= floor
    faces = torch.from_numpy(data["faces"].astype(np.int64))
    frames = torch.from_numpy(data["world_from_joint"]).float()
    frames[:, 1, 3] -= floor
    weights = torch.from_numpy(data["skin_weights_u8"].astype(np.float32))
    rig = Rig(
        verts=verts,
        faces=faces,
        joint_names=tuple(map(str, data["joint_names"])),
        joint_parents=tuple(map(int, data["joint_parents"])),
        world_from_joint=frames,
        skin_joints=torch.from_numpy(data["skin_joints"].astype(np.int64)),
        skin_weights=weights / weights.sum(1, keepdim=True),
        uv=torch.from_numpy(data["uv_u16"] / 65535).float(),
        uv_faces=faces,
    )
    textures = tuple(
        torch.from_numpy(read_picture(path.with_name(f"{path.stem}_{k}.webp"), 4096).pixels / 255.0).float()
        if k >= 0
        else None
        for k in data["part_texture"]
    )
    counts = np.diff(data["part_face_start"])
    part = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
    colors = torch.from_numpy(data["part_color"]).float()[:, :3]
    return Dressed(rig, part, textures, colors, _shade(verts, faces))


def _shade(verts: Tensor, faces: Tensor) -> Tensor:
    """Lambert light of the person at rest; normals go across the seams of the texture."""
    _, welded = np.unique(np.round(verts.numpy(), 5), axis=0, return_inverse=True)
    index = torch.from_numpy(welded.reshape(-1))
    unique = torch.zeros(int(index.max()) + 1, 3)
    unique[index] = verts
    normals = vertex_normals(unique, index[faces])[index]
    light = torch.full((len(verts),), AMBIENT)
    for direction, strength in zip(LIGHTS, STRENGTHS, strict=True):
        unit = torch.nn.functional.normalize(torch.tensor(direction), dim=0)
        light += strength * (normals @ unit).clamp(min=0)
    return light


def paint(person: Dressed, face: Tensor, weights: Tensor) -> Tensor:
    """Colours at points of triangles."""
    rig = person.rig
    corners = rig.faces[face]
    uv = (rig.uv[corners] * weights[..., None]).sum(1)
    colors = person.colors[person.part[face]].clone()
    for number, texture in enumerate(person.textures):
        here = person.part[face] == number
        if texture is None or not bool(here.any()):
            continue
        grid = (uv[here] * 2 - 1)[None, None]
        sampled = torch.nn.functional.grid_sample(
            texture.permute(2, 0, 1)[None], grid, align_corners=False, padding_mode="border"
        )
        colors[here] = sampled[0, :, 0].T
    shade = (person.shade[corners] * weights).sum(1)
    return (colors * shade[:, None]).clamp(0, 1)


def take_views(person: Dressed, cameras: Cameras, poses: Pose) -> Views:
    """True pictures: straight colours and alphas."""
    images, alphas = [], []
    for view in range(len(cameras)):
        pose = Pose(poses.local_quats[view], poses.root[view])
        rig = person.rig
        transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
        verts = skin_points(rig.verts, rig.skin_joints, rig.skin_weights, transforms)
        fine = cameras[view].resized(cameras.width * OVER, cameras.height * OVER)
        seen = rasterize_mesh(verts, rig.faces, fine)
        hit = seen.face[0] >= 0
        color = torch.zeros(*hit.shape, 3)
        color[hit] = paint(person, seen.face[0][hit].long(), seen.barycentric[0][hit])
        blocks = torch.cat([color, hit[..., None].float()], -1)
        blocks = blocks.reshape(cameras.height, OVER, cameras.width, OVER, 4).mean((1, 3))
        alpha = blocks[..., 3]
        images.append(blocks[..., :3] / alpha.clamp(min=1e-6)[..., None])
        alphas.append(alpha)
    alpha = torch.stack(alphas)
    return Views(torch.stack(images), alpha, None, torch.ones_like(alpha), cameras, poses)


def some_poses(rig: Rig, count: int, seed: int) -> Pose:
    """Arms down to half, limbs bent a little, differently in each view."""
    generator = torch.Generator().manual_seed(seed)
    quats = rest_pose(len(rig.joint_names), count).local_quats
    down = {"LeftArm": -1.0, "RightArm": 1.0}
    for joint, name in enumerate(rig.joint_names):
        short = name.split(":")[-1]
        turns = torch.zeros(count, 3)
        if short in down:
            turns[:, 2] = down[short] * (0.35 + 0.75 * torch.rand(count, generator=generator))
        amount = {"LeftForeArm": 0.3, "RightForeArm": 0.3, "LeftUpLeg": 0.2, "RightUpLeg": 0.2, "Spine": 0.1,
                  "Head": 0.15, "LeftLeg": 0.1, "RightLeg": 0.1}.get(short, 0.0)  # fmt: skip
        turns += amount * torch.randn(count, 3, generator=generator)
        quats[:, joint] = quats_from_rotvecs(turns)
    return Pose(quats, torch.zeros(count, 3))


def round_cameras(azimuths: list[float], elevations: list[float], size: int) -> Cameras:
    """Cameras round a standing person."""
    focal = 1.6 * size
    distance = 1.9 * 1.6
    poses = []
    target = torch.tensor([0.0, 0.9, 0.0])
    for azimuth, elevation in zip(azimuths, elevations, strict=True):
        a, e = math.radians(azimuth), math.radians(elevation)
        away = torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
        poses.append(look_at(target + distance * away, target))
    intrinsics = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
    return Cameras(torch.stack(poses), intrinsics.repeat(len(poses), 1, 1), size, size)


def grey_start(person: Dressed, count: int, wrong: float, seed: int = 0) -> Avatar:
    """Grey discs on the skin, displaced smoothly by some metres: a body that does not fit well."""
    rig = person.rig
    generator = torch.Generator().manual_seed(seed)
    waves = torch.randn(3, 8, generator=generator) * 9.0
    phases = torch.rand(8, generator=generator) * 6.28
    amounts = torch.randn(8, 3, generator=generator)
    shift = torch.sin(rig.verts @ waves + phases) @ amounts
    shift = shift / shift.square().sum(1).mean().sqrt() * wrong
    points = surface_points(rig.verts, rig.faces, count, seed=seed)
    joints, weights = interpolate_skin(points, rig.faces, rig.skin_joints, rig.skin_weights)
    means = points.interpolate(rig.faces, rig.verts + shift)
    frames = tangent_frames(rig.verts, rig.faces)
    a, b, c = rig.verts[rig.faces].unbind(1)
    area = float(torch.linalg.cross(b - a, c - a).norm(dim=1).sum()) / 2
    scales = torch.tensor([0.6, 0.6, 0.15]) * math.sqrt(area / count)
    splats = Splats(
        means,
        quats_from_matrices(frames[points.face]),
        scales.log().repeat(count, 1),
        torch.full((count,), 1.5),
        sh_from_colors(torch.full((count, 3), 0.5)),
    )
    return Avatar(
        splats=splats,
        binding=Binding(points.face, points.barycentric, torch.zeros(count, 3), joints, weights),
        trust=torch.ones(count),
        rig=rig,
        shape=Shape("made up", torch.zeros(0), torch.zeros(0)),
        photo_pose=rest_pose(len(rig.joint_names)),
        photo_camera=round_cameras([0.0], [0.0], 512),
        origin=Origin("benchmark", "", "{}", (), (), ()),
    )
