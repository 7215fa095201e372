"""Give splats the colours that make their blend look like the photo: a few steps of least squares."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from vivant.core.rotations import matrices_from_quats
from vivant.core.threads import take_turns, thread_count
from vivant.lift.posed import Lens
from vivant.records import Splats
from vivant.splat import colors_from_sh

BLUR = 0.3
"""Square pixels that the rasteriser adds to each splat's picture."""

STEPS = 12

ROOM = 24
"""Splats that are listed for a pixel, on the average, at most."""

BANDS = 4
"""Parts of the picture that are worked on side by side. Fixed: sums must not depend on the machine."""


def sharpen(
    posed: Splats,
    lens: Lens,
    goal: Float[ndarray, "height width 3"],
    weight: Float[ndarray, "height width"],
    anchor: Float[ndarray, " splats"],
    limit: float,
) -> Float[ndarray, "splats 3"]:
    """Colours whose blend comes nearest to a picture.

    Blending blurs: each pixel is a mean of splats. The colours that undo this follow from the blend's own
    weights by Jacobi steps, each of which moves a splat by the mean error of its pixels.

    Args:
        posed: In the photo's pose, world axes.
        lens: The photo's camera.
        goal: The photo.
        weight: Which pixels count.
        anchor: How firmly each splat keeps its colour, against one pixel's weight.
        limit: No colour moves farther than this.
    """
    centers, conics, radii, depth = _project(posed, lens)
    order = np.argsort(depth, kind="stable")
    order = order[depth[order] > 0.05]
    colors = colors_from_sh(posed.sh, torch.zeros_like(posed.means)).numpy()
    counts = weight.astype(np.float32)
    drawn = (centers[order], conics[order], posed.opacities.numpy()[order], radii[order])
    solved = colors.astype(float)
    solved[order] = _stepped(_bands(drawn, goal, counts), colors[order], anchor[order], limit)
    return solved


@dataclass(frozen=True)
class Band:
    """Some rows of the picture: what their pixels shall be, and what they get from splats, nearest first."""

    starts: Int[ndarray, " splats_and_end"]
    pixel: Int[ndarray, " entries"]
    amount: Float[ndarray, " entries"]
    goal: Float[ndarray, "pixels 4"]
    weight: Float[ndarray, " pixels"]


def _bands(drawn: tuple[ndarray, ...], goal: ndarray, weight: ndarray) -> list[Band]:
    """Blend the splats into a fixed number of bands with about as many pixels that count in each."""
    from vivant.lift import _blend_kernels

    rows = np.cumsum((weight > 0).sum(1))
    cuts = np.searchsorted(rows, rows[-1] * np.arange(1, BANDS) / BANDS)
    edges = [0, *(int(cut) for cut in cuts), len(weight)]
    bands: list[Band | None] = [None] * BANDS

    def fill(band: int) -> None:
        top, bottom = edges[band], edges[band + 1]
        y, x = np.nonzero(weight[top:bottom] > 0)
        number = np.zeros(weight.shape, np.int32)
        number[top + y, x] = np.arange(len(y))
        room = ROOM * len(y) + 1
        starts = np.empty(len(drawn[0]) + 1, np.int64)
        pixel, amount = np.empty(room, np.int32), np.empty(room, np.float32)
        _blend_kernels.blend(*drawn, weight, number, top, bottom, starts, pixel, amount)
        wanted = np.zeros((len(y), 4), np.float32)
        wanted[:, :3] = goal[top + y, x]
        bands[band] = Band(starts, pixel, amount, wanted, weight[top + y, x])

    take_turns(fill, BANDS, thread_count())
    return [band for band in bands if band is not None]


def _stepped(bands: list[Band], start: ndarray, anchor: ndarray, limit: float) -> ndarray:
    """Colours after the steps, of the splats from near to far."""
    from vivant.lift import _blend_kernels

    count = len(start)
    first, colors = np.zeros((count, 4), np.float32), np.zeros((count, 4), np.float32)
    first[:, :3] = colors[:, :3] = start
    scales = np.empty((len(bands), count), np.float32)
    errors = [np.empty_like(band.goal) for band in bands]
    pushed = np.empty((len(bands), count, 3), np.float32)

    def weigh(number: int) -> None:
        band = bands[number]
        _blend_kernels.weigh(band.starts, band.pixel, band.amount, band.weight, scales[number])

    def push(number: int) -> None:
        band = bands[number]
        _blend_kernels.push(
            band.starts, band.pixel, band.amount, colors, band.goal, band.weight, errors[number], pushed[number]
        )

    take_turns(weigh, len(bands), thread_count())
    scale, firm = scales.sum(0), anchor.astype(np.float32)
    for _ in range(STEPS):
        take_turns(push, len(bands), thread_count())
        _blend_kernels.step(pushed, scale, colors, first, firm, np.float32(limit))
    return colors[:, :3].astype(float)


def _project(splats: Splats, lens: Lens) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Pixels, inverse covariances, reach and depth of splats in the photo."""
    matrix = torch.from_numpy(lens.cam_from_world).float()
    means = splats.means @ matrix[:3, :3].T + matrix[:3, 3]
    x, y, z = means.unbind(1)
    z = z.clamp(min=0.02)
    fx, fy = (float(f) for f in lens.focal)
    zero = torch.zeros_like(z)
    rows = [torch.stack([fx / z, zero, -fx * x / z**2], 1), torch.stack([zero, fy / z, -fy * y / z**2], 1)]
    axes = matrix[:3, :3] @ matrices_from_quats(splats.quats)
    half = torch.stack(rows, 1) @ (axes * splats.scales[:, None])
    cov = half @ half.transpose(1, 2)
    xx, xy, yy = cov[:, 0, 0] + BLUR, cov[:, 0, 1], cov[:, 1, 1] + BLUR
    det = (xx * yy - xy * xy).clamp(min=1e-9)
    conics = torch.stack([yy / det, -xy / det, xx / det], 1)
    radii = 3.33 * torch.stack([xx.sqrt(), yy.sqrt()], 1)
    centers = torch.stack([fx * x / z + lens.center[0], fy * y / z + lens.center[1]], 1)
    return centers.float().numpy(), conics.numpy(), radii.numpy(), means[:, 2].numpy()
