"""What the generator of views is told about a person: made from the photo and from the avatar so far."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics, skin_points
from vivant.core.cameras import Cameras, project
from vivant.core.errors import BadInputError
from vivant.mesh import interpolate, rasterize_mesh, vertex_normals
from vivant.networks import KINDS, TASKS, ViewConditions, ViewUNetConfig, draw_skeleton, plucker_rays
from vivant.records import Avatar, Person, Pose

ROOM = 1.25
"""Side of the photo's square by the person's extent in it: what training shows."""


@dataclass(frozen=True)
class FramedPhoto:
    """The person in a square picture."""

    rgba: Float[Tensor, "4 size size"]
    """Colours -1 to 1 (0 outside), mask 0 to 1."""

    camera: Cameras


@dataclass(frozen=True)
class Place:
    """Where the person of the photo stands, and from where the photo was taken."""

    middle: Float[Tensor, "3"]
    """Of the body, world, metres."""

    height: Float[Tensor, ""]
    """Extent of the body: the larger of height and width, metres."""

    front_deg: float
    """Azimuth of the photo's camera round the middle."""


def place_in_photo(avatar: Avatar) -> Place:
    """Where the person stands in the photo's world."""
    place = place_in_motion(avatar, _frames(avatar.photo_pose, 1))
    away = avatar.photo_camera.centers_world[0] - place.middle
    return Place(place.middle, place.height, math.degrees(math.atan2(float(away[0]), float(away[2]))))


def place_in_motion(avatar: Avatar, poses: Pose) -> Place:
    """Where a person stands who moves before a camera at +z."""
    verts = _posed(avatar, poses).flatten(0, 1)
    low, high = verts.amin(0), verts.amax(0)
    return Place((low + high) / 2, (high - low).max(), 0.0)


def frame_photo(person: Person, avatar: Avatar, size: int) -> FramedPhoto:
    """Cut a square round the person, body and mask, and give the camera that sees it."""
    pixels, _ = project(_posed(avatar, _frames(avatar.photo_pose, 1))[0], avatar.photo_camera)
    shown = (person.alpha > 0.5).nonzero().flip(1).float()
    corners = torch.cat([pixels, shown]) if len(shown) else pixels
    low, high = corners.amin(0), corners.amax(0)
    side = max(int(ROOM * float((high - low).max())), 8)
    left, top = ((low + high - side) / 2).floor().int().tolist()
    height, width = person.alpha.shape
    mask = person.alpha[None]
    flat = torch.cat([(2 * person.foreground.permute(2, 0, 1) - 1) * mask, mask])
    square = torch.nn.functional.pad(flat, (-left, left + side - width, -top, top + side - height))
    small = torch.nn.functional.interpolate(square[None], (size, size), mode="bilinear", antialias=True)[0]
    intrinsics = avatar.photo_camera.intrinsics.clone()
    intrinsics[:, 0, 2] -= left
    intrinsics[:, 1, 2] -= top
    whole = Cameras(avatar.photo_camera.cam_from_world, intrinsics, side, side)
    return FramedPhoto(small, whole.resized(size, size))


def conditions_of(
    avatar: Avatar,
    photo: FramedPhoto,
    guide: Float[Tensor, "views 4 size size"],
    cameras: Cameras,
    poses: Pose,
    place: Place,
    task: str,
    config: ViewUNetConfig,
) -> ViewConditions:
    """All that the generator is told about some views of one person.

    Args:
        avatar: Whose body is drawn.
        photo: The reference.
        guide: Coarse pictures of the views, colours -1 to 1 (0 outside) and mask.
        cameras: Of the views, as large as the generator's pictures.
        poses: Of the views: one frames axis.
        place: Where the person stands, and where the front is.
        task: Name in `TASKS`.
        config: Of the generator.

    Raises:
        BadInputError: If the rig has other joints than the anny body, which the generator was trained on.
    """
    places = config.size // config.patch
    seen = _frames(avatar.photo_pose, 1)
    turned = _seen_from_front(cameras, place)
    rays = plucker_rays(turned, places, places, place.middle)
    return ViewConditions(
        reference=torch.cat([photo.rgba, body_normals(avatar, photo.camera, seen)[0]])[None],
        guide=guide[None],
        normals=body_normals(avatar, cameras, poses)[None],
        skeleton=2 * skeletons(avatar, cameras, poses)[None] - 1,
        rays=rays[None],
        keep=torch.ones(1, len(KINDS)),
        task=torch.tensor([TASKS.index(task)]),
    )


def body_normals(avatar: Avatar, cameras: Cameras, poses: Pose) -> Float[Tensor, "views 3 size size"]:
    """Normals of the body without clothes in camera axes; 0 outside."""
    faces, made = avatar.rig.faces, []
    for view, verts in enumerate(_posed(avatar, poses)):
        camera = cameras[view]
        normals_cam = vertex_normals(verts, faces) @ camera.cam_from_world[0, :3, :3].T
        made.append(interpolate(rasterize_mesh(verts, faces, camera), faces, normals_cam)[0])
    return torch.nn.functional.normalize(torch.stack(made).permute(0, 3, 1, 2), dim=1)


def skeletons(avatar: Avatar, cameras: Cameras, poses: Pose) -> Float[Tensor, "views 3 size size"]:
    """Bones as coloured lines, 0 to 1; 0 outside.

    Raises:
        BadInputError: If the rig has other joints than the anny body.
    """
    rig = avatar.rig
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    try:
        return draw_skeleton(
            rig.joint_names,
            rig.joints_world,
            transforms,
            cameras.cam_from_world,
            cameras.intrinsics,
            cameras.width,
        )
    except ValueError as error:
        raise BadInputError(
            f"Views are imagined for the anny body only; this avatar's rig is another one ({error})."
        ) from error


def _posed(avatar: Avatar, poses: Pose) -> Float[Tensor, "frames verts 3"]:
    rig = avatar.rig
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, poses)
    return skin_points(rig.verts, rig.skin_joints, rig.skin_weights, transforms)


def _frames(pose: Pose, count: int) -> Pose:
    """One moment, so many times."""
    return Pose(pose.local_quats.expand(count, -1, -1), pose.root.expand(count, -1))


def _seen_from_front(cameras: Cameras, place: Place) -> Cameras:
    """Turn the world about the person so that the photo is taken from +z, as in training."""
    angle = math.radians(place.front_deg)
    turn = torch.eye(4)
    turn[0, 0] = turn[2, 2] = math.cos(angle)
    turn[0, 2], turn[2, 0] = math.sin(angle), -math.sin(angle)
    shift = torch.eye(4)
    shift[:3, 3] = place.middle
    world_from_front = shift @ turn @ torch.linalg.inv(shift)
    return Cameras(cameras.cam_from_world @ world_from_front, cameras.intrinsics, cameras.width, cameras.height)
