"""Both backends draw what gsplat's own code draws; the file is made by tools/golden_gsplat.py."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vivant.core.cameras import Cameras
from vivant.records import Splats
from vivant.splat import rasterize


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("model", ["pinhole", "ortho"])
def test_pictures_are_those_of_gsplat(model: str, antialiased: bool, backend: str) -> None:
    with np.load(Path(__file__).parents[1] / "golden" / "gsplat.npz") as file:
        stored = {name: torch.from_numpy(file[name]) for name in file.files}
    intrinsics = stored["intrinsics"].clone()
    if model == "ortho":
        intrinsics[:2, :2] *= 0.4
    name = f"{model}_antialiased" if antialiased else model
    sums, alpha = stored[f"{name}_sums"], stored[f"{name}_alpha"]
    height, width = alpha.shape
    cameras = Cameras(stored["cam_from_world"][None], intrinsics[None], width, height, model == "ortho")
    splats = Splats(*(stored[field] for field in ("means", "quats", "log_scales", "opacity_logits", "sh")))
    drawn = rasterize(splats, cameras, antialiased=antialiased, backend=backend)
    # Where a splat's rim falls below 1/255 within rounding, one pixel may take it and not the other.
    for mine, theirs in (
        (drawn.color[0], sums[..., :3]),
        (drawn.depth[0], sums[..., 3]),
        (drawn.alpha[0], alpha),
    ):
        differ = (mine - theirs).abs() > 3e-5
        assert int(differ.sum()) <= 3, f"{int(differ.sum())} of {differ.numel()}"
    assert float(alpha.max()) > 0.8
