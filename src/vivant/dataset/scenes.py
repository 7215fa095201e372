"""Where pictures of people are taken: camera, light, what is behind, and what a camera does to a picture."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras, look_at
from vivant.core.images import encode_image
from vivant.mesh import MeshPictures

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)

FOCAL_MM = (24.0, 85.0)
"""Equivalent on 35 mm film."""

ELEVATION_DEG = (-15.0, 30.0)


@dataclass(frozen=True)
class Taking:
    """What a camera does: blur, noise, and how strongly JPEG compresses."""

    blur_px: float
    noise: float
    jpeg: int


def random_camera(
    random: np.random.Generator, verts: Float[Tensor, "verts 3"], width: int, height: int, azimuth_deg: float
) -> Cameras:
    """See all of somebody, at 70 to 92 % of the height or width."""
    focal_mm = math.exp(random.uniform(*np.log(FOCAL_MM)))
    elevation = random.uniform(*ELEVATION_DEG)
    return framing_camera(verts, width, height, azimuth_deg, elevation, focal_mm, random.uniform(0.70, 0.92))


def framing_camera(
    verts: Float[Tensor, "verts 3"], width: int, height: int, azimuth_deg: float, elevation_deg: float = 0.0,
    focal_mm: float = 50.0, fill: float = 0.8,
) -> Cameras:  # fmt: skip
    """Place a camera so that all vertices fill a part of the height, or of the width if that is less."""
    focal = focal_mm / FILM_DIAGONAL_MM * math.hypot(width, height)
    middle = (verts.amin(0) + verts.amax(0)) / 2
    a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
    away = torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    distance = 3.0 * focal / height
    pixels = verts[:, :2]
    for _ in range(6):
        # The picture's extent is nearly inverse to the distance; a few steps settle it.
        pose = look_at(middle + distance * away, middle)
        local = verts @ pose[:3, :3].T + pose[:3, 3]
        pixels = local[:, :2] / local[:, 2:].clamp(min=0.05) * focal
        size = (pixels.amax(0) - pixels.amin(0)) / torch.tensor([width, height])
        distance = max(distance * float(size.max()) / fill, 0.8)
    middle_px = (pixels.amax(0) + pixels.amin(0)) / 2
    # The camera looks a little aside, as a lens that is shifted: uprights stay upright.
    intrinsics[:2, 2] -= middle_px
    pose = look_at(middle + distance * away, middle)
    return Cameras(pose[None], intrinsics[None], width, height)


def random_background(random: np.random.Generator, width: int, height: int) -> Float[Tensor, "height width 3"]:
    """Plain, a gradient, or a made-up room or street with a floor."""
    kind = int(random.integers(3))
    color = torch.from_numpy(random.uniform(0.1, 0.98, 3) * 0.4 + random.uniform(0.05, 0.6)).float()
    if kind == 0:
        return color.expand(height, width, 3).clone()
    other = torch.from_numpy(random.uniform(0, 1, 3) * 0.4 + random.uniform(0.05, 0.6)).float()
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    if kind == 1:
        angle = random.uniform(0, 2 * math.pi)
        share = (x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle) + 0.5
        return color + (other - color) * share.clamp(0, 1)[..., None]
    horizon = random.uniform(0.45, 0.8)
    wall = color + 0.25 * (_clouds(random, width, height) - 0.5)
    floor = other + 0.2 * (_clouds(random, width, height) - 0.5)
    if random.random() < 0.6:
        # Upright things: doors, shelves, trees; blurred, as they are far away.
        for _ in range(int(random.integers(2, 9))):
            left, broad = random.uniform(-0.1, 1), random.uniform(0.02, 0.25)
            inside = torch.sigmoid((x - left) * 90) * torch.sigmoid((left + broad - x) * 90)
            inside = inside * torch.sigmoid((y - random.uniform(0, 0.6)) * 60)
            shade = torch.from_numpy(random.uniform(0.05, 0.9, 3)).float()
            wall = wall + inside[..., None] * random.uniform(0.2, 0.9) * (shade - wall)
    below = torch.sigmoid((y - horizon) * random.uniform(40, 400))[..., None]
    return (wall + below * (floor - wall)).clamp(0, 1)


def _clouds(random: np.random.Generator, width: int, height: int) -> Float[Tensor, "height width 3"]:
    """Noise of several sizes."""
    total = torch.zeros(3, height, width)
    for octave in range(2, 7):
        grid = torch.from_numpy(random.normal(size=(1, 3, 2**octave, 2**octave))).float()
        total += torch.nn.functional.interpolate(grid, (height, width), mode="bicubic")[0] / 2 ** (octave - 1)
    grey = total.mean(0, keepdim=True)
    return (0.5 + 0.3 * (0.7 * grey + 0.3 * total)).permute(1, 2, 0)


def random_taking(random: np.random.Generator) -> Taking:
    """From a good camera in daylight to a phone in the evening."""
    return Taking(
        blur_px=float(max(random.normal(0.35, 0.4), 0.0)),
        noise=float(random.uniform(0, 1) ** 2 * 0.04),
        jpeg=int(random.integers(55, 98)),
    )


def photograph(
    pictures: MeshPictures, view: int, background: Float[Tensor, "height width 3"], taking: Taking,
    random: np.random.Generator,
) -> bytes:  # fmt: skip
    """Put somebody before a background, and do what a camera does: the bytes of a JPEG file."""
    alpha = pictures.alpha[view][..., None]
    image = pictures.color[view] * alpha + background * (1 - alpha)
    if taking.blur_px > 0.1:
        reach = max(1, math.ceil(2.5 * taking.blur_px))
        kernel = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * taking.blur_px**2))
        kernel = (kernel / kernel.sum()).repeat(3, 1)[:, None]
        image_nchw = torch.nn.functional.pad(image.permute(2, 0, 1)[None], (reach,) * 4, mode="replicate")
        image_nchw = torch.nn.functional.conv2d(image_nchw, kernel[..., None], groups=3)
        image = torch.nn.functional.conv2d(image_nchw, kernel[:, :, None], groups=3)[0].permute(1, 2, 0)
    grain = torch.from_numpy(random.normal(0, 1, image.shape).astype(np.float32))
    image = image + grain * taking.noise * (0.4 + image.clamp(0, 1).sqrt())
    return encode_image(image.clamp(0, 1), "jpeg", taking.jpeg)
