"""Small scenes for the rasteriser's tests."""

from dataclasses import replace

import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.rotations import matrices_from_quats
from vivant.records import Rendering, Splats
from vivant.splat import rasterize

LEAVES = (
    "means",
    "quats",
    "log_scales",
    "opacity_logits",
    "sh",
    "features",
    "background",
    "cam_from_world",
    "intrinsics",
)


def camera(width: int = 32, height: int = 24, focal: float = 30.0, orthographic: bool = False) -> Cameras:
    """Looks along +z from the origin; nothing about it is symmetric."""
    intrinsics = torch.tensor([[focal, 0, width / 2 + 1.3], [0, focal * 1.1, height / 2 - 0.7], [0, 0, 1.0]])
    return Cameras(torch.eye(4)[None], intrinsics[None], width, height, orthographic)


def turned_camera(cameras: Cameras, seed: int, distance: float = 2.5) -> Cameras:
    """Same optics somewhere else, looking roughly at the origin."""
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.eye(4)
    matrix[:3, :3] = matrices_from_quats(torch.randn(4, generator=generator))
    matrix[:3, 3] = torch.tensor([0.1, -0.1, distance])
    return replace(cameras, cam_from_world=matrix[None])


def one_splat(mean: list[float], scales: list[float], opacity: float, color: list[float]) -> Splats:
    """A splat that is not turned."""
    return Splats(
        torch.tensor([mean], dtype=torch.float32),
        torch.tensor([[1.0, 0, 0, 0]]),
        torch.tensor([scales], dtype=torch.float32).log(),
        torch.logit(torch.tensor([opacity])),
        ((torch.tensor([[color]], dtype=torch.float32) - 0.5) / 0.28209479177387814),
    )


def join(*parts: Splats) -> Splats:
    """All splats of all parts."""
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    return Splats(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def random_splats(count: int, seed: int, degree: int = 0, size: float = -2.5, spread: float = 0.7) -> Splats:
    """A cloud round the origin with all kinds of shapes."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return Splats(
        0.5 * normal(count, 3),
        normal(count, 4),
        size + spread * normal(count, 3),
        1.5 * normal(count),
        0.4 * normal(count, (degree + 1) ** 2, 3),
    )


def draw_with_gradients(
    splats: Splats,
    cameras: Cameras,
    backend: str,
    dtype: torch.dtype,
    *,
    features: Tensor | None = None,
    background: Tensor | None = None,
    antialiased: bool = False,
    threads: int | None = None,
    outputs: tuple[str, ...] = ("color", "alpha", "depth", "normal"),
    weightings: int = 1,
) -> tuple[Rendering, dict[str, Tensor]]:
    """Draw, and take gradients of fixed random weightings of all pictures, one after the other."""
    values = [*(getattr(splats, name) for name in LEAVES[:5]), features, background]
    values += [cameras.cam_from_world, cameras.intrinsics]
    leaves = {
        name: value.detach().to(dtype).requires_grad_()
        for name, value in zip(LEAVES, values, strict=True)
        if value is not None
    }
    drawn = rasterize(
        Splats(*(leaves[name] for name in LEAVES[:5])),
        replace(cameras, cam_from_world=leaves["cam_from_world"], intrinsics=leaves["intrinsics"]),
        features=leaves.get("features"),
        background=leaves.get("background"),
        antialiased=antialiased,
        backend=backend,  # type: ignore[arg-type]
        threads=threads,
    )
    generator = torch.Generator().manual_seed(7)
    found = []
    for _ in range(weightings):
        loss = torch.zeros((), dtype=dtype)
        for name in outputs:
            picture = getattr(drawn, name)
            loss = loss + (picture * torch.randn(picture.shape, generator=generator).to(dtype)).sum()
        found.append(torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, retain_graph=True))
    gradients = {
        name: torch.cat([torch.zeros_like(leaves[name]) if one is None else one for one in ones])
        for name, ones in zip(leaves, zip(*found, strict=True), strict=True)
    }
    return drawn, gradients
