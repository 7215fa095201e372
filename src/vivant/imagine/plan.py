"""Where the cameras of a turntable stand."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras, orbit
from vivant.core.checks import expect_within
from vivant.core.errors import BadInputError

WAVES = 4
"""Sinusoids whose sum the elevation of a dynamic orbit is."""


@dataclass(frozen=True)
class PlanConfig:
    """A way round the person."""

    views: int = 16
    """Pictures of one turn."""

    kind: Literal["dynamic", "level"] = "dynamic"
    """Dynamic: the camera also goes up and down. Level: it stays at one height."""

    elevation_deg: float = 5.0
    """Mean height of the camera above the horizon."""

    swing_deg: float = 15.0
    """How far a dynamic orbit goes up and down at most."""

    fov_deg: float = 30.0
    """Vertical field of view."""

    def __post_init__(self) -> None:
        """Check what cameras can do.

        Raises:
            BadInputError: If there are no views, or the cameras would stand overhead.
        """
        if self.views < 1:
            raise BadInputError(f"A turntable of {self.views} views is asked for; at least 1 is needed.")
        expect_within(self, views=(1, 1000), elevation_deg=(-80, 80), swing_deg=(0, 80), fov_deg=(5, 120))
        if abs(self.elevation_deg) + self.swing_deg > 80:
            raise BadInputError(
                f"Cameras at {self.elevation_deg}° that swing by {self.swing_deg}° would stand overhead; "
                "80° in all is the most."
            )


def turntable(
    middle: Float[Tensor, "3"],
    height: float,
    front_deg: float,
    config: PlanConfig,
    generator: torch.Generator,
    size: int = 256,
) -> Cameras:
    """Cameras evenly round a person, the first before the front.

    The elevation of a dynamic orbit is a sum of sinusoids with whole periods, random weights and phases, so
    that it ends where it began (SV3D, arXiv 2403.12008, section 3.1).

    Args:
        middle: Of the person, world.
        height: Metres that shall fit into the picture.
        front_deg: Azimuth of the photo's camera.
        config: Of the orbit.
        generator: Of a dynamic orbit's waves.
        size: Pixels a side.
    """
    elevations = torch.full((config.views,), config.elevation_deg)
    if config.kind == "dynamic":
        elevations = elevations + config.swing_deg * _waves(config.views, generator)
    made = [
        orbit(
            middle,
            [front_deg + 360 * view / config.views],
            extent=height,
            elevation_deg=float(elevations[view]),
            width=size,
            height=size,
            fov_deg=config.fov_deg,
        )
        for view in range(config.views)
    ]
    matrices = torch.cat([cameras.cam_from_world for cameras in made])
    return Cameras(matrices, torch.cat([cameras.intrinsics for cameras in made]), size, size)


def azimuths_from_front(cameras: Cameras, middle: Float[Tensor, "3"], front_deg: float) -> Tensor:
    """Degrees that each camera has gone round the person since the photo's, 0 to 360."""
    away = cameras.centers_world - middle
    return (torch.atan2(away[:, 0], away[:, 2]) * 180 / math.pi - front_deg).remainder(360)


def _waves(count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    """Between -1 and 1, closed."""
    weights = torch.rand(WAVES, generator=generator)
    phases = 2 * math.pi * torch.rand(WAVES, generator=generator)
    turns = torch.arange(count)[:, None] * 2 * math.pi / count * torch.arange(1, WAVES + 1)
    return ((turns + phases).sin() * weights / weights.sum()).sum(1)
