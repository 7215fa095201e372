"""Flow matching: the straight road from a picture to noise, and how a network is asked along it.

Lipman et al. 2023 (arXiv 2210.02747): `x = (1 - sigma) clean + sigma noise`, velocity `noise - clean`. Times
are drawn logit-normally (Esser et al. 2024, arXiv 2403.03206, section 3.1).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

DATA_SPREAD = 0.5
"""Standard deviation of what is generated, values -1 to 1."""


@dataclass(frozen=True)
class Scalings:
    """How a network's input and output are scaled at each noise level, so that both have unit spread."""

    skip: Float[Tensor, "*batch"]
    """Part of the noisy picture that goes straight into the estimate of the clean one."""

    out: Float[Tensor, "*batch"]
    into: Float[Tensor, "*batch"]


def scalings(
    sigma: Float[Tensor, "*batch"], data_spread: float | Float[Tensor, "*batch"] = DATA_SPREAD
) -> Scalings:
    """The preconditioning of EDM (Karras et al. 2022, arXiv 2206.00364, table 1) for the straight road.

    At sigma 0 the estimate is the picture itself; at 1 it is all the network's.

    Args:
        sigma: Noise levels.
        data_spread: Standard deviation of what is generated.
    """
    kept = (1 - sigma) * data_spread
    spread = (kept.square() + sigma.square()).sqrt()
    return Scalings(kept * data_spread / spread.square(), sigma * data_spread / spread, 1 / spread)


def add_noise(
    clean: Float[Tensor, "people *rest"], noise: Float[Tensor, "people *rest"], sigma: Float[Tensor, " people"]
) -> Float[Tensor, "people *rest"]:
    """Go from pictures towards noise, each person to a level of its own."""
    level = sigma.reshape(-1, *[1] * (clean.ndim - 1))
    return (1 - level) * clean + level * noise


def velocity(
    noisy: Float[Tensor, "*shape"], clean: Float[Tensor, "*shape"], sigma: float
) -> Float[Tensor, "*shape"]:
    """The direction in which noise grows, from an estimate of the clean picture; `sigma` above 0."""
    return (noisy - clean) / sigma


def draw_sigmas(
    count: int, generator: torch.Generator, *, mean: float = 0.0, spread: float = 1.0
) -> Float[Tensor, " count"]:
    """Noise levels for training: the logistic function of normal numbers."""
    device = generator.device
    return torch.sigmoid(mean + spread * torch.randn(count, generator=generator, device=device))


def shift_sigmas(sigma: Float[Tensor, "*batch"], shift: float) -> Float[Tensor, "*batch"]:
    """Spend more of the steps on high noise (shift above 1): large pictures need it (2403.03206, 5.3.2)."""
    return shift * sigma / (1 + (shift - 1) * sigma)
