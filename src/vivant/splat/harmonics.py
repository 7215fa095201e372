"""Real spherical harmonics of degree 0 to 3, with the signs and order of 3DGS (arXiv 2308.04079)."""

import torch
from jaxtyping import Float
from torch import Tensor

BAND_0 = 0.28209479177387814
BAND_1 = 0.4886025119029199
BAND_2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)
BAND_3 = (0.5900435899266435, 2.890611442640554, 0.4570457994644658, 0.3731763325901154, 1.445305721320277)

BAND_COUNTS = (1, 4, 9, 16)
"""How many bands degree 0 to 3 have."""


def colors_from_sh(
    sh: Float[Tensor, "splats bands 3"], directions: Float[Tensor, "splats 3"]
) -> Float[Tensor, "splats 3"]:
    """Colour that splats show along unit directions (from the eye to the splat); never below 0."""
    basis = evaluate_basis(directions, sh.shape[1])
    return (0.5 + (basis[..., None] * sh).sum(1)).clamp(min=0)


def evaluate_basis(directions: Float[Tensor, "splats 3"], bands: int) -> Float[Tensor, "splats bands"]:
    """Values of the first 1, 4, 9 or 16 functions for unit directions."""
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    columns = [torch.full_like(x, BAND_0)]
    if bands > 1:
        columns += [-BAND_1 * y, BAND_1 * z, -BAND_1 * x]
    if bands > 4:
        a, b, c = BAND_2
        columns += [a * x * y, -a * y * z, b * (2 * zz - xx - yy), -a * x * z, c * (xx - yy)]
    if bands > 9:
        a, b, c, d, e = BAND_3
        columns += [
            -a * y * (3 * xx - yy), b * x * y * z, -c * y * (4 * zz - xx - yy),
            d * z * (2 * zz - 3 * xx - 3 * yy), -c * x * (4 * zz - xx - yy),
            e * z * (xx - yy), -a * x * (xx - 3 * yy),
        ]  # fmt: skip
    return torch.stack(columns, dim=-1)


def sh_from_colors(colors: Float[Tensor, "splats 3"]) -> Float[Tensor, "splats 1 3"]:
    """Band 0 of a colour that looks the same from everywhere."""
    return (colors[:, None] - 0.5) / BAND_0
