"""Coarse pictures of the views to be made: by the avatar's splats, or by a NeRF."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.imagine.told import FramedPhoto
from vivant.networks import HumanNerf, Photographed, anny_anchors, flat_colors, nerf_scene
from vivant.records import Avatar, Pose
from vivant.splat import pose_splats, rasterize

POINTS = 1024
"""Points of the body that a NeRF's samples follow."""

TOGETHER = 4
"""Views that a NeRF draws at once: it bounds memory."""


def splat_guides(
    avatar: Avatar, cameras: Cameras, poses: Pose
) -> tuple[Float[Tensor, "views 4 size size"], Float[Tensor, "views size size"]]:
    """Draw an avatar: colours -1 to 1 (0 outside) with mask, and how far the photo vouches for each pixel."""
    rig = avatar.rig
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    pictures, trusts = [], []
    for view in range(len(cameras)):
        posed = pose_splats(avatar.splats, avatar.binding, transforms[view])
        drawn = rasterize(posed, cameras[view], features=avatar.trust[:, None], normals=False)
        pictures.append(torch.cat([drawn.color[0, ..., :3], drawn.alpha[0, ..., None]], dim=-1))
        trusts.append(drawn.color[0, ..., 3] / drawn.alpha[0].clamp(min=1e-3))
    return flat_colors(torch.stack(pictures).permute(0, 3, 1, 2)), torch.stack(trusts).clamp(0, 1)


@torch.no_grad()
def nerf_guides(
    network: HumanNerf, avatar: Avatar, photo: FramedPhoto, cameras: Cameras, poses: Pose
) -> Float[Tensor, "views 4 size size"]:
    """Draw the photo's person by a NeRF, enlarged to the views' size (GAS, arXiv 2502.06957, section 3.2)."""
    rig, side = avatar.rig, network.config.side
    device = next(network.parameters()).device
    joints = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    seen = forward_kinematics(rig.joint_parents, rig.joints_world, avatar.photo_pose)
    small = cameras.resized(side, side)
    anchors, made = anny_anchors(POINTS, 4).to(device), []
    for some in torch.arange(len(cameras)).split(TOGETHER):
        count = len(some)
        people = Photographed(
            photo=photo.rgba.expand(count, -1, -1, -1).to(device),
            cam_from_world=photo.camera.cam_from_world.expand(count, -1, -1).to(device),
            intrinsics=photo.camera.intrinsics.expand(count, -1, -1).to(device),
            joints=seen.expand(count, -1, -1, -1).to(device),
            body_verts=rig.verts.expand(count, -1, -1).to(device),
            faces=rig.faces.to(device),
        )
        scene = nerf_scene(people, joints[some].to(device), anchors)
        drawn = network(scene, small.cam_from_world[some].to(device), small.intrinsics[some].to(device))
        made.append(drawn.large.float().cpu().clamp(0, 1))
    whole = torch.nn.functional.interpolate(
        torch.cat(made), (cameras.height, cameras.width), mode="bilinear", align_corners=False
    )
    return flat_colors(torch.cat([whole[:, :3].minimum(whole[:, 3:]), whole[:, 3:]], dim=1))
