"""The photo as a view, as it is and mirrored, and the short fit of a lifted avatar to it."""

import re
from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.reconstruct.adam import Rates
from vivant.reconstruct.losses import LossConfig
from vivant.reconstruct.optimise import ReconstructConfig, reconstruct
from vivant.reconstruct.regularise import RegulariseConfig
from vivant.records import Avatar, Body, Person, Pose, Rig, Views
from vivant.splat import pose_splats, rasterize

PHOTO_REFIT = ReconstructConfig(
    iterations=45,
    coarse=2.5e-3,
    max_side=2048,
    unseen="still",
    loss=LossConfig(ssim=0.1, mask=1.0),
    rates=Rates(
        means=9e-4,
        means_last=4e-5,
        quats=4e-3,
        log_scales=4e-2,
        opacity_logits=4e-2,
        sh=2.4e-2,
        momentum=0.5,
    ),
    regularise=RegulariseConfig(
        smooth=0.01, size=4.0, size_limit=1.5, needle=4.0, needle_limit=2.5, hold=0.005
    ),
)
"""What is recommended after `lift`: seconds, and only what the photo shows moves."""

DOUBT = 0.3
"""Trust below which a splat is not what the photo shows."""

LEAST_AREA = 0.008
"""Half the width of the smallest doubtful area, as a part of the picture's height."""


def refine_photo(
    context: Context, avatar: Avatar, person: Person, config: ReconstructConfig = PHOTO_REFIT
) -> Avatar:
    """Fit an avatar to the photo it came from, and leave alone what the photo does not show.

    Pose and camera are the avatar's own: `lift` may have turned an arm whose hand the photo hides.

    Raises:
        BadInputError: If the records are of different photos or rigs.
        ReconstructionCancelledError: If the user interrupts; it carries the avatar so far.
    """
    body = Body(avatar.rig, avatar.photo_pose, avatar.photo_camera, avatar.shape)
    views = views_from_photo(person, body)
    return reconstruct(context, avatar, _without_doubtful(views, avatar), config)


def _without_doubtful(views: Views, avatar: Avatar) -> Views:
    """Take no evidence from areas where photo and avatar show different things.

    A hand in a pocket is drawn before the trousers, without trust: fitted to those pixels it would become a
    black glove. A hand that the fit puts elsewhere leaves one area empty and fills another: splats from near by
    would be smeared over the one, and the hand would fade in the other. Thin lines, as along the outline, are
    no such areas: there the photo counts.
    """
    pose = Pose(views.poses.local_quats[0], views.poses.root[0])
    transforms = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, pose)
    posed = pose_splats(avatar.splats, avatar.binding, transforms)
    drawn = rasterize(posed, views.cameras, features=avatar.trust[:, None], normals=False)
    there, shown = drawn.alpha > 0.5, views.alphas > 0.5
    guessed = there & (drawn.color[..., 3] < DOUBT * drawn.alpha)
    radius = max(round(LEAST_AREA * views.alphas.shape[1]), 1)
    areas = _thick(guessed, radius) | _thick(there ^ shown, radius)
    return replace(views, trust=views.trust * ~areas)


def _thick(mask: Bool[Tensor, "views height width"], radius: int) -> Bool[Tensor, "views height width"]:
    """Areas that are thicker than twice a radius, with a rim of that width; thin lines are left out."""
    return _grown(~_grown(~mask, radius), 2 * radius)


def _grown(mask: Bool[Tensor, "views height width"], radius: int) -> Bool[Tensor, "views height width"]:
    """Mark each pixel in whose square, so many pixels to each side, one is marked.

    Running sums along columns, then along rows, cost the same for any radius.
    """
    for axis in (1, 2):
        room = (0, 0, radius + 1, radius) if axis == 1 else (radius + 1, radius)
        sums = torch.nn.functional.pad(mask.int(), room).cumsum(axis, dtype=torch.int32)
        size = 2 * radius + 1
        mask = sums.narrow(axis, size, mask.shape[axis]) > sums.narrow(axis, 0, mask.shape[axis])
    return mask


