"""What all formats of rigged meshes hold: a dressed mesh, its texture, its joints, and clips."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import blend_transforms, forward_kinematics, rest_pose, skin_points
from vivant.core.errors import BadInputError
from vivant.core.rotations import (
    invert_quats,
    multiply_quats,
    normalize_quats,
    quats_from_matrices,
    quats_from_rotvecs,
)
from vivant.export.dressing import SkinnedMesh, dress
from vivant.export.face import Face, make_face
from vivant.export.texture import bake_texture
from vivant.records import Avatar, Motion, Pose, Rig


@dataclass(frozen=True)
class Figure:
    """A rigged, textured mesh and its clips. At rest all joints' axes are the world's."""

    mesh: SkinnedMesh
    texture: Float[Tensor, "size size 3"]
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    joints_world: Float[Tensor, "joints 3"]
    """Places at rest, in metres."""

    motions: tuple[Motion, ...]
    face: Face | None = None
    """Morph targets; None for a body without facial actions."""


def make_figure(
    avatar: Avatar,
    motions: tuple[Motion, ...],
    texture_size: int,
    advance: Callable[[float], None] = lambda fraction: None,
) -> Figure:
    """Dress the avatar's body, bake its texture, and take the clips as they are.

    Raises:
        BadInputError: If a motion is of another rig or the texture's size is out of range.
    """
    rig = avatar.rig
    if not 16 <= texture_size <= 8192:
        raise BadInputError(f"A texture of {texture_size} px; 16 to 8192 are possible.")
    for motion in motions:
        expect_of_rig(motion, rig)
    mesh = dress(avatar)
    texture = bake_texture(avatar, mesh, texture_size, advance)
    face = make_face(avatar, mesh)
    return Figure(mesh, texture, rig.joint_names, rig.joint_parents, rig.joints_world, motions, face)


def expect_of_rig(motion: Motion, rig: Rig) -> None:
    """Make sure that a motion can be played on a rig.

    Raises:
        BadInputError: If it has other joints.
    """
    if motion.pose.local_quats.shape[1:] != (len(rig.joint_names), 4):
        raise BadInputError(
            f"The motion {motion.name!r} is of {motion.pose.local_quats.shape[1]} joints; the avatar's rig has "
            f"{len(rig.joint_names)}. Retarget it to this avatar first."
        )


def in_t_pose(figure: Figure, humanoid: dict[str, int]) -> Figure:
    """Make the T-pose the rest pose, as VRM wants it: arms along x, legs straight down, feet on the floor.

    A clip's turns are relative to the old rest. With the joints' world turns T in the T-pose and L in a frame's
    local turns, the same picture needs T_parent L T^-1.

    Args:
        figure: In any rest pose.
        humanoid: Joints by VRM's names.
    """
    parents = figure.joint_parents
    pose = _t_pose(figure, humanoid)
    world_from_rest = forward_kinematics(parents, figure.joints_world, pose)
    mesh = figure.mesh
    verts = skin_points(mesh.verts, mesh.skin_joints, mesh.skin_weights, world_from_rest)
    linear = blend_transforms(mesh.skin_joints, mesh.skin_weights, world_from_rest)[..., :3]
    normals = torch.nn.functional.normalize((linear @ mesh.normals[..., None])[..., 0], dim=-1)
    floor = torch.stack([verts.new_zeros(()), verts[:, 1].min(), verts.new_zeros(())])
    places = (world_from_rest[:, :3, :3] @ figure.joints_world[..., None])[..., 0] + world_from_rest[:, :3, 3]

    turns = quats_from_matrices(world_from_rest[:, :3, :3])
    above = torch.stack([turns[p] if p >= 0 else turns.new_tensor([1.0, 0, 0, 0]) for p in parents])
    roots = [joint for joint, parent in enumerate(parents) if parent < 0]
    moved = (places - floor - figure.joints_world)[roots[0]]
    motions = tuple(
        replace(
            motion,
            pose=Pose(
                multiply_quats(multiply_quats(above, motion.pose.local_quats), invert_quats(turns)),
                motion.pose.root - moved,
            ),
        )
        for motion in figure.motions
    )
    return replace(
        figure,
        mesh=replace(mesh, verts=verts - floor, normals=normals),
        joints_world=places - floor,
        motions=motions,
    )


def _t_pose(figure: Figure, humanoid: dict[str, int]) -> Pose:
    """Turn upper and lower limbs straight, one after the other; feet and toes keep their direction."""
    joints = figure.joints_world
    pose = rest_pose(len(joints))
    quats = pose.local_quats.clone()
    for side, out in (("left", 1.0), ("right", -1.0)):
        arm = [humanoid[f"{side}{part}"] for part in ("UpperArm", "LowerArm", "Hand")]
        leg = [humanoid[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot")]
        for chain, goal in ((arm, (out, 0.0, 0.0)), (leg, (0.0, -1.0, 0.0))):
            above = quats.new_tensor([1.0, 0.0, 0.0, 0.0])
            for joint, child in zip(chain[:-1], chain[1:], strict=True):
                bone = joints[child] - joints[joint]
                wanted = _shortest_arc(bone, quats.new_tensor(goal))
                # The chain's own joints above have turned already; joints between do not turn.
                quats[joint] = multiply_quats(invert_quats(above), wanted)
                above = wanted
            if chain is leg:
                quats[chain[-1]] = invert_quats(above)
    return Pose(quats, pose.root)


def _shortest_arc(a: Float[Tensor, "3"], b: Float[Tensor, "3"]) -> Float[Tensor, "4"]:
    """The smallest turn from one direction to another."""
    a, b = torch.nn.functional.normalize(a, dim=-1), torch.nn.functional.normalize(b, dim=-1)
    if float(a @ b) < -0.9999:
        return quats_from_rotvecs(torch.pi * a.new_tensor([0.0, 0.0, 1.0]))
    return normalize_quats(torch.cat([(1 + a @ b)[None], torch.linalg.cross(a, b)]))


def continuous_quats(quats: Float[Tensor, "frames joints 4"]) -> Float[Tensor, "frames joints 4"]:
    """Choose each quaternion's sign so that neighbours in time lie close: players interpolate between them."""
    agreement = (quats[1:] * quats[:-1]).sum(-1, keepdim=True)
    signs = torch.where(agreement < 0, -1.0, 1.0).cumprod(0)
    return torch.cat([quats[:1], quats[1:] * signs])


def closed(motion: Motion) -> Motion:
    """A looping clip with its first frame again at the end, so that players, which know no loops, close it."""
    if not motion.loops:
        return motion
    quats, root = motion.pose.local_quats, motion.pose.root
    actions = None if motion.actions is None else torch.cat([motion.actions, motion.actions[:1]])
    pose = Pose(torch.cat([quats, quats[:1]]), torch.cat([root, root[:1]]))
    return replace(motion, pose=pose, actions=actions)
