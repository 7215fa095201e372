"""Render the sample photo that comes with vivant: a dressed, rigged person, by a renderer of our own.

    python tools/make_sample.py ../shared/data/people/NAME.npz src/vivant/recipes/assets/sample.jpg

Light falls from the whole sky: some hundred directions, each with its shadow, make soft shadows and dark folds.
People: VALID avatars, MIT, Do et al. 2023, 10.3389/frvir.2023.1248915. Only the picture is kept.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from vivant.core.cameras import Cameras, look_at
from vivant.core.images import read_picture, write_image
from vivant.mesh import interpolate, rasterize_mesh, vertex_normals

POSE = {
    "LeftShoulder": (0, 0, -7), "LeftArm": (10, -6, -62),
    "LeftForeArm": (22, -18, -2), "LeftHand": (14, -4, -2),
    "RightShoulder": (0, 0, 7), "RightArm": (10, 4, 59),
    "RightForeArm": (24, 14, 3), "RightHand": (14, 4, 3),
    "LeftUpLeg": (-3, 10, 4), "RightUpLeg": (0, -5, -3), "LeftLeg": (4, 0, 0), "RightLeg": (1, 0, 0),
    "Head": (2, 5, 1), "Neck": (2, 3, 0), "Spine": (0, 2, 0),
}  # fmt: skip
"""Degrees about world axes (y up, facing +z) from the T-pose, relative to the parent: a relaxed stand."""

CURL = {"Index": 0, "Middle": 2, "Ring": 5, "Pinky": 6, "Thumb": 2}
"""Degrees that each finger joint bends."""


@dataclass
class People:
    """A person's mesh with everything to pose and paint it."""

    verts: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    part: np.ndarray
    colors: np.ndarray
    textures: list[np.ndarray | None]


