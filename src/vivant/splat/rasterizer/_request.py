"""What the door hands to a backend, and what comes back."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError
from vivant.records import Splats


@dataclass(frozen=True)
class Request:
    """One call, checked."""

    splats: Splats
    cameras: Cameras
    background: Float[Tensor, "views 3"]
    features: Float[Tensor, "splats features"] | None
    normals: bool
    antialiased: bool
    threads: int | None


@dataclass(frozen=True)
class Blended:
    """Pictures as they come from blending."""

    color: Float[Tensor, "views height width 3"]
    """On the background."""

    alpha: Float[Tensor, "views height width"]
    depth: Float[Tensor, "views height width"]
    extra: Float[Tensor, "views height width channels"]
    """Normals (if asked for), then features (if given); on nothing."""


def expect_finite(name: str, value: Tensor) -> None:
    """Look for numbers that are none.

    Raises:
        BadInputError: If there are any.
    """
    # A sum is a hundred times faster than looking at each number, and one bad number spoils it.
    if math.isfinite(float(value.detach().sum())):
        return
    bad = int((~torch.isfinite(value)).sum())
    if bad:
        raise BadInputError(
            f"`{name}` has {bad} of {value.numel()} values that are not finite; splats need numbers."
        )


def expect_finite_splats(splats: Splats) -> None:
    """Look through all tables.

    Raises:
        BadInputError: If a number is not finite.
    """
    for name in ("means", "quats", "log_scales", "opacity_logits", "sh"):
        expect_finite(name, getattr(splats, name))
