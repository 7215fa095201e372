"""From views to a better avatar."""

from vivant.reconstruct.imagined import IMAGINED_REFIT
from vivant.reconstruct.optimise import ReconstructConfig, ReconstructionCancelledError, reconstruct
from vivant.reconstruct.photo import PHOTO_REFIT, joined, mirrored, refine_photo, views_from_photo

__all__ = [
    "IMAGINED_REFIT",
    "PHOTO_REFIT",
    "ReconstructConfig",
    "ReconstructionCancelledError",
    "joined",
    "mirrored",
    "reconstruct",
    "refine_photo",
    "views_from_photo",
]
