"""What is believed about anybody before looking: shape, pose, camera."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.fit.solve import Anatomy, Prior

PHENOTYPE_SPREAD = {
    "gender": 0.15, "age": 0.06, "muscle": 0.25, "weight": 0.12, "height": 0.12, "proportions": 0.25,
}  # fmt: skip
"""Weight and muscle stay near the middle, or a coat becomes obesity."""

STANDING_FLEX = 0.15
"""Radians: spread of hip and knee flex of who stands."""

ACTION_SPREAD = 0.3

TILT_SPREAD = 0.1
"""Radians: how far up or down cameras look."""


def make_prior(anatomy: Anatomy, phenotypes: Float[Tensor, " phenotypes"], straight_legs: bool) -> Prior:
    """Beliefs about one person.

    Args:
        anatomy: The body.
        phenotypes: The likeliest shape.
        straight_legs: Who stands has straight legs unless the picture says otherwise.
    """
    freedoms = anatomy.freedoms
    bend_spread = freedoms.spread.clone()
    if straight_legs:
        bend_spread[freedoms.rows("upperleg01", "lowerleg01"), 1] = STANDING_FLEX
    spread = torch.tensor([PHENOTYPE_SPREAD[name] for name in anatomy.model.phenotype_names])
    return Prior(freedoms.natural, bend_spread, phenotypes, spread, ACTION_SPREAD, TILT_SPREAD)
