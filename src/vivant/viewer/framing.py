"""Where the page's camera stands first, and where the photo's stood."""

import math
from collections.abc import Sequence

import torch

from vivant.animate import pose_avatar
from vivant.records import Avatar, Motion, Pose

FOV = 24.0
"""Degrees of the page's own camera, as of `vivant.animate`'s."""

Lens = dict[str, object]
"""Numbers the page understands (`viewer.js`, `cameraOf`)."""


def frame_figure(avatar: Avatar, motions: Sequence[Motion]) -> Lens:
    """A camera in front that sees the whole person, and how much room the motions take."""
    moments = [
        pose_avatar(avatar, _moment(motion, frame)) for motion in motions for frame in _some(len(motion))
    ]
    still = [splats.means - root for splats, root in zip(moments, _shifts(motions), strict=True)]
    places = torch.cat([means[::9] for means in still] or [avatar.splats.means])
    # One in two thousand may lie outside: a stray splat must not shrink the person.
    places = places[:: max(1, len(places) // 1_000_000)]
    low, high = torch.quantile(places, 0.0005, dim=0), torch.quantile(places, 0.9995, dim=0)
    across = 2 * float(torch.maximum(high.abs(), low.abs())[[0, 2]].max())
    tall = float(high[1] - low[1])
    focal = 0.5 / math.tan(math.radians(FOV) / 2)
    return {
        "yaw": 0.0,
        "pitch": math.radians(4.0),
        "roll": 0.0,
        "distance": tall / 0.92 * focal,
        "target": [0.0, float(low[1] + high[1]) / 2, 0.0],
        "focal": focal,
        "shift": [0.0, 0.0],
        # What reaches out farthest for a moment may leave a narrow picture.
        "aspect": min(max(0.85 * across / tall, 0.45), 1.2),
        "follow": 1,
    }


def photo_lens(avatar: Avatar) -> Lens:
    """The photo's camera in the page's terms: an orbit about the person with the photo's lens."""
    camera = avatar.photo_camera
    rotation, intrinsics = camera.cam_from_world[0, :3, :3], camera.intrinsics[0]
    eye, ahead = camera.centers_world[0], rotation[2]
    root = avatar.rig.joints_world[0] + avatar.photo_pose.root
    distance = max(float((root - eye) @ ahead), 0.1)
    yaw = math.atan2(-float(ahead[0]), -float(ahead[2]))
    level = torch.tensor([math.cos(yaw), 0.0, -math.sin(yaw)])
    roll = math.atan2(-float(rotation[1] @ level), float(rotation[0] @ level))
    height = camera.height
    return {
        "yaw": yaw,
        "pitch": -math.asin(min(max(float(ahead[1]), -1.0), 1.0)),
        "roll": roll,
        "distance": distance,
        "target": (eye + distance * ahead).tolist(),
        "focal": float(intrinsics[1, 1]) / height,
        "shift": [
            (float(intrinsics[0, 2]) - camera.width / 2) / height,
            (float(intrinsics[1, 2]) - camera.height / 2) / height,
        ],
        "aspect": camera.width / height,
        "follow": 0,
    }


def _some(frames: int) -> range:
    return range(0, frames, max(1, frames // 4))


def _moment(motion: Motion, frame: int) -> Pose:
    return Pose(motion.pose.local_quats[frame], motion.pose.root[frame])


def _shifts(motions: Sequence[Motion]) -> list[torch.Tensor]:
    """How far the root has gone over the floor: the page's camera goes with it."""
    level = torch.tensor([1.0, 0.0, 1.0])
    return [motion.pose.root[frame] * level for motion in motions for frame in _some(len(motion))]
