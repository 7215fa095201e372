"""A user's own SMPL-X file as a rig (Pavlakos et al., CVPR 2019).

SMPL-X may not be given away and is for non-commercial use unless licensed, so vivant neither contains nor
downloads it: whoever has the file names it.
"""

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body.kinematics import forward_kinematics
from vivant.body.skinning import skin_points
from vivant.core.checks import expect, expect_counts
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.rotations import matrices_from_quats, quats_from_rotvecs
from vivant.records import Pose, Rig, Shape

JOINT_NAMES = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw",
    "left_eye_smplhf", "right_eye_smplhf",
    *(f"{side}_{finger}{bone}" for side in ("left", "right")
      for finger in ("index", "middle", "pinky", "ring", "thumb") for bone in (1, 2, 3)),
)  # fmt: skip
"""The 55 joints, in the file's order."""

NEEDED = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f", "vt", "ft")
"""Arrays that are read; others, some of which hold pickled objects, are left alone."""

NUM_BETAS = {400: 300, 20: 10}
"""How many of the file's shape directions are shape; the others are facial expression."""

NUM_INFLUENCES = 8
"""Joints kept per vertex, the strongest."""

A_POSE = {"shoulder": math.radians(45), "hip": math.radians(5)}
"""How far arms hang down and legs stand apart in vivant's rest pose; SMPL-X itself rests in a T."""


@dataclass(frozen=True)
class SmplxModel:
    """The arrays of an SMPL-X file, checked."""

    verts_mean: Float[Tensor, "verts 3"]
    """Metres, y up, facing +z, in a T-pose."""

    shape_basis: Float[Tensor, "betas coordinates"]
    expression_basis: Float[Tensor, "expressions coordinates"]
    pose_basis: Float[Tensor, "features coordinates"]
    joint_regressor: Float[Tensor, "joints verts"]
    joint_parents: tuple[int, ...]
    skin_joints: Int[Tensor, "verts influences"]
    skin_weights: Float[Tensor, "verts influences"]
    faces: Int[Tensor, "faces 3"]
    uv: Float[Tensor, "uvs 2"]
    uv_faces: Int[Tensor, "faces 3"]

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("SMPL-X", weights=len(self.skin_weights), verts=len(self.verts_mean))
        expect_counts("SMPL-X", faces=len(self.faces), uv_faces=len(self.uv_faces))

    def default_shape(self) -> Shape:
        """The mean body with a neutral face."""
        return Shape("smplx", torch.zeros(len(self.shape_basis)), torch.zeros(len(self.expression_basis)))

    def rig(self, shape: Shape) -> Rig:
        """Shape the body and stand it in the A-pose.

        The file's pose-dependent corrections are applied for the A-pose only: a rig has no place for more.

        Raises:
            BadInputError: If the shape belongs to another model or has too many numbers.
        """
        if shape.model != "smplx":
            raise BadInputError(f"A shape of {shape.model!r} cannot shape SMPL-X.")
        shaped = self.verts_mean + _mix("betas", shape.coefficients, self.shape_basis)
        joints = self.joint_regressor @ shaped
        shaped = shaped + _mix("expressions", shape.actions, self.expression_basis)
        pose = a_pose(joints)
        turns = matrices_from_quats(pose.local_quats)[1:] - torch.eye(3)
        corrected = shaped + (turns.flatten() @ self.pose_basis).reshape(-1, 3)
        transforms = forward_kinematics(self.joint_parents, joints, pose)
        verts = skin_points(corrected, self.skin_joints, self.skin_weights, transforms)
        frames = torch.eye(4).repeat(len(joints), 1, 1)
        frames[:, :3, 3] = (transforms[:, :3, :3] @ joints[..., None])[..., 0] + transforms[:, :3, 3]
        floor = verts[:, 1].min()
        frames[:, 1, 3] -= floor
        return Rig(
            verts=verts - torch.stack([torch.zeros(()), floor, torch.zeros(())]),
            faces=self.faces,
            joint_names=JOINT_NAMES,
            joint_parents=self.joint_parents,
            world_from_joint=frames,
            skin_joints=self.skin_joints,
            skin_weights=self.skin_weights,
            uv=self.uv,
            uv_faces=self.uv_faces,
        )


def a_pose(joints: Float[Tensor, "55 3"]) -> Pose:
    """From SMPL-X's T-pose to vivant's rest pose."""
    rotvecs = torch.zeros_like(joints)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        rotvecs[JOINT_NAMES.index(f"{side}_shoulder"), 2] = -sign * A_POSE["shoulder"]
        rotvecs[JOINT_NAMES.index(f"{side}_hip"), 2] = sign * A_POSE["hip"]
    return Pose(quats_from_rotvecs(rotvecs), torch.zeros(3))


