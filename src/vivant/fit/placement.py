"""From the solver's state to a `Body` that stands in the world."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import pose_verts
from vivant.core.cameras import Cameras
from vivant.core.rotations import quats_from_matrices, quats_identity
from vivant.fit.reduced import State, local_rotations
from vivant.fit.solve import Anatomy
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
    rig: Rig, pose: Pose, shape: Shape, person: Person, intrinsics: Float[Tensor, "3 3"], notes: tuple[str, ...]
) -> Body:
    """Move person and camera together: lowest point on y = 0, hips over the origin."""
    verts = pose_verts(rig, pose)
    hips = pose.root + rig.joints_world[0]
    shift = torch.stack([-hips[0], -verts[:, 1].min(), -hips[2]])
    height, width = person.alpha.shape
    return Body(
        rig=rig,
        pose=Pose(pose.local_quats, pose.root + shift),
        camera=_camera(shift, intrinsics, width, height),
        shape=shape,
        notes=notes,
    )


def _camera(shift: Float[Tensor, "3"], intrinsics: Float[Tensor, "3 3"], width: int, height: int) -> Cameras:
    cam_from_world = LEVEL.clone()
    cam_from_world[:3, 3] = -LEVEL[:3, :3] @ shift
    return Cameras(cam_from_world[None], intrinsics[None], width, height)
