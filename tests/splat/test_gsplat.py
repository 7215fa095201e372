"""The CUDA backend: right errors without it, the same pictures with it."""

import sys
import types
from dataclasses import replace

import pytest
import torch
from tests.splat.scenes import camera, random_splats, turned_camera

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError, MissingExtraError
from vivant.records import Splats
from vivant.splat import rasterize


def test_without_gsplat_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gsplat", None)
    with pytest.raises(MissingExtraError, match=r"pip install vivant\[gpu\]"):
        rasterize(random_splats(3, 0), camera(), backend="gsplat")


def test_tensors_on_the_cpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = types.ModuleType("gsplat")
    stand_in.rasterization = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gsplat", stand_in)
    with pytest.raises(BadInputError, match="these are on cpu"):
        rasterize(random_splats(3, 0), camera(), backend="gsplat")


def rasterization(  # noqa: PLR0913
    means: torch.Tensor,
    quats: torch.Tensor,
    scales: torch.Tensor,
    opacities: torch.Tensor,
    colors: torch.Tensor,
    viewmats: torch.Tensor,
    Ks: torch.Tensor,  # noqa: N803
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    packed: bool = True,  # noqa: FBT001, FBT002
    tile_size: int = 16,
    backgrounds: torch.Tensor | None = None,
    render_mode: str = "RGB",
    sparse_grad: bool = False,  # noqa: FBT001, FBT002
    absgrad: bool = False,  # noqa: FBT001, FBT002
    rasterize_mode: str = "classic",
    channel_chunk: int = 32,
    distributed: bool = False,  # noqa: FBT001, FBT002
    camera_model: str = "pinhole",
) -> tuple[torch.Tensor, torch.Tensor, dict]:
    """As gsplat 1.5.3 takes and gives it (`gsplat/rendering.py`), drawn by our own reference."""
    views, count = len(viewmats), len(means)
    assert (means.shape, quats.shape, scales.shape, opacities.shape) == (
        (count, 3),
        (count, 4),
        (count, 3),
        (count,),
    )
    assert colors.shape[:2] == (views, count)
    assert colors.dim() == 3
    assert sh_degree is None, "with a degree the colours would be harmonics"
    assert (viewmats.shape, Ks.shape) == ((views, 4, 4), (views, 3, 3))
    assert backgrounds is not None
    assert backgrounds.shape == (views, colors.shape[-1])
    assert (near_plane, eps2d) == (0.01, 0.3)
    assert bool((scales > 0).all())
    assert 0 <= float(opacities.detach().min()) <= float(opacities.detach().max()) <= 1
    splats = Splats(means, quats, scales.log(), opacities.logit(), torch.zeros(count, 1, 3))
    pictures, alphas = [], []
    for view in range(views):
        drawn = rasterize(
            splats,
            Cameras(viewmats[view : view + 1], Ks[view : view + 1], width, height, camera_model == "ortho"),
            features=colors[view],
            antialiased=rasterize_mode == "antialiased",
            normals=False,
            backend="reference",
        )
        alpha = drawn.alpha[0, ..., None]
        pictures.append(drawn.color[0, ..., 3:] + (1 - alpha) * backgrounds[view])
        alphas.append(alpha)
    return torch.stack(pictures), torch.stack(alphas), {}


def test_tensors_on_cuda_go_to_gsplat_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def listen(*told: torch.Tensor, **named: object) -> tuple[torch.Tensor, torch.Tensor, dict]:
        asked.append(len(told[0]))
        return rasterization(*told, **named)  # type: ignore[arg-type]

    stand_in = types.ModuleType("gsplat")
    stand_in.rasterization = listen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gsplat", stand_in)
    rasterize(random_splats(7, 0), camera())
    assert asked == []
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True), raising=False)
    rasterize(random_splats(7, 0), camera())
    assert asked == [7]


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("orthographic", [False, True])
def test_gsplat_is_asked_as_it_wants_to_be(
    orthographic: bool, antialiased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = types.ModuleType("gsplat")
    stand_in.rasterization = rasterization  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gsplat", stand_in)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda _: True), raising=False)
    views = turned_camera(camera(40, 30, focal=16.0 if orthographic else 35.0, orthographic=orthographic), 3)
    splats, features = random_splats(60, 3, degree=3), torch.rand(60, 2)
    background = torch.rand(3)
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    found = []
    for backend in ("reference", "gsplat"):
        leaves = [getattr(splats, name).clone().requires_grad_() for name in names]
        others = [given.clone().requires_grad_() for given in (features, background, views.cam_from_world)]
        drawn = rasterize(
            Splats(*leaves),
            replace(views, cam_from_world=others[2]),
            background=others[1],
            features=others[0],
            antialiased=antialiased,
            backend=backend,
        )
        weights = torch.linspace(0, 1, drawn.color.numel()).view_as(drawn.color)
        loss = (drawn.color * weights).sum() + drawn.depth.sum() + drawn.normal.square().sum()
        found.append((drawn, torch.autograd.grad(loss, [*leaves, *others])))
    (ours, expected), (theirs, gradients) = found
    for name in ("color", "alpha", "depth", "normal"):
        torch.testing.assert_close(getattr(theirs, name), getattr(ours, name), atol=1e-4, rtol=1e-4)
    for mine, other in zip(expected, gradients, strict=True):
        torch.testing.assert_close(other, mine, atol=1e-3, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("orthographic", [False, True])
def test_cuda_and_cpu_draw_the_same(orthographic: bool, antialiased: bool) -> None:
    pytest.importorskip("gsplat")
    views = turned_camera(camera(90, 70, focal=35.0 if orthographic else 80.0, orthographic=orthographic), 4)
    splats, features = random_splats(300, 3, degree=3), torch.rand(300, 2)
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    found = []
    for device in ("cpu", "cuda"):
        leaves = [getattr(splats, name).to(device).requires_grad_() for name in names]
        drawn = rasterize(
            Splats(*leaves), views.to(device), features=features.to(device), antialiased=antialiased
        )
        weights = torch.linspace(0, 1, drawn.color.numel(), device=device).view_as(drawn.color)
        found.append((drawn, torch.autograd.grad((drawn.color * weights).sum(), leaves)))
    (on_cpu, expected), (on_cuda, gradients) = found
    # The cuts at 1/255 and at the end of light fall differently on single pixels.
    for name in ("color", "alpha", "depth", "normal"):
        differ = (getattr(on_cuda, name).cpu() - getattr(on_cpu, name)).abs() > 1e-3
        assert float(differ.float().mean()) < 0.01
    for mine, theirs in zip(expected, gradients, strict=True):
        assert float((mine - theirs.cpu()).norm() / mine.norm()) < 1e-2