def load_smplx(path: Path | str) -> SmplxModel:
    """Read an SMPL-X model from the `.npz` file of its makers.

    Raises:
        BadFileError: If the file is missing, pickled, damaged, or another model's.
    """
    path = Path(path)
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise BadFileError(
            f"{path} is a pickle, which can run any program when it is opened, so vivant never reads one. The "
            "same model comes as SMPLX_NEUTRAL.npz (MALE, FEMALE) in `SMPL-X v1.1 (NPZ+PKL)` from "
            "https://smpl-x.is.tue.mpg.de; give that file."
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            missing = [name for name in NEEDED if name not in data.files]
            if missing:
                raise BadFileError(f"{path} is no SMPL-X model: it lacks {', '.join(missing)}.")
            arrays = {name: data[name] for name in NEEDED}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        raise BadFileError(f"{path} cannot be read as an .npz file of SMPL-X: {error}") from error
    return _checked(arrays, path)


def _checked(arrays: dict[str, np.ndarray], path: Path) -> SmplxModel:
    """Bring the arrays into a model, or say what is wrong with them."""
    try:
        real = {
            name: torch.from_numpy(np.ascontiguousarray(arrays[name], dtype=np.float32))
            for name in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "vt")
        }
        faces, uv_faces = (torch.from_numpy(arrays[name].astype(np.int64)) for name in ("f", "ft"))
        num_joints, num_features = len(JOINT_NAMES), 9 * (len(JOINT_NAMES) - 1)
        num_verts = expect("v_template", real["v_template"], "verts", 3)["verts"]
        directions = expect("shapedirs", real["shapedirs"], num_verts, 3, "directions")["directions"]
        expect("posedirs", real["posedirs"], num_verts, 3, num_features)
        expect("J_regressor", real["J_regressor"], num_joints, num_verts)
        expect("weights", real["weights"], num_verts, num_joints)
        num_uvs = expect("vt", real["vt"], "uvs", 2)["uvs"]
        num_faces = expect("f", faces, "faces", 3)["faces"]
        expect("ft", uv_faces, num_faces, 3)
        parents = _parents(arrays["kintree_table"])
    except (BadInputError, ValueError, TypeError) as error:
        raise BadFileError(f"{path} is no SMPL-X model: {error}") from error
    for name, tensor in real.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BadFileError(f"{path} is damaged: `{name}` has values that are not finite.")
    for name, index, limit in (("f", faces, num_verts), ("ft", uv_faces, num_uvs)):
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < limit:
            raise BadFileError(f"{path} is damaged: `{name}` points outside 0 to {limit - 1}.")
    if not bool((real["weights"].clamp(min=0).sum(1) > 0).all()):
        raise BadFileError(f"{path} is damaged: some vertices have no skin weight.")
    num_betas = NUM_BETAS.get(directions, directions)
    weights, joints = real["weights"].topk(NUM_INFLUENCES, dim=1)
    weights = weights.clamp(min=0)
    basis = real["shapedirs"].reshape(3 * num_verts, directions).T.contiguous()
    return SmplxModel(
        verts_mean=real["v_template"],
        shape_basis=basis[:num_betas],
        expression_basis=basis[num_betas:],
        pose_basis=real["posedirs"].reshape(3 * num_verts, num_features).T.contiguous(),
        joint_regressor=real["J_regressor"],
        joint_parents=parents,
        skin_joints=joints,
        skin_weights=weights / weights.sum(1, keepdim=True),
        faces=faces,
        uv=real["vt"],
        uv_faces=uv_faces,
    )


def _parents(table: np.ndarray) -> tuple[int, ...]:
    """Each joint's parent; the file marks the root by the largest unsigned integer.

    Raises:
        ValueError: If the table is no tree with parents before children.
    """
    if table.shape != (2, len(JOINT_NAMES)):
        raise ValueError(f"kintree_table must have shape (2, {len(JOINT_NAMES)}), got {table.shape}")
    parents = [-1, *(int(parent) for parent in table[0, 1:])]
    for joint, parent in enumerate(parents[1:], start=1):
        if not 0 <= parent < joint:
            raise ValueError(f"joint {joint} has parent {parent}")
    return tuple(parents)


def _mix(
    name: str, numbers: Float[Tensor, " numbers"], basis: Float[Tensor, "basis coordinates"]
) -> Float[Tensor, "verts 3"]:
    """Weighted sum of the first directions of a basis."""
    if len(numbers) > len(basis):
        raise BadInputError(f"The shape has {len(numbers)} {name}; this SMPL-X file knows {len(basis)}.")
    return (numbers @ basis[: len(numbers)]).reshape(-1, 3)
