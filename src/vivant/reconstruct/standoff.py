"""What is learned of depth carried to a coarse avatar: how far its surface stands off in front and behind."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.checks import expect_within
from vivant.core.run import Context
from vivant.engines.own_networks import load_standoff
from vivant.networks import standoff_features
from vivant.reconstruct.learned import knows_body, predicted
from vivant.reconstruct.surface_field import field_over, moved_by, over_places
from vivant.records import Avatar
from vivant.splat import pose_splats


@dataclass(frozen=True)
class StandOffConfig:
    """How learned depth is taken over."""

    amount: float = 1.0
    """Part of what is predicted; 0 leaves the shape alone."""

    sideways: float = 0.25
    """Part of a move across the photo that is taken: where outlines are in the photo it tells itself
    (docs/decisions/053). At 0 the avatar looks in the photo as before."""

    limit: float = 0.05
    """Metres that the surface moves at most."""

    weights: str = ""
    """File from `tools/fit_standoff.py`; the one in the package if empty."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, amount=(0, 2), sideways=(0, 1), limit=(0, 1))


def stand_off(context: Context, avatar: Avatar, config: StandOffConfig) -> Avatar:
    """Move the surface in and out as people of that build and in such clothes have it; nothing else changes.

    Most of a move is along the photo's rays, which say nothing of depth. A body of another kind than the
    learned one stays as it is.

    Raises:
        BadFileError: If the file of weights is missing, damaged, or of another network.
        MissingWeightsError: If no weights are in the package.
        NumericalError: If numbers become infinite.
    """
    if config.amount == 0:
        return avatar
    network, _ = load_standoff(config.weights)
    if not knows_body(context, network, avatar, what="depth", keeps="shape"):
        return avatar
    features = torch.cat(standoff_features(avatar, network.places))
    moves = config.amount * predicted(network, features, what="depth", maker="tools/fit_standoff.py")
    field = field_over(avatar)
    rays = photo_rays(avatar)
    depth = (field.ways * rays).sum(1, keepdim=True) * rays
    field = replace(field, ways=torch.lerp(depth, field.ways, config.sideways))
    return moved_by(avatar, field, over_places(field, avatar, moves), config.limit)


def photo_rays(avatar: Avatar) -> Float[Tensor, "splats 3"]:
    """Which way the photo's camera looks at each splat, turned back with its part to the rest pose."""
    camera, binding = avatar.photo_camera, avatar.binding
    joints = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, avatar.photo_pose)
    turn = (joints[binding.skin_joints, :3, :3] * binding.skin_weights[..., None, None]).sum(1)
    to_camera = camera.cam_from_world[0, :3, :3]
    if camera.orthographic:
        rays = to_camera[2].expand(len(turn), 3)
    else:
        eye = -to_camera.T @ camera.cam_from_world[0, :3, 3]
        rays = pose_splats(avatar.splats, binding, joints).means - eye
    # Mixed turns are nearly turns: their transpose nearly undoes them, and always exists.
    return torch.nn.functional.normalize((turn.mT @ rays[..., None])[..., 0], dim=1)
