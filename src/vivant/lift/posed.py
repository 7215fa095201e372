"""The skin as it stands before the photo's camera."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.lift.surface import Skin, normals_of
from vivant.mesh import rasterize_mesh
from vivant.records import Body


@dataclass(frozen=True)
class Lens:
    """The photo's camera, and how each place of the skin gets from rest into its axes."""

    camera: Cameras
    cam_from_world: Float[ndarray, "4 4"]
    focal: Float[ndarray, "2"]
    center: Float[ndarray, "2"]
    cam_from_rest: Float[ndarray, "joints 3 4"]
    """One rigid transform a joint: pose and camera in one."""

    def blend(self, weights: Float[ndarray, "points joints"]) -> Float[ndarray, "points 3 4"]:
        """Linear blends of the joints' transforms."""
        return (
            (weights @ self.cam_from_rest.reshape(-1, 12).astype(weights.dtype)).reshape(-1, 3, 4).astype(float)
        )

    def pixels(self, points_cam: Float[ndarray, "points 3"]) -> Float[ndarray, "points 2"]:
        """Where points in the camera's axes fall in the picture."""
        return points_cam[:, :2] / np.maximum(points_cam[:, 2:], 1e-6) * self.focal + self.center

    def unproject(
        self, pixels: Float[ndarray, "points 2"], depth: Float[ndarray, " points"]
    ) -> Float[ndarray, "points 3"]:
        """Points in the camera's axes that fall on pixels at given depths."""
        return np.concatenate([(pixels - self.center) / self.focal * depth[:, None], depth[:, None]], 1)


@dataclass(frozen=True)
class Depths:
    """What the picture's pixels see of a mesh."""

    depth: Float[ndarray, "height width"]
    """Metres; 0 where nothing is."""

    face: Int[ndarray, "height width"]
    """-1 where nothing is."""

    barycentric: Float[ndarray, "height width 3"]

    @property
    def covered(self) -> Bool[ndarray, "height width"]:
        """Pixels with something in them."""
        return self.face >= 0


def photo_lens(body: Body) -> Lens:
    """The lens of a fitted body."""
    rig = body.rig
    world_from_rest = forward_kinematics(rig.joint_parents, rig.joints_world, body.pose)
    cam_from_world = body.camera.cam_from_world[0].double().numpy()
    cam_from_rest = cam_from_world @ world_from_rest.double().numpy()
    intrinsics = body.camera.intrinsics[0].double().numpy()
    focal, center = intrinsics.diagonal()[:2].copy(), intrinsics[:2, 2].copy()
    return Lens(body.camera, cam_from_world, focal, center, cam_from_rest[:, :3])


def carry(
    frames: Float[ndarray, "points 3 4"], points: Float[ndarray, "points 3"]
) -> Float[ndarray, "points 3"]:
    """Move points by one affine transform each."""
    return np.einsum("nij,nj->ni", frames[:, :, :3], points) + frames[:, :, 3]


def draw_depths(points_cam: Float[ndarray, "verts 3"], faces: Int[ndarray, "faces 3"], lens: Lens) -> Depths:
    """Rasterise a mesh that is in the camera's axes already, in the photo's picture."""
    here = Cameras(torch.eye(4)[None], lens.camera.intrinsics, lens.camera.width, lens.camera.height)
    drawn = rasterize_mesh(torch.from_numpy(points_cam).float(), torch.from_numpy(faces), here)
    return Depths(drawn.depth[0].numpy(), drawn.face[0].numpy(), drawn.barycentric[0].numpy())


def facing(
    points_cam: Float[ndarray, "points 3"], normals: Float[ndarray, "points 3"]
) -> Float[ndarray, " points"]:
    """Cosine between normal and the way to the camera: 1 straight on, 0 at the rim, negative behind."""
    away = points_cam / np.maximum(np.linalg.norm(points_cam, axis=1, keepdims=True), 1e-9)
    return -(normals * away).sum(1)


def posed_normals(skin: Skin, points_cam: Float[ndarray, "verts 3"]) -> Float[ndarray, "verts 3"]:
    """Normals of the skin in the camera's axes."""
    return normals_of(points_cam, skin.faces)
