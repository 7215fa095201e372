"""What the lifter and the NeRF are shown of a person: made from a photo and the body fitted to it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import load_anny, skin_points
from vivant.networks.anchors import Anchors
from vivant.networks.human_nerf import NerfScene
from vivant.networks.lifter import LifterInput

HEAD_REACH = 0.17
"""Metres from the middle of the head to the sides of its crop."""

CLOTH = 0.06
"""Metres between the skin and what the photo shows there, at most."""


def flat_colors(
    premultiplied: Float[Tensor, "*batch 4 height width"],
) -> Float[Tensor, "*batch 4 height width"]:
    """Colours 0 to 1 times the mask become -1 to 1 with 0 outside; the mask stays."""
    color, mask = premultiplied.split([3, 1], dim=-3)
    return torch.cat([2 * color - mask, mask], dim=-3)


def photo_places(
    points_world: Float[Tensor, "people points 3"],
    cam_from_world: Float[Tensor, "people 4 4"],
    intrinsics: Float[Tensor, "people 3 3"],
    size: tuple[int, int],
) -> tuple[Float[Tensor, "people points 2"], Float[Tensor, "people points"]]:
    """Places -1 to 1 in a photo of a size (width, height), and depths in metres."""
    local = points_world @ cam_from_world[:, :3, :3].mT + cam_from_world[:, None, :3, 3]
    depth = local[..., 2]
    pixels = (local @ intrinsics.mT)[..., :2] / depth[..., None].clamp(min=1e-3)
    return pixels / pixels.new_tensor(size) * 2 - 1, depth


def seen_in_photo(
    places: Float[Tensor, "people points 2"],
    depth: Float[Tensor, "people points"],
    facing: Float[Tensor, "people points"],
    photo_depth: Float[Tensor, "people height width"],
) -> Float[Tensor, "people points"]:
    """How well a photo shows points of the skin: 0 where something is before them or they look away.

    Args:
        places: Of the points, -1 to 1.
        depth: Of the points, metres.
        facing: Cosine between the skin's normal and the way to the camera.
        photo_depth: Of the surface that the photo shows; 0 where nothing is.
    """
    shown = torch.nn.functional.grid_sample(
        photo_depth[:, None], places[:, :, None], mode="nearest", align_corners=False
    )[:, 0, :, 0]
    near = (shown > 0) & ((shown - depth).abs() < CLOTH)
    return near * (2 * facing).clamp(0, 1)


def lifter_input(
    photo: Float[Tensor, "people 4 height width"],
    photo_depth: Float[Tensor, "people height width"],
    cam_from_world: Float[Tensor, "people 4 4"],
    intrinsics: Float[Tensor, "people 3 3"],
    joints: Float[Tensor, "people joints 4 4"],
    body_verts: Float[Tensor, "people verts 3"],
    faces: Int[Tensor, "faces 3"],
    anchors: Anchors,
) -> LifterInput:
    """Find the anchors in the photo and cut out the head.

    Args:
        photo: Colours -1 to 1 (0 outside), mask 0 to 1.
        photo_depth: Of the surface the photo shows, metres; 0 where nothing is.
        cam_from_world: The photo's cameras.
        intrinsics: In pixels of the photo.
        joints: How each joint carries points from rest into the photo's pose.
        body_verts: Of the fitted bodies, at rest.
        faces: Of the body.
        anchors: Of the same body, on the same device.
    """
    people, _, height, width = photo.shape
    rest = anchors.place(body_verts, faces)
    frames = torch.stack([anchors.frames(verts, faces) for verts in body_verts])
    tips = rest + 0.01 * frames[..., 2]
    skin = anchors.skin_joints.flatten(0, 1), anchors.skin_weights.flatten(0, 1)
    posed, posed_tips = (skin_points(points.flatten(1, 2), *skin, joints) for points in (rest, tips))
    places, depth = photo_places(posed, cam_from_world, intrinsics, (width, height))
    eyes = -(cam_from_world[:, :3, :3].mT @ cam_from_world[:, :3, 3:])[..., 0]
    ways = torch.nn.functional.normalize(eyes[:, None] - posed, dim=-1)
    facing = (torch.nn.functional.normalize(posed_tips - posed, dim=-1) * ways).sum(-1)
    visible = seen_in_photo(places, depth, facing, photo_depth)
    middle, reach = _head_box(joints, body_verts, cam_from_world, intrinsics, (width, height))
    head = _crop(photo, middle, reach, height // 2)
    group = (people, *anchors.face.shape)
    return LifterInput(
        photo=photo,
        head=head,
        rest=rest,
        frames=frames,
        places=places.reshape(*group, 2),
        head_places=((places - middle[:, None]) / reach[:, None]).reshape(*group, 2),
        visible=visible.reshape(group),
    )


def _head_box(
    joints: Tensor, body_verts: Tensor, cam_from_world: Tensor, intrinsics: Tensor, size: tuple[int, int]
) -> tuple[Float[Tensor, "people 2"], Float[Tensor, "people 2"]]:
    """Middle and half extent of the head in the photo, in places."""
    model = load_anny()
    number = model.joint_names.index("head")
    # The highest vertex at rest is on the head; the joint lies at the skull's base.
    top = body_verts[torch.arange(len(body_verts), device=body_verts.device), body_verts[..., 1].argmax(1)]
    center = torch.stack([torch.zeros_like(top[:, 0]), top[:, 1] - HEAD_REACH + 0.05, top[:, 2] * 0], dim=-1)
    turn, shift = joints[:, number, :3, :3], joints[:, number, :3, 3]
    posed = (turn @ center[..., None])[..., 0] + shift
    middle, depth = photo_places(posed[:, None], cam_from_world, intrinsics, size)
    focal = intrinsics.diagonal(dim1=1, dim2=2)[:, :2]
    return middle[:, 0], 2 * HEAD_REACH * focal / depth / intrinsics.new_tensor(size)


def _crop(photo: Tensor, middle: Tensor, reach: Tensor, side: int) -> Float[Tensor, "people 4 side side"]:
    steps = (torch.arange(side, device=photo.device) + 0.5) / side * 2 - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    grid = middle[:, None, None] + grid * reach[:, None, None]
    return torch.nn.functional.grid_sample(photo, grid, align_corners=False)


def nerf_scene(
    photo: Float[Tensor, "people 4 height width"],
    cam_from_world: Float[Tensor, "people 4 4"],
    intrinsics: Float[Tensor, "people 3 3"],
    photo_joints: Float[Tensor, "people joints 4 4"],
    target_joints: Float[Tensor, "people joints 4 4"],
    body_verts: Float[Tensor, "people verts 3"],
    faces: Int[Tensor, "faces 3"],
    anchors: Anchors,
) -> NerfScene:
    """Put a NeRF's scene together; one point for each anchor. Arguments as for `lifter_input`."""
    height, width = photo.shape[2:]
    to_places = intrinsics.new_tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]])
    return NerfScene(
        photo=photo,
        photo_from_world=to_places @ intrinsics @ cam_from_world[:, :3],
        rest=anchors.place(body_verts, faces)[:, :, 0],
        skin_joints=anchors.skin_joints[:, 0],
        skin_weights=anchors.skin_weights[:, 0],
        photo_from_rest=photo_joints,
        target_from_rest=target_joints,
    )