def main() -> None:
    """Read, pose, light, develop, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("person", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=960)
    parser.add_argument("--height", type=int, default=1280)
    parser.add_argument("--lights", type=int, default=160)
    parser.add_argument("--quality", type=int, default=88)
    arguments = parser.parse_args()
    people = read_people(arguments.person)
    image = photograph(people, arguments.width, arguments.height, arguments.lights)
    write_image(torch.from_numpy(image).float(), arguments.picture, quality=arguments.quality)


def read_people(path: Path) -> People:
    """Read a person and give it the pose."""
    data = np.load(path)
    low, high = data["verts_range"]
    verts = data["verts_u16"] / 65535 * (high - low) + low
    textures = []
    part_face = np.diff(data["part_face_start"])
    for index in data["part_texture"]:
        file = path.with_name(f"{path.stem}_{index}.webp")
        picture = read_picture(file, 4096) if index >= 0 else None
        textures.append(None if picture is None else picture.pixels / 255.0)
    verts = _posed(verts, data)
    verts[:, 1] -= verts[:, 1].min()
    return People(
        verts,
        data["faces"].astype(np.int64),
        data["uv_u16"] / 65535,
        np.repeat(np.arange(len(part_face)), part_face),
        data["part_color"],
        textures,
    )


def _posed(verts: np.ndarray, data: np.lib.npyio.NpzFile) -> np.ndarray:
    names, parents = [str(n) for n in data["joint_names"]], data["joint_parents"]
    rest = data["world_from_joint"][:, :3, 3]
    transforms = np.tile(np.eye(4), (len(names), 1, 1))
    for joint, (name, parent) in enumerate(zip(names, parents, strict=True)):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_euler("zyx", np.array(_angles(name))[::-1], degrees=True).as_matrix()
        turn[:3, 3] = rest[joint] - turn[:3, :3] @ rest[joint]
        transforms[joint] = (transforms[parent] if parent >= 0 else np.eye(4)) @ turn
    weights = data["skin_weights_u8"] / data["skin_weights_u8"].sum(1, keepdims=True)
    mixed = np.einsum("vk,vkij->vij", weights, transforms[data["skin_joints"]])
    return np.einsum("vij,vj->vi", mixed[:, :3, :3], verts) + mixed[:, :3, 3]


def _angles(name: str) -> tuple[float, float, float]:
    for finger, degrees in CURL.items():
        if "Hand" + finger in name and name[-1] in "123":
            side = -1 if name.startswith("Left") else 1
            return (0, 0, side * degrees) if finger != "Thumb" else (0, side * degrees, 0)
    return POSE.get(name, (0, 0, 0))


def photograph(people: People, width: int, height: int, lights: int) -> np.ndarray:
    """Make the picture: sRGB 0 to 1."""
    over = 2
    cameras = _camera(people, width * over, height * over)
    verts = torch.from_numpy(people.verts).float()
    faces = torch.from_numpy(people.faces)
    seen = rasterize_mesh(verts, faces, cameras)
    hit = (seen.face[0] >= 0).numpy()
    welded = _welded_normals(people)
    points = interpolate(seen, faces, verts)[0].numpy()
    normals = interpolate(seen, faces, torch.from_numpy(welded).float())[0].numpy()
    albedo = _albedo(people, seen)

    ground, ground_points, ground_normals, ground_albedo = _surroundings(cameras, hit.shape)
    points[~hit], normals[~hit], albedo[~hit] = ground_points[~hit], ground_normals[~hit], ground_albedo[~hit]
    lit = ~(hit | ground)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True).clip(1e-6)
    eye = cameras.centers_world[0].numpy()
    facing = (normals * (eye - points)).sum(-1, keepdims=True)
    normals = np.where(hit[..., None] & (facing < 0), -normals, normals)
    light = _light(people, points, normals, hit, lights)
    light[lit] = 0.9
    radiance = albedo * light
    return _develop(radiance, hit, over)


def _camera(people: People, width: int, height: int) -> Cameras:
    tall = float(people.verts[:, 1].max())
    eye, target = torch.tensor([0.25, 1.35, 4.1]), torch.tensor([0.0, tall * 0.505, 0.0])
    focal = 0.88 * height * 4.1 / tall
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Cameras(look_at(eye, target)[None], intrinsics[None], width, height)


def _welded_normals(people: People) -> np.ndarray:
    """Normals across the seams of the texture, where corners are doubled."""
    _, welded = np.unique(np.round(people.verts, 5), axis=0, return_inverse=True)
    welded = welded.reshape(-1)
    verts = np.zeros((welded.max() + 1, 3))
    verts[welded] = people.verts
    faces = torch.from_numpy(welded[people.faces])
    return vertex_normals(torch.from_numpy(verts), faces).numpy()[welded]


def _albedo(people: People, seen: object) -> np.ndarray:
    """Texture colour at each pixel, linear light."""
    face, weights = seen.face[0].numpy(), seen.barycentric[0].numpy()
    albedo = np.zeros((*face.shape, 3))
    corner_uv = people.uv[people.faces[face.clip(0)]]
    uv = (corner_uv * weights[..., None]).sum(-2)
    for part, texture in enumerate(people.textures):
        where = (face >= 0) & (people.part[face.clip(0)] == part)
        if texture is None:
            albedo[where] = people.colors[part, :3]
            continue
        rows, columns = uv[where, 1] * texture.shape[0] - 0.5, uv[where, 0] * texture.shape[1] - 0.5
        for channel in range(3):
            sampled = ndimage.map_coordinates(texture[..., channel], [rows, columns], order=1, mode="grid-wrap")
            albedo[where, channel] = _linear(sampled)
    return albedo


def _surroundings(cameras: Cameras, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Floor of stone slabs and a plaster wall: where each pixel's ray meets them, and their colours."""
    height, width = shape
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    k = cameras.intrinsics[0].numpy()
    rays = np.stack([(x - k[0, 2]) / k[0, 0], (y - k[1, 2]) / k[1, 1], np.ones_like(x)], -1)
    rays = rays @ cameras.cam_from_world[0, :3, :3].numpy()
    eye = cameras.centers_world[0].numpy()
    wall_z = -3.2
    to_floor = np.where(rays[..., 1] < -1e-6, -eye[1] / np.minimum(rays[..., 1], -1e-6), np.inf)
    to_wall = (wall_z - eye[2]) / np.minimum(rays[..., 2], -1e-6)
    floor = to_floor < to_wall
    points = eye + rays * np.where(floor, to_floor, to_wall)[..., None]
    normals = np.where(floor[..., None], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    random = np.random.default_rng(0)
    albedo = np.where(floor[..., None], _slabs(points, random), _plaster(points, random))
    return np.ones(shape, bool), points, normals, albedo


def _noise(u: np.ndarray, v: np.ndarray, per_metre: float, random: np.random.Generator) -> np.ndarray:
    grid = random.normal(size=(257, 257))
    return ndimage.map_coordinates(grid, [u * per_metre % 256, v * per_metre % 256], order=1, mode="wrap")


def _slabs(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    x, z = points[..., 0] + 40.3, points[..., 2] + 40.1
    size = 0.6
    shade = random.normal(0, 0.035, (256, 256))[(x // size).astype(int) % 256, (z // size).astype(int) % 256]
    joint = np.minimum(np.minimum(x % size, size - x % size), np.minimum(z % size, size - z % size))
    grain = 0.03 * _noise(x, z, 40, random) + 0.03 * _noise(x, z, 6, random) + 0.02 * _noise(x, z, 1.5, random)
    value = (0.34 + shade + grain) * np.where(joint < 0.005, 0.62, 1.0)
    return value[..., None] * np.array([1.0, 0.96, 0.9])


def _plaster(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    x, y = points[..., 0] + 40.0, points[..., 1] + 40.0
    value = 0.52 + 0.02 * _noise(x, y, 14, random) + 0.025 * _noise(x, y, 2.2, random)
    value = value + 0.05 * _noise(x, y, 0.5, random)
    base = points[..., 1] < 0.12
    panel = np.abs(points[..., 0] % 2.4 - 1.2) < 0.012
    value = np.where(base, 0.3, value) * np.where(panel & ~base, 0.72, 1.0)
    return value[..., None] * np.where(base[..., None], [0.95, 0.92, 0.88], [1.0, 0.93, 0.82])


def _light(people: People, points: np.ndarray, normals: np.ndarray, hit: np.ndarray, lights: int) -> np.ndarray:
    """Add up sky, sun behind thin cloud, and what the floor throws back; each direction casts its shadow."""
    verts, faces = torch.from_numpy(people.verts).float(), torch.from_numpy(people.faces)
    total = np.zeros_like(points)
    for direction, color in _sky(lights):
        facing = (normals @ direction).clip(0, None)
        total += (facing * _unshadowed(verts, faces, points + 0.006 * normals, direction))[..., None] * color
    # Light thrown back by the floor: none near the person's own contact shadow, so it fades towards the feet.
    up = np.clip(0.5 - 0.5 * normals[..., 1], 0, 1) * np.clip(points[..., 1] / 0.8, 0.25, 1) * hit
    return total + 0.22 * up[..., None] * np.array([1.0, 0.95, 0.88])


def _sky(lights: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Directions to evenly spread parts of the sky, brighter towards a soft sun at the upper left in front."""
    golden = math.pi * (3 - math.sqrt(5))
    sun = np.array([-0.55, 0.62, 0.62])
    sun /= np.linalg.norm(sun)
    parts = []
    for index in range(lights):
        height = (index + 0.5) / lights
        ring, turn = math.sqrt(1 - height * height), index * golden
        direction = np.array([ring * math.cos(turn), height, ring * math.sin(turn)])
        glow = math.exp(14 * (float(direction @ sun) - 1))
        cool, warm = np.array([0.86, 0.95, 1.1]), np.array([1.12, 1.0, 0.86])
        parts.append((direction, (0.75 * cool + 9.0 * glow * warm)))
    whole = sum(max(direction[1], 0) * color.mean() for direction, color in parts)
    return [(direction, color * 1.05 / whole) for direction, color in parts]


def _unshadowed(
    verts: torch.Tensor, faces: torch.Tensor, points: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Whether the way from each point to the light is free: one depth picture from the light's side."""
    size, reach = 900, 1.25
    middle = torch.tensor([0.0, 0.9, 0.0])
    eye = middle + 6.0 * torch.from_numpy(direction).float()
    pose = look_at(eye, middle)
    scale = size / 2 / reach
    intrinsics = torch.tensor([[scale, 0, size / 2], [0, scale, size / 2], [0, 0, 1.0]])
    cameras = Cameras(pose[None], intrinsics[None], size, size, orthographic=True)
    depth = rasterize_mesh(verts, faces, cameras).depth[0].numpy()
    depth = np.where(depth > 0, depth, np.inf)
    local = points @ pose[:3, :3].numpy().T + pose[:3, 3].numpy()
    column, row = (local[..., :2] * scale + size / 2).transpose(2, 0, 1).astype(int)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    nearest = depth[row.clip(0, size - 1), column.clip(0, size - 1)]
    return ~inside | (local[..., 2] < nearest + 0.008)


def _develop(radiance: np.ndarray, hit: np.ndarray, over: int) -> np.ndarray:
    """What a camera does: background a little out of focus, fewer pixels, tone curve, vignette, grain."""
    soft = hit.astype(float)[..., None]
    sigma = (3.2, 3.2, 0)
    # The person is left out of the blurred surroundings, or a halo of clothes would surround it.
    around = ndimage.gaussian_filter(radiance * (1 - soft), sigma) / ndimage.gaussian_filter(
        1 - soft, sigma
    ).clip(1e-3)
    distance = np.linspace(1, 0, len(hit))[:, None, None] ** 0.6
    around = distance * around + (1 - distance) * radiance
    image = np.where(soft > 0, radiance, around)
    height, width = image.shape[0] // over, image.shape[1] // over
    image = image.reshape(height, over, width, over, 3).mean((1, 3))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = image * (1 - 0.12 * (x * x + y * y))[..., None] * 1.25
    image = image * (1 + image / 2.2**2) / (1 + image * 0.62)
    image = _srgb(image.clip(0, None))
    return (image + np.random.default_rng(1).normal(0, 0.006, image.shape)).clip(0, 1)


def _linear(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _srgb(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value.clip(1e-8) ** (1 / 2.4) - 0.055)


if __name__ == "__main__":
    main()
