"""What is behind an avatar: a light room with a soft shadow on the floor, a colour, or nothing."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.records import Splats

PATCH = 2.4
"""Metres of floor, each way, that carry a shadow."""

CELLS = 96
"""Cells of the shadow's map, each way."""


@dataclass(frozen=True)
class Studio:
    """A background for one camera."""

    backdrop: Float[Tensor, "height width 4"]
    """Straight alpha."""

    floor: Float[Tensor, "height width 2"] | None
    """Where each pixel meets the floor, -1 to 1 over the shadow's patch; None without a shadow."""

    @classmethod
    def build(cls, background: str, cameras: Cameras) -> "Studio":
        """Prepare the background of a camera's pictures."""
        size = (cameras.height, cameras.width)
        if background == "transparent":
            return cls(torch.zeros(*size, 4), None)
        if background in ("white", "black"):
            shade = float(background == "white")
            return cls(torch.cat([torch.full((*size, 3), shade), torch.ones(*size, 1)], dim=-1), None)
        return cls(_room(size), _floor(cameras))

    def behind(
        self, splats: Splats, color: Float[Tensor, "height width 3"], alpha: Float[Tensor, "height width"]
    ) -> Float[Tensor, "height width 4"]:
        """Put the background behind a picture with premultiplied colour; straight alpha comes out."""
        back, back_alpha = self.backdrop[..., :3], self.backdrop[..., 3]
        if self.floor is not None:
            back = back * (1 - _shadow(splats, self.floor))[..., None]
        whole = alpha + (1 - alpha) * back_alpha
        mixed = color + ((1 - alpha) * back_alpha)[..., None] * back
        mixed = mixed / whole.clamp(min=1e-4)[..., None]
        return torch.cat([mixed.clamp(0, 1), whole[..., None]], dim=-1)


def _room(size: tuple[int, int]) -> Float[Tensor, "height width 4"]:
    """A paper backdrop: brighter behind the person, darker towards the corners."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size[0]), torch.linspace(-1, 1, size[1]), indexing="ij")
    glow = torch.exp(-(0.55 * x.square() + 0.35 * (y + 0.15).square()))
    shade = 0.80 + 0.155 * glow
    return torch.stack([shade, shade, shade * 1.006, torch.ones_like(shade)], dim=-1).clamp(max=1)


def _floor(cameras: Cameras) -> Float[Tensor, "height width 2"]:
    y, x = torch.meshgrid(torch.arange(cameras.height) + 0.5, torch.arange(cameras.width) + 0.5, indexing="ij")
    intrinsics, eye = cameras.intrinsics[0], cameras.centers_world[0]
    rays = torch.stack(
        [
            (x - intrinsics[0, 2]) / intrinsics[0, 0],
            (y - intrinsics[1, 2]) / intrinsics[1, 1],
            torch.ones_like(x),
        ],
        dim=-1,
    )
    rays = rays @ cameras.cam_from_world[0, :3, :3]
    away = torch.where(rays[..., 1] < -1e-4, -eye[1] / rays[..., 1].clamp(max=-1e-4), 1e6)
    return (eye[[0, 2]] + rays[..., [0, 2]] * away[..., None]) / PATCH


def _shadow(splats: Splats, floor: Float[Tensor, "height width 2"]) -> Float[Tensor, "height width"]:
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
