"""A skinned mesh that looks like an avatar: the rig's body, moved onto the splats' surface.

Splats lie on cloth and hair, the rig's vertices on the skin below. Every splat knows the triangle it rides on,
so the way from the skin to the cloth is known at many thousand points; vertices take the smooth field that fits
them best (screened Poisson: data where there are splats, smoothness everywhere).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_matrix, csr_matrix, diags_array
from scipy.sparse.linalg import spsolve
from torch import Tensor

from vivant.body import uniform_laplacian
from vivant.mesh import vertex_normals
from vivant.records import Avatar, Rig

SOLUTIONS = ((1e4, 0.1), (300.0, 0.05), (10.0, 0.03), (0.5, 0.02))
"""For each solution the weight of smoothness against a vertex with the mean number of splats, and the metres
off the surface at which a splat is trusted a quarter in the next."""

SEEN = 0.3
"""Splats of less opacity do not shape the surface."""

LOOSE = (0.01, 0.04)
"""Metres off the skin: where vertices begin to follow their splats' bones, and where they follow them only."""

INFLUENCES = 4
"""Bones a vertex: what every engine reads."""


@dataclass(frozen=True)
class SkinnedMesh:
    """Triangles that ride on a rig's joints; corners on a seam of the texture stand twice."""

    verts: Float[Tensor, "corners 3"]
    normals: Float[Tensor, "corners 3"]
    uv: Float[Tensor, "corners 2"]
    """0 to 1, v up."""

    faces: Int[Tensor, "faces 3"]
    skin_joints: Int[Tensor, "corners 4"]
    skin_weights: Float[Tensor, "corners 4"]
    """Rows sum to 1, the heaviest first."""

    vert: Int[Tensor, " corners"]
    """The rig's vertex of each corner."""


def dress(avatar: Avatar) -> SkinnedMesh:
    """Move the rig's body onto the splats, and let loose cloth follow the bones that its splats follow."""
    rig = avatar.rig
    vert_from_splat = _shares(avatar)
    offsets = _offsets(avatar, vert_from_splat)
    joints, weights = _skin(avatar, vert_from_splat, offsets)
    verts = rig.verts + torch.from_numpy(offsets).float()
    vert, uv, faces = split_seams(rig)
    return SkinnedMesh(
        verts=verts[vert],
        normals=_unit(vertex_normals(verts, rig.faces))[vert],
        uv=rig.uv[uv],
        faces=faces,
        skin_joints=joints[vert],
        skin_weights=weights[vert],
        vert=vert,
    )


def split_seams(rig: Rig) -> tuple[Int[Tensor, " corners"], Int[Tensor, " corners"], Int[Tensor, "faces 3"]]:
    """Number each pair of vertex and texture point once: its vertex, its texture point, triangles of pairs."""
    pairs = rig.faces.long() * len(rig.uv) + rig.uv_faces.long()
    kept, faces = pairs.flatten().unique(return_inverse=True)
    return kept // len(rig.uv), kept % len(rig.uv), faces.reshape(-1, 3)


def _shares(avatar: Avatar) -> csr_matrix:
    """How much each splat says about each vertex: near corners of its triangle, much opacity, much area."""
    binding, splats = avatar.binding, avatar.splats
    scales = splats.scales.sort(dim=1).values
    says = torch.where(splats.opacities > SEEN, splats.opacities * scales[:, 1] * scales[:, 2], 0.0)
    corners = avatar.rig.faces[binding.face]
    values = (binding.barycentric.clamp(min=0) * says[:, None]).double().numpy()
    columns = np.arange(len(splats)).repeat(3)
    shape = (len(avatar.rig.verts), len(splats))
    return csr_matrix(coo_matrix((values.ravel(), (corners.flatten().numpy(), columns)), shape=shape))


def _offsets(avatar: Avatar, vert_from_splat: csr_matrix) -> Float[ndarray, "verts 3"]:
    """Metres from each vertex to the cloth above it.

    Solved from coarse to fine, each time with less trust in splats far off the surface found before
    (Geman-McClure): one that was bound to a far triangle would pull a spike out of the mesh.
    """
    rig, binding = avatar.rig, avatar.binding
    share = binding.barycentric[..., None]
    corners = rig.faces[binding.face]
    above = (avatar.splats.means - (rig.verts[corners] * share).sum(1)).double().numpy()
    laplacian = uniform_laplacian(rig.faces, len(rig.verts))
    stiffness = laplacian.T @ laplacian
    trust = np.ones(len(above))
    offsets = np.zeros((len(rig.verts), 3))
    for smoothness, stray in SOLUTIONS:
        trusted = csr_matrix(vert_from_splat @ diags_array(trust))
        said = np.asarray(trusted.sum(1)).ravel()
        if not said.any():
            break
        scale = 1 / said[said > 0].mean()
        # The last term keeps what no splat is near, such as teeth, where it is.
        matrix = diags_array(said * scale + 1e-6) + smoothness * stiffness
        offsets = np.asarray(spsolve(matrix.tocsc(), trusted @ above * scale)).reshape(-1, 3)
        field = (offsets[corners.numpy()] * share.numpy()).sum(1)
        trust = 1 / (1 + (np.linalg.norm(above - field, axis=1) / stray) ** 2) ** 2
    return offsets


def _skin(
    avatar: Avatar, vert_from_splat: csr_matrix, offsets: Float[ndarray, "verts 3"]
) -> tuple[Int[Tensor, "verts 4"], Float[Tensor, "verts 4"]]:
    """Bones of each vertex: the rig's own on the skin, those of the splats where cloth is loose."""
    rig, binding = avatar.rig, avatar.binding
    num_verts, num_joints = len(rig.verts), len(rig.joint_names)
    dense = torch.zeros(num_verts, num_joints).scatter_add_(1, rig.skin_joints.long(), rig.skin_weights)
    rows = np.arange(len(avatar.splats)).repeat(binding.skin_joints.shape[1])
    followed = csr_matrix(
        (binding.skin_weights.flatten().numpy(), (rows, binding.skin_joints.flatten().numpy())),
        shape=(len(avatar.splats), num_joints),
    )
    said = torch.from_numpy(np.asarray(vert_from_splat.sum(1))).float()
    loose = torch.from_numpy(csr_matrix(vert_from_splat @ followed).toarray()).float() / said.clamp(min=1e-30)
    height = torch.from_numpy(np.linalg.norm(offsets, axis=1)).float()
    amount = ((height - LOOSE[0]) / (LOOSE[1] - LOOSE[0])).clamp(0, 1)[:, None] * (said > 0)
    weights, joints = (dense + (loose - dense) * amount).topk(min(INFLUENCES, num_joints), dim=1)
    spare = INFLUENCES - weights.shape[1]
    weights = torch.nn.functional.pad(weights, (0, spare))
    joints = torch.nn.functional.pad(joints, (0, spare))
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
    # A joint of no weight must be named 0 (glTF 2.0, section 3.7.3.3).
    return torch.where(weights > 0, joints, 0), weights


def _unit(normals: Float[Tensor, "verts 3"]) -> Float[Tensor, "verts 3"]:
    """A corner of no area points up: files must not hold normals without length."""
    up = normals.new_tensor([0.0, 1.0, 0.0])
    return torch.where(normals.norm(dim=-1, keepdim=True) > 0.5, normals, up)
