"""Draw a small scene with gsplat's own torch code, as truth for tests/splat/test_golden.py.

    pip install gsplat==1.5.3
    python tools/golden_gsplat.py tests/golden/gsplat.npz

gsplat's projection, harmonics and compositing are called as they are. Only the list of which splat meets which
pixel, which gsplat makes on CUDA, and two sums of `nerfacc` (which it imports) are written out here.
"""

import sys
import types
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

WIDTH, HEIGHT, COUNT = 48, 40, 40


def make_scene() -> dict[str, Tensor]:
    """Splats of all shapes, partly outside the picture and behind the camera, with harmonics of degree 3."""
    generator = torch.Generator().manual_seed(20)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    pose = torch.eye(4)
    pose[:3, :3] = torch.linalg.qr(normal(3, 3))[0]
    pose[:3, :3] *= torch.linalg.det(pose[:3, :3])
    pose[:3, 3] = torch.tensor([0.1, -0.2, 2.0])
    return {
        "means": 0.8 * normal(COUNT, 3),
        "quats": normal(COUNT, 4),
        "log_scales": -2.3 + 0.8 * normal(COUNT, 3),
        "opacity_logits": 1.5 * normal(COUNT),
        "sh": 0.3 * normal(COUNT, 16, 3),
        "cam_from_world": pose,
        "intrinsics": torch.tensor([[45.0, 0, 26], [0, 50, 17], [0, 0, 1]]),
    }


def draw(scene: dict[str, Tensor], camera_model: str, antialiased: bool) -> tuple[Tensor, Tensor]:
    """Colour and depth (sum of weights times z), and alpha."""
    from gsplat.cuda import _torch_impl as gsplat

    quats = torch.nn.functional.normalize(scene["quats"], dim=-1)
    covars, _ = gsplat._quat_scale_to_covar_preci(quats, scene["log_scales"].exp(), True, False)
    pose, intrinsics = scene["cam_from_world"], scene["intrinsics"].clone()
    if camera_model == "ortho":
        intrinsics[:2, :2] *= 0.4
    radii, means2d, depths, conics, fading = gsplat._fully_fused_projection(
        scene["means"], covars, pose[None], intrinsics[None], WIDTH, HEIGHT,
        calc_compensations=antialiased, camera_model=camera_model,
    )  # fmt: skip
    opacities = scene["opacity_logits"].sigmoid()[None]
    if antialiased:
        opacities = opacities * fading
    eye = -pose[:3, :3].T @ pose[:3, 3]
    directions = scene["means"] - eye if camera_model == "pinhole" else pose[2, :3].expand(COUNT, 3)
    colors = (gsplat._spherical_harmonics(3, directions, scene["sh"]) + 0.5).clamp(min=0)
    payload = torch.cat([colors, depths[0, :, None]], dim=1)[None]

    opacities = opacities * (radii > 0).all(-1)
    splats, pixels = meetings(means2d[0], conics[0], opacities[0], depths[0])
    sums, alphas = gsplat.accumulate(
        means2d, conics, opacities, payload, splats, pixels, torch.zeros_like(splats), WIDTH, HEIGHT
    )
    return sums[0], alphas[0, ..., 0]


def meetings(means2d: Tensor, conics: Tensor, opacities: Tensor, depths: Tensor) -> tuple[Tensor, Tensor]:
    """Which splat meets which pixel: pixel by pixel, nearest first, at least 1/255, until light runs out."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    order = depths.argsort(stable=True)
    order = order[opacities[order] > 0]
    dx, dy = x.reshape(-1, 1) - means2d[order, 0], y.reshape(-1, 1) - means2d[order, 1]
    a, b, c = conics[order].unbind(-1)
    alpha = (opacities[order] * (-0.5 * (a * dx * dx + c * dy * dy) - b * dx * dy).exp()).clamp(max=0.999)
    alpha = alpha * (alpha >= 1 / 255)
    light = torch.cumprod(1 - alpha, dim=1)
    before = torch.cat([torch.ones_like(light[:, :1]), light[:, :-1]], dim=1)
    pixels, places = ((alpha > 0) & (before >= 1e-4)).nonzero(as_tuple=True)
    return order[places], pixels


def stand_in_for_nerfacc() -> types.ModuleType:
    """The two functions of nerfacc that gsplat's compositing calls, for rays that come sorted."""
    module = types.ModuleType("nerfacc")

    def render_weight_from_alpha(alphas: Tensor, ray_indices: Tensor, n_rays: int) -> tuple[Tensor, Tensor]:
        light = torch.ones_like(alphas)
        for ray in ray_indices.unique():
            mine = ray_indices == ray
            light[mine] = torch.cumprod(torch.cat([alphas.new_ones(1), 1 - alphas[mine]]), 0)[:-1]
        return alphas * light, light

    def accumulate_along_rays(
        weights: Tensor, values: Tensor | None, ray_indices: Tensor, n_rays: int
    ) -> Tensor:
        values = weights[:, None] if values is None else weights[:, None] * values
        return torch.zeros(n_rays, values.shape[1], dtype=values.dtype).index_add_(0, ray_indices, values)

    module.render_weight_from_alpha = render_weight_from_alpha  # type: ignore[attr-defined]
    module.accumulate_along_rays = accumulate_along_rays  # type: ignore[attr-defined]
    return module


def main() -> None:
    """Write the scene and its pictures."""
    sys.modules["nerfacc"] = stand_in_for_nerfacc()
    scene = make_scene()
    stored = {name: value.numpy() for name, value in scene.items()}
    exact = {name: value.double() for name, value in scene.items()}
    for model in ("pinhole", "ortho"):
        for antialiased in (False, True):
            sums, alpha = draw(exact, model, antialiased)
            name = f"{model}_antialiased" if antialiased else model
            stored[f"{name}_sums"], stored[f"{name}_alpha"] = sums.float().numpy(), alpha.float().numpy()
    np.savez_compressed(Path(sys.argv[1]), **stored)


if __name__ == "__main__":
    main()
