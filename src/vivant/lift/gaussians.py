"""Turn places on the skin into splats that ride on the rig."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree

from vivant.core.rotations import quats_from_matrices
from vivant.core.threads import thread_count
from vivant.records import Binding, Rig, Splats
from vivant.splat import sh_from_colors

COVER = 0.62
"""Standard deviation of a disc over the distance to its neighbours: a closed, yet sharp surface."""

THIN = 0.18
"""Thickness of a disc over its width."""

OPACITY = 0.97


def spacing_of(
    points: Float[ndarray, "points 3"], normals: Float[ndarray, "points 3"]
) -> Float[ndarray, " points"]:
    """Mean distance to the neighbours that face the same way."""
    distance, index = cKDTree(points).query(points, k=9, workers=thread_count())
    distance, index = distance[:, 1:], index[:, 1:]
    alike = (normals[index] * normals[:, None]).sum(2) > 0.2
    order = np.argsort(np.where(alike, distance, np.inf), axis=1)[:, :6]
    nearest = np.take_along_axis(distance, order, 1)
    usable = np.take_along_axis(alike, order, 1)
    return (nearest * usable).sum(1) / np.maximum(usable.sum(1), 1) + (usable.sum(1) == 0) * distance[:, 0]


def discs(
    means: Float[ndarray, "splats 3"],
    normals: Float[ndarray, "splats 3"],
    widths: Float[ndarray, " splats"],
    colors: Float[ndarray, "splats 3"],
) -> Splats:
    """Flat splats that lie in the surface."""
    helper = np.where(np.abs(normals[:, 1:2]) < 0.9, [[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]])
    tangent = np.cross(helper, normals)
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    axes = np.stack([tangent, np.cross(normals, tangent), normals], 2)
    scales = np.maximum(widths[:, None] * [1.0, 1.0, THIN], 2e-4)
    return Splats(
        means=torch.from_numpy(means).float(),
        quats=quats_from_matrices(torch.from_numpy(axes)).float(),
        log_scales=torch.from_numpy(np.log(scales)).float(),
        opacity_logits=torch.full((len(means),), float(np.log(OPACITY / (1 - OPACITY)))),
        sh=sh_from_colors(torch.from_numpy(colors).float()),
    )


def bind(
    means: Float[ndarray, "splats 3"],
    rig_face: Int[ndarray, " splats"],
    barycentric: Float[ndarray, "splats 3"],
    weights: Float[ndarray, "splats joints"],
    rig: Rig,
) -> Binding:
    """Bind splats to triangles of the rig at rest, and to the four joints that move them most."""
    from vivant.lift import _kernels

    corners = rig.verts.double().numpy()[rig.faces.numpy()[rig_face]]
    feet = np.einsum("sk,skd->sd", barycentric, corners)
    offset = np.einsum("sij,si->sj", face_frames(corners), means - feet)
    joints = _kernels.largest_four(np.ascontiguousarray(weights))
    strongest = np.take_along_axis(weights, joints, 1).astype(float)
    strongest = strongest / strongest.sum(1, keepdims=True)
    return Binding(
        face=torch.from_numpy(rig_face).long(),
        barycentric=torch.from_numpy(barycentric).float(),
        offset=torch.from_numpy(offset).float(),
        skin_joints=torch.from_numpy(joints).long(),
        skin_weights=torch.from_numpy(strongest).float(),
    )


def face_frames(corners: Float[ndarray, "faces 3 3"]) -> Float[ndarray, "faces 3 3"]:
    """Tangent (along the first side), bitangent and normal of triangles, as columns."""
    tangent = corners[:, 1] - corners[:, 0]
    tangent = tangent / np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    normal = np.cross(tangent, corners[:, 2] - corners[:, 0])
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    return np.stack([tangent, np.cross(normal, tangent), normal], 2)
