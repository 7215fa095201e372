"""Scores of one picture of an avatar against the truth."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.evaluate.backbones import Backbones
from vivant.evaluate.metrics import mask_iou, psnr, ssim
from vivant.evaluate.perception import flip, gmsd, ms_ssim
from vivant.records import Rendering

CROP_MARGIN = 4
"""Pixels kept around the box of both masks."""


@dataclass(frozen=True)
class Seen:
    """One picture: what is compared."""

    color: Float[Tensor, "height width 3"]
    """On white."""

    alpha: Float[Tensor, "height width"]
    depth: Float[Tensor, "height width"]
    normal: Float[Tensor, "height width 3"]


def on_white(rendering: Rendering, view: int = 0, depth_scale: float = 1.0) -> Seen:
    """Composite a premultiplied rendering as `rgb * mask + (1 - mask)`."""
    alpha = rendering.alpha[view].clamp(0, 1)
    color = (rendering.color[view, ..., :3] + (1 - alpha[..., None])).clamp(0, 1)
    return Seen(color, alpha, rendering.depth[view] * depth_scale, rendering.normal[view])


def score_pictures(
    truth: Seen, ours: Seen, *, thorough: bool = True, backbones: Backbones | None = None
) -> dict[tuple[str, str], float]:
    """Measure one picture: values by region and metric.

    Args:
        truth: What should be seen.
        ours: What is seen.
        thorough: False leaves only PSNR, SSIM and the mask.
        backbones: Trained networks that measure, too.

    Raises:
        BadInputError: If the pictures differ in size.
    """
    expect_counts("score_pictures (height)", truth=len(truth.alpha), ours=len(ours.alpha))
    expect_counts("score_pictures (width)", truth=truth.alpha.shape[1], ours=ours.alpha.shape[1])
    found = {("frame", "iou"): mask_iou(truth.alpha, ours.alpha)}
    top, bottom, left, right = union_box(truth.alpha, ours.alpha)
    regions = {"frame": (truth.color, ours.color)}
    regions["crop"] = tuple(image[top:bottom, left:right] for image in (truth.color, ours.color))  # pyright: ignore
    for region, (a, b) in regions.items():
        weight = torch.ones(a.shape[:2])
        found[region, "psnr"] = psnr(a, b, weight)
        found[region, "ssim"] = ssim(a, b, weight)
        if not thorough:
            continue
        found[region, "gmsd"] = gmsd(a, b)
        if min(a.shape[:2]) >= 176:
            found[region, "ms_ssim"] = ms_ssim(a, b)
        if backbones is not None:
            found |= {(region, name): value for name, value in backbones.score(a, b).items()}
    if thorough:
        seen = flip(truth.color, ours.color)
        found["frame", "flip"] = float(seen.mean())
        found["crop", "flip"] = float(seen[top:bottom, left:right].mean())
        found |= {("frame", name): value for name, value in _geometry(truth, ours).items()}
    return found


def union_box(a: Float[Tensor, "height width"], b: Float[Tensor, "height width"]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the box that holds both masks; the whole picture if both are empty."""
    inside = (a > 0.5) | (b > 0.5)
    rows, columns = inside.any(1).nonzero()[:, 0], inside.any(0).nonzero()[:, 0]
    if not len(rows):
        return 0, a.shape[0], 0, a.shape[1]
    return (
        max(int(rows[0]) - CROP_MARGIN, 0),
        min(int(rows[-1]) + 1 + CROP_MARGIN, a.shape[0]),
        max(int(columns[0]) - CROP_MARGIN, 0),
        min(int(columns[-1]) + 1 + CROP_MARGIN, a.shape[1]),
    )


def _geometry(truth: Seen, ours: Seen) -> dict[str, float]:
    common = (truth.alpha > 0.5) & (ours.alpha > 0.5) & (truth.depth > 0) & (ours.depth > 0)
    if not bool(common.any()):
        return {"depth_mm": math.nan, "normal_deg": math.nan}
    depth = (truth.depth - ours.depth)[common].abs().mean()
    cosine = (torch.nn.functional.normalize(truth.normal, dim=-1)[common]
              * torch.nn.functional.normalize(ours.normal, dim=-1)[common]).sum(-1)  # fmt: skip
    return {"depth_mm": 1e3 * float(depth), "normal_deg": float(cosine.clamp(-1, 1).acos().rad2deg().mean())}


@dataclass(frozen=True)
class Similarity:
    """A turn, a size and a shift: `a = scale * rotation @ b + shift`."""

    rotation: Float[Tensor, "3 3"]
    scale: float
    shift: Float[Tensor, "3"]

    def apply(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        """Carry points over."""
        return self.scale * points @ self.rotation.T + self.shift

    def camera(self, cameras: Cameras) -> Cameras:
        """The cameras that see the uncarried thing as these see the carried one, but for the size of depths."""
        matrices = cameras.cam_from_world.clone()
        turn = matrices[:, :3, :3]
        matrices[:, :3, 3] = (turn @ self.shift + matrices[:, :3, 3]) / self.scale
        matrices[:, :3, :3] = turn @ self.rotation
        return Cameras(matrices, cameras.intrinsics, cameras.width, cameras.height, cameras.orthographic)


def align(a: Float[Tensor, "points 3"], b: Float[Tensor, "points 3"]) -> Similarity:
    """Find the similarity that carries `b` to `a` with least squares (Umeyama 1991).

    Raises:
        BadInputError: If there are fewer than three points, or they lie in one place.
    """
    expect_counts("align", a=len(a), b=len(b))
    mean_a, mean_b = a.double().mean(0), b.double().mean(0)
    x, y = a.double() - mean_a, b.double() - mean_b
    spread = float(y.square().sum())
    if len(a) < 3 or spread < 1e-12:
        raise BadInputError(f"An alignment needs three points apart; got {len(a)} within {spread**0.5:.1e} m.")
    left, strength, right = torch.linalg.svd(x.T @ y)
    sign = torch.ones(3).double()
    sign[2] = torch.det(left @ right).sign()
    rotation = left @ torch.diag(sign) @ right
    scale = float((strength * sign).sum()) / spread
    return Similarity(rotation.float(), scale, (mean_a - scale * rotation @ mean_b).float())
