"""The body: shape, joints, skin. Mathematics only."""

from vivant.body.anny import AnnyModel, AnnySubset, load_anny
from vivant.body.kinematics import compose_along_tree, forward_kinematics, rest_pose
from vivant.body.limits import JointLimits, joint_limits
from vivant.body.mouth import MOUTH, mouth_faces
from vivant.body.parts import PARTS, REGIONS, BodyParts, joints_of, part_labels
from vivant.body.skinning import (
    blend_transforms,
    nearest_rotations,
    pose_verts,
    skin_points,
    skin_quats,
    unpose_points,
)
from vivant.body.smplx import SmplxModel, load_smplx
from vivant.body.stretching import skin_strains, stretch_splats
from vivant.body.surface import (
    SurfacePoints,
    cotangent_laplacian,
    face_neighbors,
    interpolate_skin,
    surface_points,
    tangent_frames,
    uniform_laplacian,
    vertex_neighbors,
)

__all__ = [
    "MOUTH",
    "PARTS",
    "REGIONS",
    "AnnyModel",
    "AnnySubset",
    "BodyParts",
    "JointLimits",
    "SmplxModel",
    "SurfacePoints",
    "blend_transforms",
    "compose_along_tree",
    "cotangent_laplacian",
    "face_neighbors",
    "forward_kinematics",
    "interpolate_skin",
    "joint_limits",
    "joints_of",
    "load_anny",
    "load_smplx",
    "mouth_faces",
    "nearest_rotations",
    "part_labels",
    "pose_verts",
    "rest_pose",
    "skin_points",
    "skin_quats",
    "skin_strains",
    "stretch_splats",
    "surface_points",
    "tangent_frames",
    "uniform_laplacian",
    "unpose_points",
    "vertex_neighbors",
]
