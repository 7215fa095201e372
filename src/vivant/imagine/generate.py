"""Views by our own generator: conditions in, pictures with normals and masks out."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.imagine.sampler import SamplerConfig, sample
from vivant.networks import STREAMS, ViewConditions, ViewUNet

CHANNELS = 4


@dataclass(frozen=True)
class GenerateConfig:
    """How views are made."""

    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    without: tuple[str, ...] = ("reference", "guide")
    """What the unguided half of classifier-free guidance is not told."""


MEAN_ESTIMATE = GenerateConfig(SamplerConfig(steps=1, temperature=0.0))
"""The mean of all views that fit what is told, in one step: the best guess of a small generator."""


@dataclass(frozen=True)
class Generated:
    """Views of some people."""

    images: Float[Tensor, "people views 3 size size"]
    """0 to 1, straight colour."""

    alphas: Float[Tensor, "people views size size"]
    normals: Float[Tensor, "people views 3 size size"]
    """Unit, in camera axes; 0 outside the mask."""


def generate(
    network: ViewUNet,
    conditions: ViewConditions,
    config: GenerateConfig,
    generator: torch.Generator,
    *,
    coarse: Generated | None = None,
    guidance: Float[Tensor, " views"] | None = None,
    advance: Callable[[float], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generated:
    """Make views from noise, or repaint coarse ones (SDEdit).

    Args:
        network: Ready to be asked; its float type and device are worked in.
        conditions: All of them; what shall not be told is left out with `ViewConditions.without`.
        config: Steps, start and guidance.
        generator: Of the noise, on the CPU.
        coarse: Where to begin; how much of it stays is the sampler's `strength` or `start_sigma`.
        guidance: Of each view; None or 1 asks with conditions only.
        advance: Told the part that is done.
        cancelled: Asked before each step.

    Raises:
        BadInputError: If sizes do not fit.
        CancelledError: If `cancelled` says so.
        NumericalError: If the network makes values that are not finite.
    """
    people, count, _, size, _ = conditions.normals.shape
    if size != network.config.size:
        raise BadInputError(
            f"The conditions are {size} px a side; this network makes {network.config.size} px."
        )
    device = next(network.parameters()).device
    with torch.no_grad():
        told = network.encode(conditions.to(device))
        untold = network.encode(conditions.without(*config.without).to(device))

    def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
        encoded = told if guided else untold
        if len(views) < count:
            encoded = encoded.at_views(views.to(device))
        return network(noisy, torch.full((people,), sigma, device=device), encoded)

    made = sample(
        denoise,
        (people, len(STREAMS), count, CHANNELS, size, size),
        config.sampler,
        generator,
        start=None if coarse is None else _as_streams(coarse),
        guidance=guidance,
        device=device,
        advance=advance,
        cancelled=cancelled,
    )
    return _from_streams(made.float().cpu())


def _as_streams(views: Generated) -> Float[Tensor, "people 2 views 4 size size"]:
    """Colours -1 to 1 that are 0 outside, masks -1 to 1: as the network was trained."""
    mask = views.alphas[:, :, None]
    color = (2 * views.images - 1) * mask
    streams = [torch.cat([part, 2 * mask - 1], dim=2) for part in (color, views.normals * mask)]
    return torch.stack(streams, dim=1)


def _from_streams(made: Float[Tensor, "people 2 views 4 size size"]) -> Generated:
    """Both streams tell a mask; their mean is taken."""
    alphas = ((made[:, :, :, 3].mean(1) + 1) / 2).clamp(0, 1)
    mask = alphas[:, :, None]
    # Colours were made flat towards grey at the rim; that is undone where there is enough of the person.
    color = ((made[:, 0, :, :3] / mask.clamp(min=0.25)).clamp(-1, 1) + 1) / 2
    normals = torch.nn.functional.normalize(made[:, 1, :, :3], dim=2) * (mask > 0.5)
    return Generated(color * (mask > 0), alphas, normals)
