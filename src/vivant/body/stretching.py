"""Splats that stretch with the skin where joints bend far: armpits of raised arms, hips of a split.

A blend's rotation says how bones turn, not how the skin between them does. Under a raised arm the skin
keeps facing outwards and gets longer; splats that only turn stand out like a fringe, and gaps open between
them. The skin's triangles say how it deforms: by a gradient F. The skin's blend says how splats turn there: by
R. What is between, R^T F - 1, is the strain. A splat takes it before its own turn, so cloth that follows other
bones than the skin under it still does.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.body.skinning import blend_transforms, nearest_rotations
from vivant.core.rotations import matrices_from_quats, quats_from_matrices
from vivant.records import Binding, Rig, Splats

BEGINS, WHOLE = 0.3, 0.7
"""Size of a strain (Frobenius norm) below which splats just turn, and above which they take all of it. Small
ones hide in the overlap of splats, and pictures of usual poses stay as they were fitted."""

STIFF_TURN, STIFF_PLACE = 0.02, 0.002
"""A vertex goes with its heaviest joint alone if the blend differs by no more: of the matrix, and in metres."""

MOST = 2.0
"""Strains are cut to this size: splats that get more than three times longer would be streaks."""


def stretch_splats(
    posed: Splats, rest: Splats, binding: Binding, rig: Rig, world_from_rest: Float[Tensor, "joints 4 4"]
) -> Splats:
    """Stretch splats that joints have posed as the skin under them is.

    Args:
        posed: From `vivant.splat.pose_splats`, with linear blending.
        rest: The same at rest.
        binding: Its triangles say which skin is under them.
        rig: The skin.
        world_from_rest: One rigid transform a joint.
    """
    strains = skin_strains(rig, world_from_rest)
    if not len(posed) or not bool(strains.any()):
        return posed
    corners = rig.faces[binding.face]
    moved = strains.abs().amax((1, 2))[corners].amax(1).nonzero()[:, 0]
    share = binding.barycentric[moved][..., None, None]
    strain = (strains[corners[moved]] * share).sum(1)
    turn = matrices_from_quats(posed.quats[moved])
    own = turn @ matrices_from_quats(rest.quats[moved]).transpose(1, 2)
    scales = posed.log_scales[moved].exp()
    axes = turn * scales[:, None, :]
    axes = axes + own @ strain @ own.transpose(1, 2) @ axes
    sizes, directions = torch.linalg.eigh(axes @ axes.transpose(1, 2))
    directions[..., 0] *= torch.linalg.det(directions).sign()[:, None]
    # The strain of a crushed place may leave no thickness; splats have some.
    sizes = sizes.clamp(min=0).sqrt().maximum(0.1 * scales.amin(1, keepdim=True))
    quats, log_scales = posed.quats.clone(), posed.log_scales.clone()
    quats[moved], log_scales[moved] = quats_from_matrices(directions), sizes.log()
    return Splats(posed.means, quats, log_scales, posed.opacity_logits, posed.sh)


def skin_strains(rig: Rig, world_from_rest: Float[Tensor, "joints 4 4"]) -> Float[Tensor, "verts 3 3"]:
    """How the skin strains at each vertex, in the axes at rest; 0 where it is little.

    A triangle says how its edges and its normal move; a vertex takes the mean of its triangles, by their areas.
    """
    blended = blend_transforms(rig.skin_joints, rig.skin_weights, world_from_rest)
    loose = _loose_verts(rig, blended, world_from_rest[:, :3])
    strains = torch.zeros(len(rig.verts), 3, 3)
    faces = rig.faces[loose[rig.faces].any(1)]
    if not len(faces):
        return strains
    verts = (blended[..., :3] @ rig.verts[..., None])[..., 0] + blended[..., 3]
    weighted, areas = _gradients(rig.verts, verts, faces)
    gradient = torch.zeros(len(verts), 9).index_add_(0, faces.reshape(-1), weighted.repeat_interleave(3, 0))
    area = torch.zeros(len(verts)).index_add_(0, faces.reshape(-1), areas.repeat_interleave(3))
    loose &= area > 1e-12
    mean = (gradient[loose] / area[loose, None]).reshape(-1, 3, 3)
    strain = nearest_rotations(blended[loose, :, :3]).transpose(1, 2) @ mean - torch.eye(3)
    size = strain.flatten(1).norm(dim=1)
    part = ((size - BEGINS) / (WHOLE - BEGINS)).clamp(0, 1)
    scale = part * part * (3 - 2 * part) * (MOST / size.clamp(min=MOST))
    strains[loose] = strain * scale[:, None, None]
    return strains


def _loose_verts(
    rig: Rig, blended: Float[Tensor, "verts 3 4"], transforms: Float[Tensor, "joints 3 4"]
) -> Bool[Tensor, " verts"]:
    """Vertices of triangles that do not go with one joint."""
    heaviest = rig.skin_joints.gather(1, rig.skin_weights.argmax(1, keepdim=True))[:, 0]
    apart = blended - transforms[heaviest]
    moved = (apart[..., :3] @ rig.verts[..., None])[..., 0] + apart[..., 3]
    bent = (apart[..., :3].abs().amax((1, 2)) > STIFF_TURN) | (moved.abs().amax(1) > STIFF_PLACE)
    joints = heaviest[rig.faces]
    between = bent[rig.faces].any(1) | (joints != joints[:, :1]).any(1)
    loose = torch.zeros(len(rig.verts), dtype=torch.bool)
    loose[rig.faces[between]] = True
    return loose


def _gradients(
    rest: Float[Tensor, "verts 3"], posed: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
) -> tuple[Float[Tensor, "faces 9"], Float[Tensor, " faces"]]:
    """Each triangle's deformation gradient times its area at rest, and that area.

    Columns a, b, n (two edges, the unit normal) go to a', b', n'. The inverse of the first three has the rows
    b x n, n x a and a x b, over twice the area.
    """
    a, b = (rest[faces[:, k]] - rest[faces[:, 0]] for k in (1, 2))
    a_posed, b_posed = (posed[faces[:, k]] - posed[faces[:, 0]] for k in (1, 2))
    across, across_posed = torch.linalg.cross(a, b), torch.linalg.cross(a_posed, b_posed)
    double = across.norm(dim=1)
    normal = across / double.clamp(min=1e-12)[:, None]
    normal_posed = torch.nn.functional.normalize(across_posed, dim=1)
    weighted = (
        a_posed[:, :, None] * torch.linalg.cross(b, normal)[:, None]
        + b_posed[:, :, None] * torch.linalg.cross(normal, a)[:, None]
        + normal_posed[:, :, None] * across[:, None]
    )
    return weighted.flatten(1) / 2, double / 2
