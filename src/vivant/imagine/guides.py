"""Coarse pictures of the views to be made: by the avatar's splats, by the lifter's, or by a NeRF."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics, skin_points, skin_quats
from vivant.core.cameras import Cameras
from vivant.imagine.told import FramedPhoto
from vivant.networks import (
    HumanNerf,
    Lifter,
    Photographed,
    anny_anchors,
    flat_colors,
    lifter_input,
    nerf_scene,
)
from vivant.records import Avatar, Pose, Splats
from vivant.splat import pose_splats, rasterize, rasterize_averaged, sh_from_colors

POINTS = 1024
"""Points of the body that a NeRF's samples follow."""

TOGETHER = 4
"""Views that a NeRF draws at once: it bounds memory."""

FINE_SIDE = 512
"""Pixels a side at which splats are drawn at least: here a body covers 3 % more than it does."""


def splat_guides(
    avatar: Avatar, cameras: Cameras, poses: Pose
) -> tuple[Float[Tensor, "views 4 size size"], Float[Tensor, "views size size"]]:
    """Draw an avatar: colours -1 to 1 (0 outside) with mask, and how far the photo vouches for each pixel."""
    rig = avatar.rig
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    pictures, trusts = [], []
    for view in range(len(cameras)):
        posed = pose_splats(avatar.splats, avatar.binding, transforms[view])
        drawn = _drawn(posed, cameras[view], avatar.trust[:, None])
        pictures.append(drawn[[0, 1, 2, 4]])
        trusts.append(drawn[3] / drawn[4].clamp(min=1e-3))
    return flat_colors(torch.stack(pictures)), torch.stack(trusts).clamp(0, 1)


@torch.no_grad()
def lifter_guides(
    network: Lifter, avatar: Avatar, photo: FramedPhoto, cameras: Cameras, poses: Pose
) -> Float[Tensor, "views 4 size size"]:
    """Draw the splats that the lifter makes of the photo and the body (LHM, arXiv 2503.10625)."""
    rig, config = avatar.rig, network.config
    device = next(network.parameters()).device
    anchors = anny_anchors(config.anchors, config.splats)
    seen = forward_kinematics(rig.joint_parents, rig.joints_world, avatar.photo_pose)
    shown = rasterize(pose_splats(avatar.splats, avatar.binding, seen), photo.camera, normals=False)
    depth = shown.depth * (shown.alpha > 0.5)
    people = _photographed(avatar, photo, 1, device)
    told = lifter_input(people, depth.to(device), anchors.to(device))
    lifted = network(told)
    skin = anchors.skin_joints.flatten(0, 1), anchors.skin_weights.flatten(0, 1)
    joints = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    means = skin_points(lifted.means[0].cpu(), *skin, joints)
    quats = skin_quats(lifted.quats[0].cpu(), *skin, joints)
    sizes, opacities = lifted.log_scales[0].cpu(), lifted.opacity_logits[0].cpu()
    colors = sh_from_colors(lifted.colors[0].cpu())
    pictures = []
    for view in range(len(cameras)):
        splats = Splats(means[view], quats[view], sizes, opacities, colors)
        pictures.append(_drawn(splats, cameras[view]))
    return flat_colors(torch.stack(pictures))


def _drawn(
    splats: Splats, camera: Cameras, features: Float[Tensor, "splats features"] | None = None
) -> Float[Tensor, "channels size size"]:
    """Premultiplied colours, features, mask: drawn fine, then averaged."""
    drawn = rasterize_averaged(splats, camera, features=features, normals=False, least_side=FINE_SIDE)
    return torch.cat([drawn.color[0], drawn.alpha[0, ..., None]], dim=-1).permute(2, 0, 1)


def _photographed(avatar: Avatar, photo: FramedPhoto, count: int, device: torch.device) -> Photographed:
    """The photo's person, so many times."""
    rig = avatar.rig
    seen = forward_kinematics(rig.joint_parents, rig.joints_world, avatar.photo_pose)
    return Photographed(
        photo=photo.rgba.expand(count, -1, -1, -1).to(device),
        cam_from_world=photo.camera.cam_from_world.expand(count, -1, -1).to(device),
        intrinsics=photo.camera.intrinsics.expand(count, -1, -1).to(device),
        joints=seen.expand(count, -1, -1, -1).to(device),
        body_verts=rig.verts.expand(count, -1, -1).to(device),
        faces=rig.faces.to(device),
    )


@torch.no_grad()
def nerf_guides(
    network: HumanNerf, avatar: Avatar, photo: FramedPhoto, cameras: Cameras, poses: Pose
) -> Float[Tensor, "views 4 size size"]:
    """Draw the photo's person by a NeRF, enlarged to the views' size (GAS, arXiv 2502.06957, section 3.2)."""
    rig, side = avatar.rig, network.config.side
    device = next(network.parameters()).device
    joints = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    small = cameras.resized(side, side)
    anchors, made = anny_anchors(POINTS, 4).to(device), []
    for some in torch.arange(len(cameras)).split(TOGETHER):
        scene = nerf_scene(_photographed(avatar, photo, len(some), device), joints[some].to(device), anchors)
        drawn = network(scene, small.cam_from_world[some].to(device), small.intrinsics[some].to(device))
        made.append(drawn.large.float().cpu().clamp(0, 1))
    whole = torch.nn.functional.interpolate(
        torch.cat(made), (cameras.height, cameras.width), mode="bilinear", align_corners=False
    )
    return flat_colors(torch.cat([whole[:, :3].minimum(whole[:, 3:]), whole[:, 3:]], dim=1))
