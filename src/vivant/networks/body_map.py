"""What a few hundred people tell of each place of the body of whoever is like them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

UNUSUAL = 2.5
"""Spreads beyond which nobody counts as more unusual."""


@dataclass(frozen=True)
class BodyMapConfig:
    """Sizes."""

    verts: int = 13718
    features: int = 36
    places: int = 200
    patterns: int = 48
    known: int = 2
    """People about whom kernels lie."""

    width: float = 0.15
    """Of the kernels: their exponent at features that differ by a spread each."""


class BodyMap(nn.Module):
    """A number for every vertex of the body, from numbers of a person (kernel ridge regression).

    Slopes are amounts of a few patterns over the body, so the file stays small.
    """

    middle: Tensor
    spread: Tensor
    """Standard deviations: of each feature, or of a whole group of them."""

    shares: Tensor
    """How much each feature counts in how unlike people are; sums to 1."""

    mean: Tensor
    patterns: Tensor
    amounts: Tensor
    known: Tensor
    """Features of known people, less the middle, in spreads."""

    places: Int[Tensor, " places"]
    """Vertices at which avatars are read for their features."""

    def __init__(self, config: BodyMapConfig) -> None:
        """Make it; weights come from a file or from a tool that fits them."""
        super().__init__()
        self.config = config
        self.register_buffer("middle", torch.zeros(config.features))
        self.register_buffer("spread", torch.ones(config.features))
        self.register_buffer("shares", torch.full((config.features,), 1 / config.features))
        self.register_buffer("mean", torch.zeros(config.verts))
        self.register_buffer("patterns", torch.zeros(config.patterns, config.verts))
        self.register_buffer("amounts", torch.zeros(config.known, config.patterns))
        self.register_buffer("known", torch.zeros(config.known, config.features))
        self.register_buffer("places", torch.zeros(config.places, dtype=torch.int32))

    def forward(self, features: Float[Tensor, "people features"]) -> Float[Tensor, "people verts"]:
        """Predict."""
        told = ((features - self.middle) / self.spread).clamp(-UNUSUAL, UNUSUAL)
        near = closeness(told, self.known, self.shares, self.config.width)
        return self.mean + near @ self.amounts @ self.patterns


def closeness(
    told: Float[Tensor, "people features"],
    known: Float[Tensor, "known features"],
    shares: Float[Tensor, " features"],
    width: float,
) -> Float[Tensor, "people known"]:
    """1 for the same features, less the more they differ."""
    root = shares.sqrt()
    return torch.exp(-width * torch.cdist(told * root, known * root).square())
