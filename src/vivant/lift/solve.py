"""Give splats the colours that make their blend look like the photo: a few steps of least squares."""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from vivant.core.rotations import matrices_from_quats
from vivant.lift.posed import Lens
from vivant.records import Splats
from vivant.splat import colors_from_sh

BLUR = 0.3
"""Square pixels that the rasteriser adds to each splat's picture."""

STEPS = 12

ROOM = 24
"""Splats that are listed for a pixel, on the average, at most."""


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
    from vivant.lift import _kernels

    centers, conics, radii, depth = _project(posed, lens)
    order = np.argsort(depth, kind="stable")
    order = order[depth[order] > 0.05]
    colors = colors_from_sh(posed.sh, torch.zeros_like(posed.means)).numpy()
    room = ROOM * int((weight > 0).sum()) + 1
    pixel, splat, amount = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float32)
    counts = weight.astype(np.float32)
    entries = _kernels.blend(
        centers, conics, posed.opacities.numpy(), radii, order, counts, pixel, splat, amount
    )
    solved = colors.copy()
    _kernels.jacobi(
        pixel[:entries], splat[:entries], amount[:entries], solved, colors, goal.astype(np.float32),
        counts, anchor.astype(np.float32), np.float32(limit), STEPS,
    )  # fmt: skip
    return solved.astype(float)


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
