"""A body all over with small splats, and its photo."""

from dataclasses import replace

import torch
from tests import fakes

from vivant.body import forward_kinematics
from vivant.records import Avatar, Person
from vivant.splat import pose_splats, rasterize_averaged

COUNT = 8000


def avatar() -> Avatar:
    made = fakes.avatar(COUNT)
    return replace(
        made,
        splats=replace(made.splats, log_scales=torch.full((COUNT, 3), 0.006).log()),
        photo_camera=fakes.camera().resized(384, 512),
    )


def person(of: Avatar) -> Person:
    """Its photo."""
    joints = forward_kinematics(of.rig.joint_parents, of.rig.joints_world, of.photo_pose)
    posed = pose_splats(of.splats, of.binding, joints)
    alpha = rasterize_averaged(posed, of.photo_camera, normals=False).alpha[0]
    image = torch.full((*alpha.shape, 3), 0.5)
    return replace(fakes.person(), image=image, foreground=image, alpha=alpha)
