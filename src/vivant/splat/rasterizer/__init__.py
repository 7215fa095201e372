"""The door of the splat rasteriser: one function, three backends."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.checks import expect, expect_counts
from vivant.core.errors import BadInputError
from vivant.records import Rendering, Splats
from vivant.splat.harmonics import BAND_COUNTS
from vivant.splat.rasterizer._request import Blended, Request, expect_finite, expect_finite_splats

__all__ = ["Backend", "rasterize"]

Backend = Literal["auto", "reference", "numba", "gsplat"]

LARGEST = 16384
"""Pixels along a side of a picture."""


def rasterize(
    splats: Splats,
    cameras: Cameras,
    *,
    background: Float[Tensor, "*views channels"] | None = None,
    features: Float[Tensor, "splats features"] | None = None,
    normals: bool = True,
    antialiased: bool = False,
    backend: Backend = "auto",
    threads: int | None = None,
) -> Rendering:
    """Draw splats for each camera, with gradients to all that is given as tensors.

    Gradients go to means, quaternions, log scales, opacity logits, spherical harmonics, features, background,
    and the cameras' poses and intrinsics (gsplat gives none to intrinsics).

    Args:
        splats: In world axes.
        cameras: One picture each.
        background: Colour behind, one for all views or one a view; black if None. May have channels for the
            features, too (3 + features).
        features: More channels to blend; they are appended to the colour.
        normals: False leaves `Rendering.normal` at 0 and saves up to half the time.
        antialiased: Splats thinner than a pixel fade instead of growing (Mip-Splatting): for views at several
            sizes.
        backend: `auto` takes gsplat for tensors on CUDA, numba on the CPU.
        threads: Of the numba backend, at most so many; all processors if None. Results do not depend on it.

    Returns:
        `color` is composited on the background. `depth` is the sum of weights times metres along z, as `alpha`
        is the sum of
        weights: their quotient is the mean depth of what is seen. `normal` is the shortest axis of the
        splats, towards the camera.

    Raises:
        BadInputError: If a tensor is not finite or does not fit the others.
        MissingExtraError: If gsplat is asked for and not installed.
    """
    behind, behind_features = _refuse_bad_input(splats, cameras, background, features)
    if backend == "auto":
        backend = "gsplat" if splats.means.is_cuda else "numba"
    request = Request(splats, cameras, behind, features, normals, antialiased, threads)
    blended = _draw(backend, request)
    extra = blended.extra
    if normals:
        normal = torch.nn.functional.normalize(extra[..., :3], dim=-1, eps=1e-3)
        extra = extra[..., 3:]
    else:
        normal = blended.alpha.detach().new_zeros(1).expand(*blended.alpha.shape, 3)
    color = blended.color
    if features is not None:
        if behind_features is not None:
            extra = extra + (1 - blended.alpha)[..., None] * behind_features[:, None, None]
        color = torch.cat([color, extra], dim=-1)
    return Rendering(color, blended.alpha, blended.depth, normal)


def _draw(backend: Backend, request: Request) -> Blended:
    """Load only the backend that is wanted."""
    if backend != "numba":
        # The compiled kernels look themselves, on all threads.
        expect_finite_splats(request.splats)
    if backend == "reference":
        from vivant.splat.rasterizer import _reference

        return _reference.draw(request)
    if backend == "gsplat":
        from vivant.splat.rasterizer import _gsplat

        return _gsplat.draw(request)
    from vivant.splat.rasterizer import _numba

    return _numba.draw(request)


def _refuse_bad_input(
    splats: Splats, cameras: Cameras, background: Tensor | None, features: Tensor | None
) -> tuple[Float[Tensor, "views 3"], Float[Tensor, "views features"] | None]:
    """Check everything but the splats' numbers; give the backgrounds of colour and of features, one a view."""
    if splats.sh.shape[1] not in BAND_COUNTS:
        raise BadInputError(f"`sh` has {splats.sh.shape[1]} bands; 1, 4, 9 or 16 are possible.")
    if max(cameras.width, cameras.height) > LARGEST:
        raise BadInputError(
            f"A picture of {cameras.width} x {cameras.height} is asked for; {LARGEST} a side is the limit."
        )
    expect_finite("cam_from_world", cameras.cam_from_world)
    expect_finite("intrinsics", cameras.intrinsics)
    num_features = 0
    if features is not None:
        expect_counts("rasterize", splats=len(splats), features=len(features))
        expect_finite("features", features)
        num_features = features.shape[1]
    if background is None:
        return splats.means.new_zeros(len(cameras), 3), None
    expect_finite("background", background)
    if background.ndim not in (1, 2) or background.shape[-1] not in (3, 3 + num_features):
        raise BadInputError(
            f"`background` has shape {tuple(background.shape)}; "
            f"({3 + num_features},) is needed, or one row a view."
        )
    if background.ndim == 2:
        expect("background", background, len(cameras), background.shape[1])
    background = background.to(splats.means).expand(len(cameras), -1)
    behind_features = background[:, 3:] if background.shape[1] > 3 else None
    return background[:, :3], behind_features
