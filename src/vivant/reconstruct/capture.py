"""Real pictures of the person as views, and how an avatar is fitted to them."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.reconstruct.adam import Rates
from vivant.reconstruct.cloud import Cloud
from vivant.reconstruct.losses import LossConfig
from vivant.reconstruct.optimise import ReconstructConfig
from vivant.reconstruct.refine import Corrections, RefineConfig
from vivant.reconstruct.sight import look
from vivant.reconstruct.targets import prepare_frames
from vivant.records import Avatar, Person, Placed, Pose, Views

CAPTURE_REFIT = ReconstructConfig(iterations=600, loss=LossConfig(mask=1.0), rates=Rates(means=1.2e-3))
"""What is recommended for several real pictures. Clothes may stand far from the body: places move fast at
first, and outlines, which real pictures tell well, count much."""

HIDDEN = 0.3
"""Splats that pictures show less of take back a part of the colour they had."""

SIGHT_SIDE = 512
"""Pixels of the views in which it is judged what they show."""


def views_from_capture(
    persons: tuple[Person, ...], placed: Placed, chosen: tuple[int, ...] | None = None
) -> Views:
    """Make views of the pictures that a person was placed in: cut-outs of one size, trusted as far as they go.

    Args:
        persons: Cut out of the pictures, in the order of `placed`.
        placed: Cameras and poses.
        chosen: Numbers of the pictures wanted; by default all that were kept.

    Raises:
        BadInputError: If no picture is left.
    """
    expect_counts("views_from_capture", persons=len(persons), placed=len(placed.kept))
    numbers = [n for n, kept in enumerate(placed.kept.tolist()) if kept] if chosen is None else list(chosen)
    if not numbers:
        raise BadInputError("No picture is left to fit the avatar to. At least one must agree with its camera.")
    shown = [persons[n] for n in numbers]
    height = max(person.alpha.shape[0] for person in shown)
    width = max(person.alpha.shape[1] for person in shown)
    index = torch.tensor(numbers)
    return Views(
        images=torch.stack([_padded(person.foreground, height, width) for person in shown]),
        alphas=torch.stack([_padded(person.alpha[..., None], height, width)[..., 0] for person in shown]),
        normals=None,
        # What lies beyond a picture's rim nobody knows.
        trust=torch.stack([_padded(torch.ones(*p.alpha.shape, 1), height, width)[..., 0] for p in shown])
        * placed.trust[index, None, None],
        cameras=Cameras(placed.cam_from_world[index], placed.intrinsics[index], width, height),
        poses=Pose(placed.poses.local_quats[index], placed.poses.root[index]),
    )


def _padded(
    plane: Float[Tensor, "rows columns channels"], height: int, width: int
) -> Float[Tensor, "height width channels"]:
    whole = torch.zeros(height, width, plane.shape[2])
    whole[: plane.shape[0], : plane.shape[1]] = plane
    return whole


def vouched(context: Context, start: Avatar, avatar: Avatar, views: Views) -> Avatar:
    """Trust what real pictures show, and give back its former colour to what they hide.

    A splat in the hollow of a knee shines through by a hundredth, and is pulled to any colour by what lies
    before it; the next pose would show it.

    Args:
        context: Where it runs.
        start: As the avatar was before it was fitted, splat by splat.
        avatar: As it was fitted.
        views: The pictures.

    Raises:
        BadInputError: If the avatars have not the same splats.
    """
    expect_counts("vouched", before=len(start.splats), after=len(avatar.splats))
    frames = prepare_frames(views, avatar.rig, SIGHT_SIDE)
    cloud = Cloud.of(avatar, avatar.splats.sh.shape[1])
    seen = look(cloud, frames, Corrections(avatar.rig, views.poses, RefineConfig())).seen
    trust = torch.maximum(avatar.trust, seen)
    known = (seen / HIDDEN).clamp(max=1)[:, None, None]
    bands = avatar.splats.sh.shape[1] - start.splats.sh.shape[1]
    guessed = torch.nn.functional.pad(start.splats.sh, (0, 0, 0, bands))
    splats = replace(avatar.splats, sh=torch.lerp(guessed, avatar.splats.sh, known))
    return replace(avatar, splats=splats, trust=trust)


def with_photo(placed: Placed, avatar: Avatar) -> Placed:
    """The same, and behind it the photo that the avatar was made of, in its own pose."""
    pose = avatar.photo_pose
    return replace(
        placed,
        cam_from_world=torch.cat([placed.cam_from_world, avatar.photo_camera.cam_from_world]),
        intrinsics=torch.cat([placed.intrinsics, avatar.photo_camera.intrinsics]),
        poses=Pose(
            torch.cat([placed.poses.local_quats, pose.local_quats[None]]),
            torch.cat([placed.poses.root, pose.root[None]]),
        ),
        error=torch.cat([placed.error, torch.zeros(1)]),
        trust=torch.cat([placed.trust, torch.ones(1)]),
        kept=torch.cat([placed.kept, torch.ones(1, dtype=torch.bool)]),
    )
