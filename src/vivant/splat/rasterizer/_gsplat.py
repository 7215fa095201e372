"""The rasteriser on CUDA: gsplat's kernels behind our door. The only file that imports gsplat."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError, MissingExtraError
from vivant.splat.rasterizer._limits import BLUR, NEAR
from vivant.splat.rasterizer._reference import collect_payload
from vivant.splat.rasterizer._request import Blended, Request


def draw(request: Request) -> Blended:
    """Draw all views at once; the cameras' intrinsics get no gradients.

    Raises:
        MissingExtraError: If gsplat is not installed.
        BadInputError: If the tensors are not on a CUDA device.
    """
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise MissingExtraError(
            "The backend `gsplat` draws on CUDA and is not installed. Run `pip install vivant[gpu]`, or take "
            "the backend `numba`."
        ) from error
    splats, cameras = request.splats, request.cameras
    if not splats.means.is_cuda:
        raise BadInputError(
            f"The backend `gsplat` needs tensors on CUDA; these are on {splats.means.device}. "
            "Move them, or take the backend `numba`."
        )
    payload = torch.stack([_payload(request, cameras[view]) for view in range(len(cameras))])
    background = torch.nn.functional.pad(request.background, (0, payload.shape[-1] - 3))
    blended, alpha, _ = rasterization(
        splats.means, splats.quats, splats.scales, splats.opacities, payload,
        cameras.cam_from_world, cameras.intrinsics, cameras.width, cameras.height,
        near_plane=NEAR, eps2d=BLUR, packed=False, backgrounds=background,
        rasterize_mode="antialiased" if request.antialiased else "classic",
        camera_model="ortho" if cameras.orthographic else "pinhole",
    )  # fmt: skip
    color, depth, extra = blended.split([3, 1, blended.shape[-1] - 4], dim=-1)
    return Blended(color, alpha[..., 0], depth[..., 0], extra)


def _payload(request: Request, camera: Cameras) -> Float[Tensor, "splats channels"]:
    """What is blended, in our own order; gsplat takes it as colours."""
    matrix = camera.cam_from_world[0]
    means_cam = request.splats.means @ matrix[:3, :3].T + matrix[:3, 3]
    return collect_payload(request, camera, means_cam)
