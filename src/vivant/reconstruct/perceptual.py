"""LPIPS as a part of the loss, where the user has its weights."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import MissingWeightsError
from vivant.networks.lpips import HOW, LEAST_SIDE, Lpips, load_lpips
from vivant.reconstruct.losses import LossConfig, Target


def load_perceptual(config: LossConfig) -> Lpips | None:
    """The network if the loss asks for it.

    Raises:
        MissingWeightsError: If no file is named.
        BadFileError: If the file is missing, damaged, or of something else.
    """
    if not config.perceptual:
        return None
    if not config.lpips:
        raise MissingWeightsError(
            f"A perceptual weight of {config.perceptual} needs LPIPS' weights, which vivant does not carry; "
            f"name their file as `lpips`. {HOW}"
        )
    return load_lpips(Path(config.lpips))


def perceptual_loss(
    color: Float[Tensor, "height width 3"], target: Target, network: Lpips
) -> Float[Tensor, ""]:
    """LPIPS of a picture and a view (arXiv 1801.03924), with gradient.

    Pixels count as far as they are trusted: elsewhere the picture is taken to be the view, on both sides of a
    window.
    """
    truth = target.color.to(color)
    trusted = target.weight.to(color).clamp(0, 1)[..., None]
    pictures = torch.stack([truth + trusted * (color - truth), truth]).permute(0, 3, 1, 2)
    height, width = pictures.shape[2:]
    room = (0, max(LEAST_SIDE - width, 0), 0, max(LEAST_SIDE - height, 0))
    ours, theirs = torch.nn.functional.pad(pictures, room).split(1)
    return network(ours, theirs)[0]