def views_from_photo(person: Person, body: Body, trust: float = 1.0) -> Views:
    """The photo as one view: the person's own colours, its mask, and the fitted pose and camera.

    Raises:
        BadInputError: If the body's camera is not of the person's picture.
    """
    height, width = person.alpha.shape
    if (body.camera.height, body.camera.width) != (height, width):
        raise BadInputError(
            f"The body's camera takes {body.camera.width} x {body.camera.height} px, the person's picture has "
            f"{width} x {height}. Give the body that was fitted to this person."
        )
    return Views(
        images=person.foreground[None],
        alphas=person.alpha[None],
        normals=None,
        trust=torch.full((1, height, width), trust),
        cameras=body.camera,
        poses=Pose(body.pose.local_quats[None], body.pose.root[None]),
    )


def mirrored(views: Views, rig: Rig, trust: float) -> Views:
    """Each view as if the person were its own mirror image: a guess at the sides that no view shows.

    Args:
        views: Of a person whose rig is symmetric about x = 0.
        rig: Names left and right joints alike.
        trust: Multiplies the views' trust.

    Raises:
        BadInputError: If a joint has no counterpart.
    """
    other = mirror_joints(rig.joint_names)
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0])).to(views.cameras.cam_from_world)
    intrinsics = views.cameras.intrinsics.clone()
    intrinsics[:, 0, 2] = views.cameras.width - intrinsics[:, 0, 2]
    cameras = Cameras(
        flip @ views.cameras.cam_from_world @ flip,
        intrinsics,
        views.cameras.width,
        views.cameras.height,
        views.cameras.orthographic,
    )
    quats = views.poses.local_quats[:, other] * torch.tensor([1.0, 1.0, -1.0, -1.0])
    root = views.poses.root * torch.tensor([-1.0, 1.0, 1.0])
    normals = views.normals
    if normals is not None:
        normals = normals.flip(2) * torch.tensor([-1.0, 1.0, 1.0])
    return Views(
        images=views.images.flip(2),
        alphas=views.alphas.flip(2),
        normals=normals,
        trust=views.trust.flip(2) * trust,
        cameras=cameras,
        poses=Pose(quats, root),
    )


def joined(*several: Views) -> Views:
    """Views of several sources as one record.

    Raises:
        BadInputError: If there are none, or their pictures differ in size or kind of camera.
    """
    if not several:
        raise BadInputError("No views are given; at least one record of views is needed.")
    kinds = {(v.cameras.width, v.cameras.height, v.cameras.orthographic) for v in several}
    if len(kinds) > 1:
        raise BadInputError(f"Views of different sizes cannot be joined: {sorted(kinds)}. Resize them first.")
    expect_counts("joined", **{f"joints_{i}": v.poses.local_quats.shape[1] for i, v in enumerate(several)})
    first = several[0]
    have_normals = [v.normals for v in several if v.normals is not None]
    cameras = replace(
        first.cameras,
        cam_from_world=torch.cat([v.cameras.cam_from_world for v in several]),
        intrinsics=torch.cat([v.cameras.intrinsics for v in several]),
    )
    return Views(
        images=torch.cat([v.images for v in several]),
        alphas=torch.cat([v.alphas for v in several]),
        normals=torch.cat(have_normals) if len(have_normals) == len(several) else None,
        trust=torch.cat([v.trust for v in several]),
        cameras=cameras,
        poses=Pose(
            torch.cat([v.poses.local_quats for v in several]), torch.cat([v.poses.root for v in several])
        ),
    )


def mirror_joints(names: tuple[str, ...]) -> Int[Tensor, " joints"]:
    """Number of each joint's counterpart on the other side; its own for those in the middle.

    Raises:
        BadInputError: If one has no counterpart.
    """
    number = {name: index for index, name in enumerate(names)}
    found = []
    for name in names:
        counterpart = re.sub(r"(left|right|(?<=[._])[lr]$)", _swapped, name, flags=re.IGNORECASE)
        if counterpart not in number:
            raise BadInputError(
                f"The joint {name!r} has no counterpart {counterpart!r}; this rig cannot be mirrored."
            )
        found.append(number[counterpart])
    return torch.tensor(found)


def _swapped(match: re.Match[str]) -> str:
    swap = {"left": "right", "right": "left", "l": "r", "r": "l"}[match[0].lower()]
    return swap.upper() if match[0].isupper() else swap.capitalize() if match[0][0].isupper() else swap
