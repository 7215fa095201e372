"""An avatar in a pose: its splats carried and turned by the rig."""

from vivant.body import forward_kinematics
from vivant.core.errors import BadInputError
from vivant.records import Avatar, Pose, Splats
from vivant.splat import pose_splats


def pose_avatar(avatar: Avatar, pose: Pose) -> Splats:
    """Carry an avatar's splats into one pose, in world axes.

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
    return pose_splats(avatar.splats, avatar.binding, world_from_rest)
