"""gsplat's torch reference on a CPU, as a peer for `bench_rasterize.py --peers`.

    pip install --no-deps --target peers gsplat==1.5.3
    PYTHONPATH=peers python benchmarks/bench_rasterize.py --peers

gsplat's projection and compositing are called as they are. What it leaves to CUDA is done here, as fast as
plain torch does it: the list of which splat meets which pixel, and the sums along rays of `nerfacc`.
"""

import sys
import types

import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.records import Splats
from vivant.splat import colors_from_sh

LEAST = 1 / 255
"""Fainter pairs are left out, as in 3DGS."""


def is_there() -> bool:
    """Whether gsplat can be imported."""
    try:
        import gsplat.cuda._torch_impl  # noqa: F401
    except ImportError:
        return False
    return True


def draw(splats: Splats, camera: Cameras) -> Tensor:
    """Colour, depth and alpha, one after the other, in the last axis; differentiable."""
    from gsplat.cuda import _torch_impl as gsplat

    sys.modules.setdefault("nerfacc", _nerfacc())
    width, height = camera.width, camera.height
    covars, _ = gsplat._quat_scale_to_covar_preci(splats.quats, splats.log_scales.exp(), True, False)
    radii, means2d, depths, conics, _ = gsplat._fully_fused_projection(
        splats.means, covars, camera.cam_from_world, camera.intrinsics, width, height
    )
    opacities = splats.opacity_logits.sigmoid()[None] * (radii > 0).all(-1)
    # The scene's colours are the same from everywhere.
    colors = colors_from_sh(splats.sh, torch.zeros_like(splats.means))
    payload = torch.cat([colors, depths[0, :, None]], dim=1)[None]
    with torch.no_grad():
        who, pixels = _meetings(radii[0], means2d[0], conics[0], opacities[0], depths[0], width, height)
    sums, alphas = gsplat.accumulate(
        means2d, conics, opacities, payload, who, pixels, torch.zeros_like(who), width, height
    )
    return torch.cat([sums[0], alphas[0]], dim=-1)


def _meetings(
    radii: Tensor, means2d: Tensor, conics: Tensor, opacities: Tensor, depths: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    """Which splat meets which pixel, pixel by pixel, nearest first."""
    low = (means2d - radii).floor().long()
    high = (means2d + radii).ceil().long() + 1
    limits = torch.tensor([width, height])
    low, high = low.clamp(min=0).minimum(limits), high.clamp(min=0).minimum(limits)
    sides = (high - low) * (opacities > 0)[:, None]
    counts = sides.prod(1)
    who = torch.repeat_interleave(torch.arange(len(counts)), counts)
    place = torch.arange(len(who)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    x, y = low[who, 0] + place % sides[who, 0], low[who, 1] + place // sides[who, 0]
    dx, dy = x + 0.5 - means2d[who, 0], y + 0.5 - means2d[who, 1]
    a, b, c = conics[who].unbind(-1)
    alpha = opacities[who] * (-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy).exp()
    kept = alpha >= LEAST
    who, pixels = who[kept], (y * width + x)[kept]
    rank = depths.argsort(stable=True).argsort()
    order = (pixels * len(counts) + rank[who]).argsort()
    return who[order], pixels[order]


def _nerfacc() -> types.ModuleType:
    """The two functions of nerfacc that gsplat calls, for rays that come sorted."""
    module = types.ModuleType("nerfacc")

    def render_weight_from_alpha(alphas: Tensor, ray_indices: Tensor, n_rays: int) -> tuple[Tensor, Tensor]:
        logs = torch.log1p(-alphas)
        before = logs.cumsum(0) - logs
        first = torch.ones_like(ray_indices, dtype=torch.bool)
        first[1:] = ray_indices[1:] != ray_indices[:-1]
        ray = first.cumsum(0) - 1
        light = (before - before[first][ray]).exp()
        return alphas * light, light

    def accumulate_along_rays(
        weights: Tensor, values: Tensor | None, ray_indices: Tensor, n_rays: int
    ) -> Tensor:
        values = weights[:, None] if values is None else weights[:, None] * values
        return torch.zeros(n_rays, values.shape[1], dtype=values.dtype).index_add(0, ray_indices, values)

    module.render_weight_from_alpha = render_weight_from_alpha  # type: ignore[attr-defined]
    module.accumulate_along_rays = accumulate_along_rays  # type: ignore[attr-defined]
    return module
