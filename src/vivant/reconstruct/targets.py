"""Views made ready: reduced, cut to the person, put on backgrounds."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError
from vivant.reconstruct.losses import Target, make_target
from vivant.records import Rig, Views

MARGIN = 0.06
"""Room left around the person, as a part of the picture's longer side."""


@dataclass(frozen=True)
class Frame:
    """One view to compare with."""

    view: int
    """Its number among the views."""

    camera: Cameras
    """One camera, whose picture is the cut-out."""

    targets: tuple[Target, Target]
    """On black and on white. Compared with both in turn, no splat can pass for background."""


BACKGROUNDS = (0.0, 1.0)
"""Grey values of the targets' backgrounds."""


def prepare_frames(views: Views, rig: Rig, max_side: int) -> list[Frame]:
    """Cut each view to the person and put it on black and on white.

    Raises:
        BadInputError: If there is no view, no view shows the person, or the poses are of another rig.
    """
    if len(views.images) == 0:
        raise BadInputError("There are no views; reconstruct needs at least one picture of the person.")
    if views.poses.local_quats.shape[1:] != (len(rig.joint_names), 4):
        raise BadInputError(
            f"The views' poses have shape {tuple(views.poses.local_quats.shape)}; the avatar's rig needs "
            f"({len(views.images)}, {len(rig.joint_names)}, 4)."
        )
    prepared = (_prepare(views, view, max_side) for view in range(len(views.images)))
    frames = [frame for frame in prepared if frame is not None]
    if not frames:
        raise BadInputError("No view shows the person: all alphas or all trusts are 0. Check the views' masks.")
    return frames


def _prepare(views: Views, view: int, max_side: int) -> Frame | None:
    camera, (image, alpha, trust) = _reduced(views, view, max_side)
    shown = (alpha > 0.02).nonzero()
    if len(shown) == 0 or not bool((trust > 0).any()):
        return None
    margin = round(MARGIN * max(alpha.shape))
    top, left = (shown.amin(0) - margin).clamp(min=0).tolist()
    bottom, right = (shown.amax(0) + margin + 1).tolist()
    bottom, right = min(bottom, alpha.shape[0]), min(right, alpha.shape[1])
    cut = (slice(top, bottom), slice(left, right))
    shift = torch.tensor([[0, 0, left], [0, 0, top], [0, 0, 0.0]]).to(camera.intrinsics)
    cut_camera = Cameras(
        camera.cam_from_world, camera.intrinsics - shift, right - left, bottom - top, camera.orthographic
    )
    black, white = (
        make_target(image[cut], alpha[cut], trust[cut], torch.full((3,), grey)) for grey in BACKGROUNDS
    )
    return Frame(view, cut_camera, (black, white))


def _reduced(views: Views, view: int, max_side: int) -> tuple[Cameras, tuple[Tensor, Tensor, Tensor]]:
    """Make a view smaller if it is larger than wanted; colours are averaged as far as they cover."""
    camera, image, alpha = views.cameras[view], views.images[view], views.alphas[view].clamp(0, 1)
    trust = views.trust[view]
    share = max_side / max(alpha.shape)
    if share >= 1:
        return camera, (image, alpha, trust)
    height, width = (max(1, round(share * side)) for side in alpha.shape)
    planes = torch.cat([image * alpha[..., None], alpha[..., None], trust[..., None]], dim=-1).permute(2, 0, 1)
    # Means of whole pixels ("area") blur more where sizes are no multiples: half a decibel of a photo's fit.
    planes = torch.nn.functional.interpolate(planes[None], (height, width), mode="bilinear", antialias=True)
    planes = planes[0].permute(1, 2, 0)
    color, alpha, trust = planes[..., :3], planes[..., 3], planes[..., 4]
    return camera.resized(width, height), (color / alpha.clamp(min=1e-4)[..., None], alpha, trust)
