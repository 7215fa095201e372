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

LEVEL = (1.0, 0.0, 1.0)
"""Keeps what lies along the floor."""


def frame_figure(avatar: Avatar, motions: Sequence[Motion]) -> tuple[Lens, list[float]]:
    """A camera in front that sees the whole person, and how wide the picture must be for each motion.

    Widths are parts of the height, the photo's pose first.
    """
    still = pose_avatar(avatar, avatar.photo_pose, stretch=False).means - avatar.photo_pose.root * torch.tensor(
        LEVEL
    )
    groups = [still[::9], *(_places(avatar, motion) for motion in motions)]
    everything = torch.cat(groups[1:] or groups)
    everything = everything[:: max(1, len(everything) // 1_000_000)]
    # One in two thousand may lie outside: a stray splat must not shrink the person.
    low, high = torch.quantile(everything[:, 1], torch.tensor([0.0005, 0.9995])).tolist()
    focal = 0.5 / math.tan(math.radians(FOV) / 2)
    aspects = [_aspect(places, high - low) for places in groups]
    home: Lens = {
        "yaw": 0.0,
        "pitch": math.radians(4.0),
        "roll": 0.0,
        "distance": (high - low) / 0.92 * focal,
        "target": [0.0, (low + high) / 2, 0.0],
        "focal": focal,
        "shift": [0.0, 0.0],
        "aspect": aspects[min(1, len(motions))],
        "follow": 1,
    }
    return home, aspects


def _places(avatar: Avatar, motion: Motion) -> torch.Tensor:
    """Where splats are at a few moments, when the camera goes with the root."""
    frames = range(0, len(motion), max(1, len(motion) // 6))
    moments = [Pose(motion.pose.local_quats[frame], motion.pose.root[frame]) for frame in frames]
    places = torch.cat(
        [
            pose_avatar(avatar, pose, stretch=False).means[::9] - pose.root * torch.tensor(LEVEL)
            for pose in moments
        ]
    )
    return places[:: max(1, len(places) // 1_000_000)]


def _aspect(places: torch.Tensor, tall: float) -> float:
    sides = torch.quantile(places[:, 0], torch.tensor([0.001, 0.999])).abs().max()
    return min(max(2 * float(sides) / tall, 0.4), 1.6)


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
