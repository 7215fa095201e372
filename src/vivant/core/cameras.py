"""Pinhole and orthographic cameras. OpenCV axes: x right, y down, z forward."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect, expect_counts
from vivant.core.errors import BadInputError


@dataclass(frozen=True)
class Cameras:
    """One or more cameras that make pictures of the same size."""

    cam_from_world: Float[Tensor, "views 4 4"]
    """Rigid."""

    intrinsics: Float[Tensor, "views 3 3"]
    """In pixels; pixel centres lie at half-integers. Orthographic: the focal lengths are pixels per metre."""

    width: int
    height: int
    orthographic: bool = False

    def __post_init__(self) -> None:
        """Check shapes, counts and size."""
        expect("cam_from_world", self.cam_from_world, "views", 4, 4)
        expect("intrinsics", self.intrinsics, "views", 3, 3)
        expect_counts("Cameras", cam_from_world=len(self.cam_from_world), intrinsics=len(self.intrinsics))
        if self.width < 1 or self.height < 1:
            raise BadInputError(
                f"A camera's picture is {self.width} x {self.height}; at least 1 x 1 is needed."
            )

    def __len__(self) -> int:
        return len(self.cam_from_world)

    def __getitem__(self, index: int | slice) -> "Cameras":
        """Pick views; an integer keeps the views axis."""
        if isinstance(index, int):
            index = slice(index, index + 1 or None)
        return Cameras(
            self.cam_from_world[index],
            self.intrinsics[index],
            self.width,
            self.height,
            self.orthographic,
        )

    @property
    def centers_world(self) -> Float[Tensor, "views 3"]:
        """Where each camera stands."""
        rotation, shift = self.cam_from_world[:, :3, :3], self.cam_from_world[:, :3, 3]
        return -(rotation.transpose(1, 2) @ shift[..., None])[..., 0]

    def resized(self, width: int, height: int) -> "Cameras":
        """Same view at another size; the aspect may change a little by rounding."""
        scale = torch.tensor([width / self.width, height / self.height, 1.0]).to(self.intrinsics)
        return Cameras(self.cam_from_world, self.intrinsics * scale[:, None], width, height, self.orthographic)

    def to(self, device: torch.device | str) -> "Cameras":
        """Same cameras on a device."""
        return Cameras(
            self.cam_from_world.to(device),
            self.intrinsics.to(device),
            self.width,
            self.height,
            self.orthographic,
        )


def project(
    points_world: Float[Tensor, "*points 3"], cameras: Cameras, view: int = 0
) -> tuple[Float[Tensor, "*points 2"], Float[Tensor, "*points"]]:
    """Take points to one view's pixels, and give their depths in metres along z.

    Points at or behind the camera get huge but finite pixels; check the depth.
    """
    points_cam = transform(cameras.cam_from_world[view], points_world)
    depth = points_cam[..., 2]
    focal = cameras.intrinsics[view].diagonal()[:2]
    center = cameras.intrinsics[view][:2, 2]
    if cameras.orthographic:
        return points_cam[..., :2] * focal + center, depth
    return points_cam[..., :2] / depth[..., None].clamp(min=1e-6) * focal + center, depth


def transform(
    a_from_b: Float[Tensor, "4 4"], points_b: Float[Tensor, "*points 3"]
) -> Float[Tensor, "*points 3"]:
    """Apply one rigid or affine matrix to points."""
    return points_b @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def look_at(center_world: Float[Tensor, "3"], target_world: Float[Tensor, "3"]) -> Float[Tensor, "4 4"]:
    """`cam_from_world` of an upright camera (world y up) that looks at a point.

    Raises:
        BadInputError: If the camera stands at its target or looks straight up or down.
    """
    forward = target_world - center_world
    right = torch.linalg.cross(forward, forward.new_tensor([0.0, 1.0, 0.0]))
    if float(right.norm()) < 1e-6 * max(float(forward.norm()), 1e-6) or float(forward.norm()) < 1e-9:
        raise BadInputError("A camera must stand apart from its target and not look straight up or down.")
    forward, right = forward / forward.norm(), right / right.norm()
    down = torch.linalg.cross(forward, right)
    matrix = torch.eye(4, dtype=center_world.dtype)
    matrix[:3, :3] = torch.stack([right, down, forward])
    matrix[:3, 3] = -matrix[:3, :3] @ center_world
    return matrix


def orbit(
    target_world: Float[Tensor, "3"],
    azimuths_deg: list[float],
    *,
    extent: float,
    elevation_deg: float = 0.0,
    width: int = 512,
    height: int = 512,
    fov_deg: float = 30.0,
    fill: float = 0.9,
) -> Cameras:
    """Cameras on a circle round a point, so far away that `extent` metres fill the picture's height.

    Args:
        target_world: What they look at.
        azimuths_deg: 0 looks at the front (the camera stands at +z); 90 at the person's
            left side (at +x), 180 at the back.
        extent: Metres that shall fit into the picture's height.
        elevation_deg: Above the horizon is positive.
        width: Pixels.
        height: Pixels.
        fov_deg: Vertical field of view.
        fill: Part of the height that `extent` takes.
    """
    distance = extent / fill / 2 / math.tan(math.radians(fov_deg) / 2)
    focal = height / 2 / math.tan(math.radians(fov_deg) / 2)
    poses = []
    for azimuth in azimuths_deg:
        a, e = math.radians(azimuth), math.radians(elevation_deg)
        away = torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
        poses.append(look_at(target_world + distance * away, target_world))
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Cameras(torch.stack(poses), intrinsics.repeat(len(poses), 1, 1), width, height)
