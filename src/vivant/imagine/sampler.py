"""From noise, or from a coarse picture, to views: one sampler for all tasks and lengths.

Flow matching along the straight road (arXiv 2210.02747). Starting part-way from a coarse picture is SDEdit
(Meng et al. 2022, arXiv 2108.01073). Long clips are made in overlapping windows whose estimates are blended at
each step (MultiDiffusion, arXiv 2302.08113).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.checks import ABOVE_ZERO, expect_finite, expect_within
from vivant.core.errors import BadInputError, CancelledError
from vivant.networks.flow import shift_sigmas, velocity

TRAIN_STEPS = 1000
"""Noise levels that diffusers' schedulers know; the least is one of them above 0."""


@runtime_checkable
class Denoiser(Protocol):
    """Whatever estimates clean views from noisy ones."""

    def __call__(
        self,
        noisy: Float[Tensor, "people streams some channels height width"],
        sigma: float,
        views: Int[Tensor, " some"],
        guided: bool,
    ) -> Float[Tensor, "people streams some channels height width"]:
        """Estimate some of the views, with conditions (guided) or without them."""
        ...


@dataclass(frozen=True)
class SamplerConfig:
    """How views are drawn."""

    steps: int = 15
    """Steps from pure noise to a picture; fewer are taken when the start is not noise."""

    solver: Literal["euler", "heun"] = "euler"
    """Heun asks the network twice a step and errs less."""

    shift: float = 1.0
    """Above 1 more of the steps are spent on high noise; Wan2.1 takes 3."""

    strength: float = 1.0
    """Part of the steps that a coarse start is sent through: 0 keeps it, 1 ignores it."""

    start_sigma: float | None = None
    """The noise level a coarse start is brought to, 0 to 1; takes the place of `strength`."""

    temperature: float = 1.0
    """Scale of the noise that is begun with. With 0 and one step the result is the mean of all views that fit,
    smooth and the same for every seed."""

    window: int = 16
    """Views that are made together."""

    overlap: int = 4
    """Views that neighbouring windows share."""

    looped: bool = False
    """Whether the last view is the first one's neighbour."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, steps=(1, 1000), shift=(ABOVE_ZERO, math.inf), strength=(0, 1), start_sigma=(0, 1))
        expect_within(self, temperature=(0, 10), window=(1, math.inf), overlap=(0, self.window - 1))


def sigma_schedule(config: SamplerConfig) -> Float[Tensor, " levels"]:
    """Noise levels from 1 to 0, as diffusers' `FlowMatchEulerDiscreteScheduler` has them.

    The shift acts on the ends and then on all levels: that is what its users' models were tuned with.
    """
    ends = shift_sigmas(torch.tensor([1.0, 1 / TRAIN_STEPS], dtype=torch.double), config.shift)
    levels = torch.linspace(float(ends[0]), float(ends[1]), config.steps, dtype=torch.double)
    return torch.cat([shift_sigmas(levels, config.shift), torch.zeros(1, dtype=torch.double)]).float()


def levels_from(config: SamplerConfig, *, coarse: bool) -> Float[Tensor, " levels"]:
    """Noise levels that are gone through: all from noise, the last ones from a coarse start."""
    levels = sigma_schedule(config)
    if not coarse:
        return levels
    if config.start_sigma is not None:
        return torch.cat([torch.tensor([config.start_sigma]), levels[levels < config.start_sigma]])
    return levels[config.steps - min(int(config.steps * config.strength), config.steps) :]


@torch.no_grad()
def sample(
    denoise: Denoiser,
    shape: tuple[int, ...],
    config: SamplerConfig,
    generator: torch.Generator,
    *,
    start: Float[Tensor, "people streams views channels height width"] | None = None,
    guidance: Float[Tensor, " views"] | None = None,
    device: torch.device | str = "cpu",
    advance: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Float[Tensor, "people streams views channels height width"]:
    """Draw views.

    Args:
        denoise: Asked for estimates of clean views.
        shape: Of the result.
        config: Steps, solver, start and windows.
        generator: Of the noise; on the CPU, so that all devices see the same noise.
        start: A coarse picture to begin from; None begins from noise.
        guidance: Classifier-free guidance of each view; 1 (or None for all) asks with conditions only.
        device: Where the work is done.
        advance: Told the part that is done.
        cancelled: Asked before each step.

    Raises:
        BadInputError: If counts do not fit, or the config's numbers are out of range.
        CancelledError: If `cancelled` says so.
        NumericalError: If the denoiser makes values that are not finite.
    """
    if start is not None and tuple(start.shape) != tuple(shape):
        raise BadInputError(f"The start has shape {tuple(start.shape)}, the views shall have {tuple(shape)}.")
    if guidance is not None and len(guidance) != shape[2]:
        raise BadInputError(f"{len(guidance)} weights of guidance are given for {shape[2]} views.")
    levels = levels_from(config, coarse=start is not None)
    noise = config.temperature * torch.randn(shape, generator=generator).to(device)
    first = float(levels[0])
    noisy = noise if start is None else (1 - first) * start.to(device) + first * noise
    runs = windows(shape[2], config)

    def estimate(noisy: Tensor, sigma: float) -> Tensor:
        return _blended(denoise, noisy, sigma, runs, guidance)

    for index in range(len(levels) - 1):
        if cancelled is not None and cancelled():
            raise CancelledError("Stopped while views were drawn.")
        noisy = _step(estimate, noisy, float(levels[index]), float(levels[index + 1]), config.solver)
        expect_finite("the sampler", views=noisy)
        if advance is not None:
            advance((index + 1) / (len(levels) - 1))
    return noisy


def _step(
    estimate: Callable[[Tensor, float], Tensor], noisy: Tensor, sigma: float, below: float, solver: str
) -> Tensor:
    clean = estimate(noisy, sigma)
    # Along the straight road: `noisy + (below - sigma) * slope`, worked out in one pass.
    ahead = torch.lerp(clean, noisy, below / sigma)
    if solver == "euler" or below == 0:
        # At 0 there is no slope to be asked for.
        return ahead
    slope = velocity(noisy, clean, sigma)
    return noisy + (below - sigma) * (slope + velocity(ahead, estimate(ahead, below), below)) / 2


def windows(count: int, config: SamplerConfig) -> list[Int[Tensor, " some"]]:
    """Which views are made together; neighbours share `overlap` views, and all views are in some window."""
    size, stride = config.window, config.window - config.overlap
    if 0 < count <= size:
        return [torch.arange(count)]
    if config.looped:
        return [torch.arange(begin, begin + size) % count for begin in range(0, count, stride)]
    begins = [*range(0, count - size, stride), count - size]
    return [torch.arange(begin, begin + size) for begin in begins]


def _blended(
    denoise: Denoiser,
    noisy: Tensor,
    sigma: float,
    runs: list[Tensor],
    guidance: Float[Tensor, " views"] | None,
) -> Tensor:
    """Estimates of all windows, each view weighted by how far it lies from its window's ends."""
    if len(runs) == 1:
        return _guided(denoise, noisy, sigma, runs[0], guidance)
    total, weights = torch.zeros_like(noisy), noisy.new_zeros(noisy.shape[2])
    for views in runs:
        place = torch.arange(len(views), dtype=noisy.dtype, device=noisy.device)
        weight = torch.minimum(place, len(views) - 1 - place) + 1
        index = views.to(noisy.device)
        made = _guided(denoise, noisy[:, :, index], sigma, views, guidance)
        total.index_add_(2, index, made * weight[:, None, None, None])
        weights.index_add_(0, index, weight)
    return total / weights[:, None, None, None]


def _guided(
    denoise: Denoiser, noisy: Tensor, sigma: float, views: Tensor, guidance: Float[Tensor, " views"] | None
) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598): away from the unconditional estimate."""
    told = denoise(noisy, sigma, views, True)
    if guidance is None or bool((guidance[views] == 1).all()):
        return told
    untold = denoise(noisy, sigma, views, False)
    weight = guidance[views].to(noisy)[:, None, None, None]
    return untold + weight * (told - untold)


def triangular_guidance(
    azimuths_deg: Float[Tensor, " views"], *, front: float = 1.0, back: float = 2.0
) -> Float[Tensor, " views"]:
    """Guidance that grows evenly from the front to the back (GAS, arXiv 2502.06957, section 3.4)."""
    turned = (azimuths_deg + 180).remainder(360) - 180
    return front + (back - front) * turned.abs() / 180
