"""Where the page's camera stands first, and where the photo's stood."""

import math
from collections.abc import Sequence

import torch

from vivant.animate import pose_avatar
from vivant.body import forward_kinematics
from vivant.records import Avatar, Motion, Pose

FOV = 24.0
"""Degrees of the page's own camera, as of `vivant.animate`'s."""

Lens = dict[str, object]
"""Numbers the page understands (`viewer.js`, `cameraOf`)."""

MOST = (0.0005, 0.9995)
"""One in two thousand may lie outside: a stray splat must not shrink the person."""

TIP = 0.04
"""Metres from the last joint of a finger to beyond its tip."""

MOST_RISE = 1.0
"""Heights of the person that a picture may be higher than they stand: a leap to the moon leaves it."""

LEVEL = (1.0, 0.0, 1.0)
"""Keeps what lies along the floor."""


def frame_figure(avatar: Avatar, motions: Sequence[Motion]) -> tuple[Lens, list[Lens]]:
    """A camera in front that sees the whole person, and what of it each motion needs otherwise.

    The photo's pose first. Arms held sideways need a wider picture, raised ones a higher one. The aspect of a
    picture is its width by its height.
    """
    still = pose_avatar(avatar, avatar.photo_pose, stretch=False).means - avatar.photo_pose.root * torch.tensor(
        LEVEL
    )
    groups = [still[::9], *(_places(avatar, motion) for motion in motions)]
    poses = [avatar.photo_pose, *(motion.pose for motion in motions)]
    first = min(1, len(motions))
    low, high = torch.quantile(groups[first][:, 1], torch.tensor(MOST)).tolist()
    focal = 0.5 / math.tan(math.radians(FOV) / 2)
    rooms = [_room(avatar, places, pose, low, high, focal) for places, pose in zip(groups, poses, strict=True)]
    home: Lens = {
        "yaw": 0.0,
        "pitch": math.radians(4.0),
        "roll": 0.0,
        "focal": focal,
        "shift": [0.0, 0.0],
        "follow": 1,
        **rooms[first],
    }
    return home, rooms


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


def _room(
    avatar: Avatar, places: torch.Tensor, pose: Pose, low: float, high: float, focal: float
) -> dict[str, object]:
    """Distance, target and aspect for one motion: whoever stands, and what reaches above and beside them."""
    joints = avatar.rig.joints_world
    moved = forward_kinematics(avatar.rig.joint_parents, joints, pose)[..., :3, :]
    reached = (moved[..., :3] @ joints[..., None])[..., 0] + moved[..., 3]
    reached = (reached - (pose.root * torch.tensor(LEVEL))[..., None, :]).reshape(-1, 3)
    tall = high - low
    top = max(float(torch.quantile(places[:, 1], MOST[1])), float(reached[:, 1].max()) + TIP)
    rise = min(max(top - high, 0.0), MOST_RISE * tall)
    sides = torch.quantile(places[:, 0], torch.tensor([0.001, 0.999])).abs().max()
    wide = 2 * max(float(sides), float(reached[:, 0].abs().max()) + TIP)
    return {
        "distance": (tall + rise) / 0.92 * focal,
        "target": [0.0, (low + high + rise) / 2, 0.0],
        "aspect": min(max(wide / (tall + rise), 0.4), 1.6),
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
