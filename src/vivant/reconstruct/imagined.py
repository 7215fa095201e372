"""How an avatar is fitted to imagined views: they tell colours, and hardly anything of its shape."""

from vivant.reconstruct.adam import Rates
from vivant.reconstruct.losses import LossConfig
from vivant.reconstruct.optimise import ReconstructConfig
from vivant.reconstruct.regularise import RegulariseConfig

IMAGINED_REFIT = ReconstructConfig(
    iterations=96,
    max_side=512,
    unseen="still",
    # The outlines of imagined views are those of their guides: nothing is to be learned from them.
    loss=LossConfig(ssim=0.1, mask=0.0),
    rates=Rates(
        means=1e-6, means_last=1e-6, quats=0.0, log_scales=0.0, opacity_logits=0.0, sh=2e-2, momentum=0.5
    ),
    regularise=RegulariseConfig(smooth=0.2, size=4.0, size_limit=1.0, needle=0.5, needle_limit=3.0, hold=0.01),
)
"""Splats come out one for one, none added, none removed, none moved: what is imagined is their colour."""
