"""More splats where the pictures ask for detail, fewer where nothing is seen.

Clone, split and reset: 3DGS (arXiv 2308.04079). Relocation at a fixed count: 3DGS as Markov chain Monte Carlo
(arXiv 2404.09591). Growth is a share of the count, not a threshold on gradients, whose scale hangs on the loss
and the pictures' size.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.rotations import matrices_from_quats
from vivant.reconstruct.adam import Adam
from vivant.reconstruct.cloud import Cloud

MOST_COPIES = 51
"""Of one splat in a relocation; as in the paper's code."""


@dataclass(frozen=True)
class DensifyConfig:
    """Whether and when splats are added, removed and moved."""

    mode: Literal["off", "adaptive", "relocate"] = "off"
    """`off`: exactly the same splats in and out. `adaptive`: clone, split, prune. `relocate`: the count
    stays, but splats that became transparent move to where others are busy."""

    begin: float = 0.1
    """Part of the iterations after which it begins."""

    end: float = 0.6
    """Part of the iterations after which it ends."""

    every: int = 100
    """Iterations between two rounds."""

    growth: float = 0.05
    """`adaptive`: how many splats a round clones or splits, as a share."""

    most: int = 150_000
    """`adaptive`: no growth beyond so many splats."""

    split_size: float = 1.0
    """`adaptive`: splats larger than this (standard deviation by spacing) are split, others cloned."""

    faint: float = 0.02
    """Opacity below which a splat is pruned or relocated."""

    reset_every: int = 0
    """`adaptive`: every so many iterations all opacities fall to at most `reset_to`; 0 never does it."""

    reset_to: float = 0.05
    """See `reset_every`."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, begin=(0, 1), end=(self.begin, 1), every=(1, math.inf), growth=(0, 1))
        expect_within(self, most=(1, math.inf), split_size=(ABOVE_ZERO, math.inf), faint=(0, 1))
        expect_within(self, reset_every=(0, math.inf), reset_to=(ABOVE_ZERO, 1))

    def is_due(self, step: int, iterations: int) -> bool:
        """Whether a round follows this step (counted from 1)."""
        within = self.begin * iterations <= step <= self.end * iterations
        return self.mode != "off" and within and step % self.every == 0


class Demand:
    """How much the pictures pull at each splat."""

    def __init__(self, count: int) -> None:
        """Begin with nothing seen."""
        self.pull = torch.zeros(count)
        self.seen = torch.zeros(count)

    def watch(self, means: Float[Tensor, "splats 3"]) -> None:
        """Add up one step's gradients on places."""
        assert means.grad is not None
        size = means.grad.norm(dim=1).to(self.pull)
        self.pull += size
        self.seen += size > 0

    @property
    def mean(self) -> Float[Tensor, " splats"]:
        """Mean pull where a splat was seen at all."""
        return self.pull / self.seen.clamp(min=1)


def densify(
    cloud: Cloud, adam: Adam, demand: Demand, spacing: float, config: DensifyConfig, generator: torch.Generator
) -> Cloud:
    """Do one round; gives the new cloud, and lets the optimiser follow."""
    if config.mode == "relocate":
        return relocate(cloud, adam, config, generator)
    return _adapt(cloud, adam, demand, spacing, config, generator)


def _adapt(
    cloud: Cloud, adam: Adam, demand: Demand, spacing: float, config: DensifyConfig, generator: torch.Generator
) -> Cloud:
    """Clone or split the splats that are pulled at most, and prune the faint."""
    count = len(cloud)
    faint = cloud.tables["opacity_logits"].detach().sigmoid() < config.faint
    room = max(config.most - count + int(faint.sum()), 0)
    wanted = min(math.ceil(config.growth * count), room)
    pull = demand.mean.to(cloud.trust).masked_fill(faint, 0)
    busiest = pull.topk(min(wanted, count)).indices
    busiest = busiest[pull[busiest] > 0].sort().values
    large = cloud.tables["log_scales"].detach()[busiest].amax(1) > math.log(config.split_size * spacing)
    kept = ~faint
    kept[busiest[large]] = False
    old, cloned, split = kept.nonzero()[:, 0], busiest[~large], busiest[large].repeat_interleave(2)
    source = torch.cat([old, cloned, split])
    grown = cloud.picked(source)
    halves = torch.arange(len(old) + len(cloned), len(source), device=source.device)
    _spread(grown, halves, generator)
    keeps = torch.zeros(len(source))
    keeps[: len(old)] = 1
    adam.rearrange(grown.tables, source, keeps)
    return grown


def _spread(cloud: Cloud, rows: Int[Tensor, " rows"], generator: torch.Generator) -> None:
    """Place halves of split splats at random within their parents, and make them smaller."""
    with torch.no_grad():
        scales = cloud.tables["log_scales"][rows].exp()
        random = torch.randn(len(rows), 3, generator=generator).to(scales)
        turns = matrices_from_quats(cloud.tables["quats"][rows])
        cloud.tables["means"][rows] += (turns @ (random * scales)[..., None])[..., 0]
        cloud.tables["log_scales"][rows] -= math.log(1.6)


def reset_opacity(cloud: Cloud, adam: Adam, config: DensifyConfig) -> None:
    """Let every splat prove anew that it is needed."""
    limit = math.log(config.reset_to / (1 - config.reset_to))
    with torch.no_grad():
        cloud.tables["opacity_logits"].clamp_(max=limit)
    for memory in (adam.first, adam.second):
        memory["opacity_logits"].zero_()


def relocate(cloud: Cloud, adam: Adam, config: DensifyConfig, generator: torch.Generator) -> Cloud:
    """Move faint splats onto others, chosen by opacity; together the copies look as the one did."""
    opacity = cloud.tables["opacity_logits"].detach().sigmoid()
    faint = opacity < config.faint
    dead = faint.nonzero()[:, 0]
    if len(dead) == 0 or len(dead) == len(cloud):
        return cloud
    chances = opacity.masked_fill(faint, 0).double().cpu()
    chosen = torch.multinomial(chances, len(dead), replacement=True, generator=generator).to(dead)
    source = torch.arange(len(cloud), device=dead.device)
    source[dead] = chosen
    moved = cloud.picked(source)
    copies = torch.bincount(source, minlength=len(cloud))[source].clamp(max=MOST_COPIES)
    shared = copies > 1
    alpha, shrink = share_opacity(opacity[source][shared], copies[shared])
    with torch.no_grad():
        moved.tables["opacity_logits"][shared] = torch.logit(alpha)
        moved.tables["log_scales"][shared] += shrink.log()[:, None]
    adam.rearrange(moved.tables, source, (~shared).float())
    return moved


def share_opacity(
    opacity: Float[Tensor, " splats"], copies: Int[Tensor, " splats"]
) -> tuple[Float[Tensor, " splats"], Float[Tensor, " splats"]]:
    """Opacity of each of some copies, and the factor on their scales, so that all together look as the one did.

    Equation 9 of arXiv 2404.09591: the copies' blend has the same value at the centre and the same integral.
    """
    old = opacity.double().clamp(max=1 - 1e-6)
    new = 1 - (1 - old) ** (1 / copies)
    total = torch.zeros_like(old)
    for i in range(1, int(copies.max()) + 1):
        inner = torch.zeros_like(old)
        for k in range(i):
            inner += math.comb(i - 1, k) * (-1) ** k * new ** (k + 1) / math.sqrt(k + 1)
        total += inner * (i <= copies)
    return new.clamp(1e-4, 1 - 1e-6).to(opacity), (old / total).to(opacity)
