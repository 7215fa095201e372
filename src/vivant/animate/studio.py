"""What is behind an avatar: a light room with a soft shadow on the floor, a colour, or nothing."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras, project
from vivant.records import Splats

PATCH = 2.4
"""Metres of floor, each way, that carry a shadow."""

CELLS = 96
"""Cells of the shadow's map, each way."""


@dataclass(frozen=True)
class Studio:
    """A background for pictures of one size."""

    backdrop: Float[Tensor, "height width 3"] | None
    """None: transparent."""

    has_floor: bool

    @classmethod
    def build(cls, background: str, width: int, height: int) -> "Studio":
        """Prepare a background: `studio`, `white`, `black` or `transparent`."""
        if background == "transparent":
            return cls(None, has_floor=False)
        if background in ("white", "black"):
            return cls(torch.full((height, width, 3), float(background == "white")), has_floor=False)
        return cls(_room(width, height), has_floor=True)

    def behind(
        self,
        splats: Splats,
        cameras: Cameras,
        color: Float[Tensor, "height width 3"],
        alpha: Float[Tensor, "height width"],
    ) -> Float[Tensor, "height width 4"]:
        """Put the background behind a picture with premultiplied colour; straight alpha comes out."""
        if self.backdrop is None:
            straight = (color / alpha.clamp(min=1e-4)[..., None]).clamp(0, 1)
            return torch.cat([straight, alpha[..., None]], dim=-1)
        back = self.backdrop * (1 - alpha[..., None])
        floor = _floor(cameras) if self.has_floor else None
        if floor is not None:
            back[-len(floor) :] *= (1 - _shadow(splats, floor))[..., None]
        mixed = back.add_(color).clamp_(0, 1)
        return torch.nn.functional.pad(mixed, (0, 1), value=1.0)


def _room(width: int, height: int) -> Float[Tensor, "height width 3"]:
    """A paper backdrop: brighter behind the person, darker towards the corners."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    glow = torch.exp(-(0.55 * x.square() + 0.35 * (y + 0.15).square()))
    shade = 0.80 + 0.155 * glow
    return torch.stack([shade, shade, shade * 1.006], dim=-1).clamp(max=1)


def _floor(cameras: Cameras) -> Float[Tensor, "rows width 2"] | None:
    """Where the lowest rows of pixels meet the floor: -1 to 1 over the patch that can carry a shadow.

    None if the camera looks from below the floor, or past the patch.
    """
    intrinsics, eye = cameras.intrinsics[0], cameras.centers_world[0]
    corners = torch.tensor([[x, 0.0, z] for x in (-PATCH, PATCH) for z in (-PATCH, PATCH)])
    pixels, depth = project(corners, cameras)
    first = max(int(pixels[:, 1].min()), 0)
    if float(eye[1]) <= 0.01 or float(depth.min()) <= 0 or first >= cameras.height:
        return None
    rows, columns = torch.arange(first, cameras.height) + 0.5, torch.arange(cameras.width) + 0.5
    down, right = torch.meshgrid(
        (rows - intrinsics[1, 2]) / intrinsics[1, 1],
        (columns - intrinsics[0, 2]) / intrinsics[0, 0],
        indexing="ij",
    )
    rays = torch.stack([right, down, torch.ones_like(down)], dim=-1) @ cameras.cam_from_world[0, :3, :3]
    away = torch.where(rays[..., 1] < -1e-4, -eye[1] / rays[..., 1].clamp(max=-1e-4), 1e6)
    return (eye[[0, 2]] + rays[..., [0, 2]] * away[..., None]) / PATCH


def _shadow(splats: Splats, floor: Float[Tensor, "rows width 2"]) -> Float[Tensor, "rows width"]:
    """How much of the light is kept from the floor: much under the feet, little under what is high."""
    height = splats.means[:, 1].clamp(min=0)
    near = torch.exp(-height / 0.07) * 0.9 + torch.exp(-height / 0.6) * 0.10
    cell = ((splats.means[:, [0, 2]] / PATCH + 1) / 2 * CELLS).long()
    inside = ((cell >= 0) & (cell < CELLS)).all(-1)
    index = cell[inside, 1] * CELLS + cell[inside, 0]
    sums = torch.zeros(CELLS * CELLS).index_add(0, index, near[inside])
    area = (2 * PATCH / CELLS) ** 2
    # Against what an avatar has on a square metre of skin, so that the number of splats does not matter.
    dense = (sums / area / (0.4 * len(splats))).reshape(1, 1, CELLS, CELLS)
    soft = _blurred(dense, 1.3) * 0.75 + _blurred(dense, 3.5) * 0.5
    shade = 0.55 * (1 - torch.exp(-1.4 * soft))
    return torch.nn.functional.grid_sample(shade, floor[None], align_corners=False)[0, 0]


def _blurred(image: Float[Tensor, "1 1 height width"], sigma: float) -> Float[Tensor, "1 1 height width"]:
    reach = int(3 * sigma)
    kernel = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * sigma * sigma))
    kernel = kernel / kernel.sum()
    image = torch.nn.functional.conv2d(image, kernel.view(1, 1, 1, -1), padding=(0, reach))
    return torch.nn.functional.conv2d(image, kernel.view(1, 1, -1, 1), padding=(reach, 0))
