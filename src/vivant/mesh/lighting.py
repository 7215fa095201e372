"""Light on people, in plain torch: one law for the renderer, the benchmark's scenes and the training's."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

SH_CONSTANT = 0.28209479177387814
"""The constant spherical harmonic."""


@dataclass(frozen=True)
class Lighting:
    """What falls on the surfaces, in linear light; a white wall in light of 1 is white in the picture."""

    ambient: Float[Tensor, "9 3"]
    """Light from all around, as a function of the normal in world axes: nine spherical harmonics."""

    key_direction: Float[Tensor, "3"]
    """Unit, from the person towards the lamp, in world axes; not straight up or down."""

    key_color: Float[Tensor, "3"]
    softness: float = 0.03
    """Metres by which the rim of a shadow is spread."""

    @classmethod
    def plain(cls) -> "Lighting":
        """Daylight in a bright room: soft from all sides, a little more from the upper left in front."""
        ambient = torch.zeros(9, 3)
        ambient[0] = 0.5 / SH_CONSTANT
        ambient[1] = 0.12
        direction = torch.nn.functional.normalize(torch.tensor([0.5, 0.8, 0.9]), dim=0)
        return cls(ambient, direction, torch.full((3,), 0.45))

    def from_front(self) -> "Lighting":
        """Key light from the half that people face, as photographers have it: it lights the face."""
        aside = torch.tensor([1.0, 1.0, float(self.key_direction[2].sign()) or 1.0])
        return replace(self, key_direction=self.key_direction * aside)


def irradiance(
    normals: Float[Tensor, "*points 3"], ambient: Float[Tensor, "9 3"]
) -> Float[Tensor, "*points 3"]:
    """Light from all around: nine real spherical harmonics, in the order of degree and then of order.

    Args:
        normals: Unit, in world axes.
        ambient: Of a `Lighting`; sums may fall below 0.
    """
    x, y, z = normals.unbind(-1)
    bands = [
        torch.full_like(x, SH_CONSTANT), 0.4886025119029199 * y, 0.4886025119029199 * z,
        0.4886025119029199 * x, 1.0925484305920792 * x * y, 1.0925484305920792 * y * z,
        0.31539156525252005 * (3 * z * z - 1), 1.0925484305920792 * x * z, 0.5462742152960396 * (x * x - y * y),
    ]  # fmt: skip
    return torch.stack(bands, -1) @ ambient


def random_lighting(random: np.random.Generator) -> Lighting:
    """Overcast to sunny, warm to cool, from any side that lights the person."""
    sun = random.uniform(0.0, 0.75)
    sky = random.uniform(0.3, 0.75) - 0.25 * sun
    warm = np.array([1 + 0.12 * random.normal(), 1.0, 1 - 0.12 * random.normal()]).clip(0.7, 1.3)
    ambient = np.zeros((9, 3))
    ambient[0] = sky / 0.2821 * (2 - warm)
    # Brighter above than below, and a little to one side.
    ambient[1] = random.uniform(0.0, 0.25) * (2 - warm)
    ambient[2], ambient[3] = random.normal(0, 0.08) * warm, random.normal(0, 0.08) * warm
    ambient[4:] = random.normal(0, 0.02, (5, 1))
    azimuth, height = random.uniform(-2.4, 2.4), math.radians(random.uniform(12, 65))
    direction = [math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)]
    return Lighting(
        torch.from_numpy(ambient).float(),
        torch.tensor(direction),
        torch.from_numpy(sun * warm).float(),
        softness=float(random.uniform(0.01, 0.12)),
    )
