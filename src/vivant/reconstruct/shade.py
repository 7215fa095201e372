"""What is learned of light carried to a coarse avatar: how bright the side is that the photo does not show."""

from dataclasses import dataclass, replace

import torch

from vivant.core.checks import expect_finite, expect_within
from vivant.core.run import Context
from vivant.engines.own_networks import load_shading
from vivant.networks import shading_features
from vivant.reconstruct.learned import knows_body, predicted
from vivant.records import Avatar
from vivant.splat.harmonics import BAND_0

MOST = 1.0
"""Change of brightness (in logarithms) at most: to about a third, or threefold."""


@dataclass(frozen=True)
class ShadeConfig:
    """How learned light is taken over."""

    amount: float = 0.6
    """Part of what is predicted; 0 leaves colours alone. Where outlines do not coincide, darker splats on
    white cost more than right colours win, so all of it is too much for some (docs/decisions/051, 053)."""

    weights: str = ""
    """File from `tools/fit_shading.py`; the one in the package if empty."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, amount=(0, 2))


def shade(context: Context, avatar: Avatar, config: ShadeConfig) -> Avatar:
    """Make splats brighter or darker as far as the photo does not vouch for them; nothing else changes.

    A body of another kind than the learned one stays as it is.

    Raises:
        BadFileError: If the file of weights is missing, damaged, or of another network.
        MissingWeightsError: If no weights are in the package.
        NumericalError: If numbers become infinite.
    """
    if config.amount == 0:
        return avatar
    network, _ = load_shading(config.weights)
    if not knows_body(context, network, avatar, what="light", keeps="colours"):
        return avatar
    features = torch.cat(shading_features(avatar, network.places))
    change = predicted(network, features, what="light", maker="tools/fit_shading.py")
    binding, splats = avatar.binding, avatar.splats
    under = (change[avatar.rig.faces[binding.face]] * binding.barycentric).sum(1).clamp(-MOST, MOST)
    brightest = (0.5 + BAND_0 * splats.sh[:, 0]).amax(dim=1)
    factor = (config.amount * (1 - avatar.trust) * under).exp()
    factor = torch.minimum(factor, (1 / brightest.clamp(min=1e-6)).clamp(min=1.0))[:, None]
    sh = splats.sh * factor[..., None]
    # Colours are harmonics about a middle grey.
    sh[:, 0] += 0.5 * (factor - 1) / BAND_0
    expect_finite("shade", colors=sh)
    return replace(avatar, splats=replace(splats, sh=sh))
