"""The body: shape, joints, skin. Mathematics only."""

from vivant.body.anny import AnnyModel, AnnySubset, load_anny
from vivant.body.kinematics import compose_along_tree, forward_kinematics, rest_pose
from vivant.body.skinning import (
    blend_transforms,
    nearest_rotations,
    pose_verts,
    skin_points,
    skin_quats,
    unpose_points,
)

__all__ = [
    "AnnyModel",
    "AnnySubset",
    "blend_transforms",
    "compose_along_tree",
    "forward_kinematics",
    "load_anny",
    "nearest_rotations",
    "pose_verts",
    "rest_pose",
    "skin_points",
    "skin_quats",
    "unpose_points",
]
