"""An avatar in a pose: its splats carried and turned by the rig."""

from jaxtyping import Float
from torch import Tensor

from vivant.animate.face import Expressions
from vivant.body import forward_kinematics, stretch_splats
from vivant.core.errors import BadInputError
from vivant.records import Avatar, Pose, Splats
from vivant.splat import Blend, pose_splats


def pose_avatar(
    avatar: Avatar,
    pose: Pose,
    expressions: Expressions | None = None,
    weights: Float[Tensor, " actions"] | None = None,
    *,
    blend: Blend = "linear",
    stretch: bool = True,
) -> Splats:
    """Carry an avatar's splats into one pose, in world axes.

    Args:
        avatar: Whom.
        pose: One moment.
        expressions: How its face moves, from `expressions_of`; None: as in the photo.
        weights: How strong each of their actions is, 0 to 1.
        blend: How joints blend, as in `vivant.splat.pose_splats`.
        stretch: Whether splats stretch with the skin where it bends far. Their places do not depend on it. With
            dual quaternions they never do: what stretches is the skin of a linear blend.

    Raises:
        BadInputError: If the pose is of another rig, has a frames axis, or holds values that are not finite.
    """
    rig = avatar.rig
    if pose.local_quats.shape != (len(rig.joint_names), 4):
        raise BadInputError(
            f"The pose has shape {tuple(pose.local_quats.shape)}; the avatar's rig needs one moment of "
            f"{len(rig.joint_names)} joints: ({len(rig.joint_names)}, 4)."
        )
    world_from_rest = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    splats = avatar.splats
    if expressions is not None and weights is not None:
        splats = expressions.apply(splats, weights)
    posed = pose_splats(splats, avatar.binding, world_from_rest, blend=blend)
    if not stretch or blend != "linear":
        return posed
    return stretch_splats(posed, splats, avatar.binding, rig, world_from_rest)
