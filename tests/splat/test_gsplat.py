"""The CUDA backend: right errors without it, the same pictures with it."""

import sys
import types

import pytest
import torch
from tests.splat.scenes import camera, random_splats, turned_camera

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
