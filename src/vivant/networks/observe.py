"""What the lifter and the NeRF are shown of a person: made from a photo and the body fitted to it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import load_anny, skin_points
from vivant.networks.anchors import Anchors
from vivant.networks.completion import completed_colors
from vivant.networks.human_nerf import NerfScene
from vivant.networks.layers import sample_map
from vivant.networks.lifter import LifterInput

HEAD_REACH = 0.17
"""Metres from the middle of the head to the sides of its crop."""

HEAD_BEGINS = 0.87
"""Of the body's height."""

SEEN_WELL = 0.4
"""How visible a point must be to lend its colour."""

CLOTH = 0.06
"""Metres between the skin and what the photo shows there, at most."""


@dataclass(frozen=True)
class Photographed:
    """People in photos, with the bodies fitted to them."""

    photo: Float[Tensor, "people 4 height width"]
    """Colours -1 to 1 (0 outside), mask 0 to 1."""

    cam_from_world: Float[Tensor, "people 4 4"]
    """The photos' cameras."""

    intrinsics: Float[Tensor, "people 3 3"]
    """In pixels of the photo."""

    joints: Float[Tensor, "people joints 4 4"]
    """How each joint carries points from rest into the photo's pose."""

    body_verts: Float[Tensor, "people verts 3"]
    """Of the fitted bodies, at rest."""

    faces: Int[Tensor, "faces 3"]
    """Of the body."""


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
    people: Photographed, photo_depth: Float[Tensor, "people height width"], anchors: Anchors
) -> LifterInput:
    """Find the anchors in the photo and cut out the head.

    Args:
        people: Whom.
        photo_depth: Of the surface the photo shows, metres; 0 where nothing is.
        anchors: Of the same body, on the same device.
    """
    count, _, height, width = people.photo.shape
    rest = anchors.place(people.body_verts, people.faces)
    frames = torch.stack([anchors.frames(verts, people.faces) for verts in people.body_verts])
    tips = rest + 0.01 * frames[..., 2]
    skin = anchors.skin_joints.flatten(0, 1), anchors.skin_weights.flatten(0, 1)
    posed, posed_tips = (skin_points(points.flatten(1, 2), *skin, people.joints) for points in (rest, tips))
    places, depth = photo_places(posed, people.cam_from_world, people.intrinsics, (width, height))
    eyes = -(people.cam_from_world[:, :3, :3].mT @ people.cam_from_world[:, :3, 3:])[..., 0]
    ways = torch.nn.functional.normalize(eyes[:, None] - posed, dim=-1)
    facing = (torch.nn.functional.normalize(posed_tips - posed, dim=-1) * ways).sum(-1)
    visible = seen_in_photo(places, depth, facing, photo_depth)
    middle, reach = _head_box(people)
    head = _crop(people.photo, middle, reach, height // 2)
    group = (count, *anchors.face.shape)
    return LifterInput(
        photo=people.photo,
        head=head,
        rest=rest,
        frames=frames,
        places=places.reshape(*group, 2),
        head_places=((places - middle[:, None]) / reach[:, None]).reshape(*group, 2),
        visible=visible.reshape(group),
        guess=_guesses(people, rest.flatten(1, 2), places, visible).reshape(*group, 3),
    )


def _guesses(people: Photographed, rest: Tensor, places: Tensor, visible: Tensor) -> Tensor:
    """Colours 0 to 1 of all points, hidden ones from those seen well."""
    shown = (sample_map(people.photo[:, :3], places) + 1) / 2
    return torch.stack(
        [
            completed_colors(points, colors, well, HEAD_BEGINS * float(points[:, 1].max()))
            for points, colors, well in zip(rest, shown, visible > SEEN_WELL, strict=True)
        ]
    )


def _head_box(people: Photographed) -> tuple[Float[Tensor, "people 2"], Float[Tensor, "people 2"]]:
    """Middle and half extent of the head in the photo, in places."""
    model = load_anny()
    number = model.joint_names.index("head")
    # The highest vertex at rest is on the head; the joint lies at the skull's base.
    top = people.body_verts[..., 1].amax(1)
    center = torch.stack([torch.zeros_like(top), top - HEAD_REACH + 0.05, torch.zeros_like(top)], dim=-1)
    turn, shift = people.joints[:, number, :3, :3], people.joints[:, number, :3, 3]
    posed = (turn @ center[..., None])[..., 0] + shift
    height, width = people.photo.shape[2:]
    middle, depth = photo_places(posed[:, None], people.cam_from_world, people.intrinsics, (width, height))
    focal = people.intrinsics.diagonal(dim1=1, dim2=2)[:, :2]
    return middle[:, 0], 2 * HEAD_REACH * focal / depth / focal.new_tensor((width, height))


def _crop(photo: Tensor, middle: Tensor, reach: Tensor, side: int) -> Float[Tensor, "people 4 side side"]:
    steps = (torch.arange(side, device=photo.device) + 0.5) / side * 2 - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    grid = middle[:, None, None] + grid * reach[:, None, None]
    return torch.nn.functional.grid_sample(photo, grid, align_corners=False)


def nerf_scene(
    people: Photographed, target_joints: Float[Tensor, "people joints 4 4"], anchors: Anchors
) -> NerfScene:
    """Put a NeRF's scene together; one point for each anchor.

    Args:
        people: Whom.
        target_joints: As their `joints`, but into the pose that is drawn.
        anchors: Of the same body, on the same device.
    """
    height, width = people.photo.shape[2:]
    to_places = people.intrinsics.new_tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]])
    return NerfScene(
        photo=people.photo,
        photo_from_world=to_places @ people.intrinsics @ people.cam_from_world[:, :3],
        rest=anchors.place(people.body_verts, people.faces)[:, :, 0],
        skin_joints=anchors.skin_joints[:, 0],
        skin_weights=anchors.skin_weights[:, 0],
        photo_from_rest=people.joints,
        target_from_rest=target_joints,
    )
