"""Four calibrated pictures, with the very lines that docs/reconstruct.md shows."""

import math
from pathlib import Path
from typing import Any

import torch

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.core.run import Context
from vivant.reconstruct import ReconstructConfig, reconstruct
from vivant.reconstruct.refine import RefineConfig
from vivant.records import Avatar, Pose, Views
from vivant.splat import pose_splats, rasterize

from .figures import bent, make_avatar, make_cameras, take_views

PAGE = Path(__file__).parents[2] / "docs" / "reconstruct.md"
SIDES = [0.0, 90.0, 180.0, 270.0]
STEPS = 120


def documented(true: Views) -> dict[str, Any]:
    """What the page's example makes of four pictures, masks and matrices."""
    blocks = [block.split("```")[0] for block in PAGE.read_text().split("```python\n")[1:]]
    (example,) = [block for block in blocks if "images=pictures" in block]
    cameras = true.cameras
    names: dict[str, Any] = {
        "pictures": true.images, "masks": true.alphas,
        "cam_from_world": cameras.cam_from_world, "intrinsics": cameras.intrinsics,
        "width": cameras.width, "height": cameras.height,
        "quats": true.poses.local_quats[0], "root": true.poses.root[0],
        "torch": torch, "Views": Views, "Cameras": Cameras, "Pose": Pose,
        "ReconstructConfig": ReconstructConfig, "RefineConfig": RefineConfig,
    }  # fmt: skip
    assert "iterations=1000" in example
    exec(example.replace("iterations=1000", f"iterations={STEPS}, threads=1"), names)  # noqa: S102
    return names


def decibels(avatar: Avatar, azimuth: float, angle: float) -> float:
    """Against the truth, from one side in one pose, on white."""
    pictures = []
    for shown in (avatar, make_avatar(800)):
        transforms = forward_kinematics(shown.rig.joint_parents, shown.rig.joints_world, bent(angle))
        posed = pose_splats(shown.splats, shown.binding, transforms)
        pictures.append(rasterize(posed, make_cameras([azimuth], 64), background=torch.ones(3)).color)
    return -10 * math.log10(float((pictures[0] - pictures[1]).square().mean()))


def test_four_pictures_of_one_pose_are_met_and_hold_between_and_in_another_pose() -> None:
    true = take_views(make_avatar(800), SIDES, [0.2] * 4, 64)
    made = documented(true)
    start = make_avatar(800, grey=True, seed=3)
    found = reconstruct(Context(), start, made["views"], made["config"])
    for side in SIDES:
        assert decibels(found, side, 0.2) > 26, side
    for side in (45.0, 135.0, 225.0, 315.0):
        assert decibels(found, side, 0.2) > max(23, decibels(start, side, 0.2) + 5), side
    assert decibels(found, 30.0, -0.2) > 22
