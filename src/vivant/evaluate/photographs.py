"""Scores of photographs, of which nothing is known but themselves."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError
from vivant.evaluate.benchmark import Row
from vivant.evaluate.compare import on_white
from vivant.evaluate.metrics import mask_iou, psnr, ssim
from vivant.records import Person, Rendering

SAME_M = 0.02
"""Points whose depths differ by less are the same place of the surface."""


def photograph_rows(
    name: str, person: Person, drawn: Rendering, turn: Rendering, cameras: Cameras, reprojection: float
) -> tuple[Row, ...]:
    """Measure an avatar against the photo that it was made from, and against itself on a turntable.

    Args:
        name: The photo's.
        person: What the photo shows.
        drawn: The avatar in the photo's pose by the photo's camera.
        turn: The avatar all round, one view after another.
        cameras: Those of the turn.
        reprojection: Of body points, in percent of the person's height; NaN where no point is sure.

    Raises:
        BadInputError: If sizes or counts differ.
    """
    inside = (person.alpha > 0.5).float()
    if drawn.alpha.shape[1:] != inside.shape:
        raise BadInputError(
            f"The rendering has {tuple(drawn.alpha.shape[1:])} pixels, the person {tuple(inside.shape)}."
        )
    photo = person.foreground * person.alpha[..., None] + (1 - person.alpha[..., None])
    ours = on_white(drawn)
    values = {
        "photo_psnr": psnr(photo, ours.color, inside),
        "photo_ssim": ssim(photo, ours.color, inside),
        "photo_iou": mask_iou(person.alpha, ours.alpha),
        "reprojection": reprojection,
        "flicker": flicker(turn, cameras),
    }
    return tuple(
        Row(name, "photo", "photo", 0.0, False, "photo", metric, value) for metric, value in values.items()
    )


def flicker(turn: Rendering, cameras: Cameras) -> float:
    """Mean squared difference of neighbours on a turntable, one warped onto the other by the optical flow.

    The flow is not estimated: depth and cameras give it. Places that the neighbour does not see do not count.
    The last view is the first one's neighbour. Values are in thousandths of the squared range 0 to 1.

    Raises:
        BadInputError: If there are fewer than two views, or not as many cameras.
    """
    views = len(turn.alpha)
    if views < 2 or len(cameras) != views:
        raise BadInputError(
            f"Flicker needs two views or more, each with a camera; got {views}, {len(cameras)}."
        )
    total, count = 0.0, 0
    for a in range(views):
        square, seen = _warped_difference(turn, cameras, a, (a + 1) % views)
        total += float(square[seen].sum())
        count += 3 * int(seen.sum())
    return 1e3 * total / count if count else math.nan


def _warped_difference(
    turn: Rendering, cameras: Cameras, a: int, b: int
) -> tuple[Float[Tensor, "height width 3"], Tensor]:
    """Squared difference of view `a` and what view `b` shows of the same places, and where it does."""
    height, width = turn.alpha.shape[1:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    focal, center = cameras.intrinsics[a].diagonal()[:2], cameras.intrinsics[a][:2, 2]
    rays = torch.cat([(torch.stack([x, y], -1) - center) / focal, torch.ones(height, width, 1)], -1)
    b_from_a = cameras.cam_from_world[b] @ cameras.cam_from_world[a].inverse()
    points = (rays * turn.depth[a][..., None]) @ b_from_a[:3, :3].T + b_from_a[:3, 3]
    depth = points[..., 2]
    k = cameras.intrinsics[b]
    pixels = points[..., :2] / depth[..., None].clamp(min=1e-6) * k.diagonal()[:2] + k[:2, 2]
    grid = 2 * pixels / torch.tensor([width, height]) - 1
    planes = torch.cat(
        [turn.color[b, ..., :3], turn.alpha[b][..., None], turn.depth[b][..., None]], -1
    ).permute(2, 0, 1)[None]
    # Where the neighbour's pixel lies between surface and background, its depth is neither: it fails the test.
    warped = torch.nn.functional.grid_sample(planes, grid[None], align_corners=False)[0].permute(1, 2, 0)
    seen = (turn.alpha[a] > 0.95) & (warped[..., 3] > 0.95) & ((warped[..., 4] - depth).abs() < SAME_M)
    return (turn.color[a, ..., :3] - warped[..., :3]).square(), seen
