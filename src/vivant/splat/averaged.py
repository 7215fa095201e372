"""Small pictures of splats, drawn larger and averaged.

The low-pass filter of EWA splatting widens every splat by half a pixel. An avatar that was fitted to a photo of
1,024 pixels and is drawn at 512 has outlines that stand 2 mm too far out; at 128 it covers a quarter too much.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.records import Rendering, Splats
from vivant.splat.rasterizer import rasterize

FINE_SIDE = 1024
"""Pixels of the longer side at which splats are drawn at least: about as photos are looked at."""


def rasterize_averaged(
    splats: Splats,
    cameras: Cameras,
    *,
    features: Float[Tensor, "splats features"] | None = None,
    normals: bool = True,
    least_side: int = FINE_SIDE,
) -> Rendering:
    """Draw splats as `rasterize` does on an empty background, each pixel the mean of smaller ones.

    Pictures that are large enough are drawn once. Depth and normals are means of what is there.

    Args:
        splats: Where they are now.
        cameras: Of the pictures that come back.
        features: More channels behind the colours.
        normals: Whether they are needed; they are 0 else.
        least_side: Pixels of the longer side that are drawn at least.

    Raises:
        BadInputError: If counts do not fit.
        NumericalError: If the splats hold numbers that are not finite.
    """
    finer = max(1, -(-least_side // max(cameras.width, cameras.height)))
    if finer == 1:
        return rasterize(splats, cameras, features=features, normals=normals)
    fine = cameras.resized(cameras.width * finer, cameras.height * finer)
    drawn = rasterize(splats, fine, features=features, normals=normals)
    share = drawn.alpha[..., None]
    alpha = _means(share, finer)
    depth = _means(drawn.depth[..., None] * share, finer) / alpha.clamp(min=1e-6)
    if normals:
        normal = torch.nn.functional.normalize(_means(drawn.normal * share, finer), dim=-1)
    else:
        normal = alpha.new_zeros(*alpha.shape[:3], 3)
    return Rendering(_means(drawn.color, finer), alpha[..., 0], depth[..., 0], normal)


def _means(
    planes: Float[Tensor, "views tall wide channels"], size: int
) -> Float[Tensor, "views height width channels"]:
    """Means over squares of pixels."""
    return torch.nn.functional.avg_pool2d(planes.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1).contiguous()
