"""What a few hundred people tell of each place of the body: a line through them, or a kernel about each."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

UNUSUAL = 2.5
"""Standard deviations beyond which nobody counts as more unusual: the line ends where people did."""


@dataclass(frozen=True)
class SurfaceLineConfig:
    """Sizes."""

    verts: int = 13718
    features: int = 36
    patterns: int = 32
    known: int = 0
    """People about whom kernels lie; 0: a line."""

    width: float = 1.0
    """Of the kernels: their exponent at features that differ by a standard deviation each."""


class SurfaceLine(nn.Module):
    """A number for every vertex of the body, from a few numbers of a person (ridge regression, or by kernels).

    Slopes are amounts of a few patterns over the body, so the file stays small.
    """

    middle: Tensor
    spread: Tensor
    mean: Tensor
    patterns: Tensor
    amounts: Tensor
    known: Tensor

    def __init__(self, config: SurfaceLineConfig) -> None:
        """Make it; weights come from a file or from a tool that fits them."""
        super().__init__()
        self.config = config
        self.register_buffer("middle", torch.zeros(config.features))
        self.register_buffer("spread", torch.ones(config.features))
        self.register_buffer("mean", torch.zeros(config.verts))
        self.register_buffer("patterns", torch.zeros(config.patterns, config.verts))
        self.register_buffer("amounts", torch.zeros(config.known or config.features, config.patterns))
        if config.known:
            self.register_buffer("known", torch.zeros(config.known, config.features))

    def forward(self, features: Float[Tensor, "people features"]) -> Float[Tensor, "people verts"]:
        """Predict."""
        told = ((features - self.middle) / self.spread).clamp(-UNUSUAL, UNUSUAL)
        if self.config.known:
            told = torch.exp(-self.config.width * torch.cdist(told, self.known).square() / told.shape[1])
        return self.mean + told @ self.amounts @ self.patterns
