"""How far each pixel lies from a mask's outline."""

import torch
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt
from torch import Tensor

FINE_SIDE = 512
"""Pixels a side at which outlines are followed at least: a soft rim tells their place within a pixel."""


def signed_distances(alphas: Float[Tensor, "views height width"]) -> Float[Tensor, "views height width"]:
    """Pixels from each pixel's centre to the nearest outline (a mask of one half); negative outside.

    Pictures without an outline are everywhere as far from one as they are large.
    """
    height, width = alphas.shape[-2:]
    finer = max(1, -(-FINE_SIDE // max(height, width)))
    fine = alphas.detach().float()[:, None]
    if finer > 1:
        fine = torch.nn.functional.interpolate(
            fine, scale_factor=finer, mode="bicubic", align_corners=False
        )  # fmt: skip
    rows = []
    for inside in (fine[:, 0] > 0.5).cpu().numpy():
        if inside.all() or not inside.any():
            rows.append(torch.full(inside.shape, (1.0 if inside.all() else -1.0) * finer * max(height, width)))
            continue
        # The outline runs half a pixel before the first centre on its other side.
        far = distance_transform_edt(inside) - distance_transform_edt(~inside)
        rows.append(torch.from_numpy(far).float())
    found = torch.stack(rows) if rows else fine[:, 0]
    found = found - 0.5 * found.sign()
    return torch.nn.functional.avg_pool2d(found[:, None], finer)[:, 0].to(alphas) / finer
