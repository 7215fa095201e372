"""From the solver's state to a `Body` that stands in the world."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import pose_verts
from vivant.core.cameras import Cameras
from vivant.core.rotations import multiply_quats, quats_from_matrices, quats_identity
from vivant.fit.reduced import State, local_rotations
from vivant.fit.solve import Anatomy
from vivant.fit.terms import upright_axes
from vivant.records import Body, Person, Pose, Rig, Shape

LEVEL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
"""`cam_from_world` of a level camera at the origin that looks along -z."""


def pose_of(anatomy: Anatomy, state: State, rig: Rig) -> Pose:
    """The state's joint rotations as a pose of the rig."""
    freedoms = anatomy.freedoms
    quats = quats_identity(len(rig.joint_names))
    quats[freedoms.joints] = quats_from_matrices(local_rotations(state.bends, freedoms.axes))
    quats[0] = quats_from_matrices(state.root_rotation)
    return Pose(quats, state.root - rig.joints_world[0])


def place_in_world(
    rig: Rig,
    pose: Pose,
    shape: Shape,
    person: Person,
    intrinsics: Float[Tensor, "3 3"],
    tilt: Float[Tensor, ""],
) -> Body:
    """Turn and move person and camera together: up is +y, the lowest point at y = 0, hips over the origin."""
    hips = rig.joints_world[0]
    up, front = upright_axes(tilt)
    world_from_solver = torch.stack([torch.tensor([1.0, 0.0, 0.0]), up, front])
    quats = pose.local_quats.clone()
    quats[0] = multiply_quats(quats_from_matrices(world_from_solver), quats[0])
    turned = Pose(quats, world_from_solver @ (pose.root + hips) - hips)
    at = turned.root + hips
    shift = torch.stack([-at[0], -pose_verts(rig, turned)[:, 1].min(), -at[2]])
    height, width = person.alpha.shape
    cam_from_world = LEVEL.clone()
    cam_from_world[:3, :3] = LEVEL[:3, :3] @ world_from_solver.T
    cam_from_world[:3, 3] = -cam_from_world[:3, :3] @ shift
    camera = Cameras(cam_from_world[None], intrinsics[None], width, height)
    return Body(rig, Pose(quats, turned.root + shift), camera, shape)
