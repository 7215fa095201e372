"""From views to a better avatar."""

from vivant.reconstruct.capture import CAPTURE_REFIT, views_from_capture, vouched, with_photo
from vivant.reconstruct.imagined import IMAGINED_REFIT
from vivant.reconstruct.optimise import ReconstructConfig, ReconstructionCancelledError, reconstruct
from vivant.reconstruct.photo import PHOTO_REFIT, joined, mirrored, refine_photo, views_from_photo

__all__ = [
    "CAPTURE_REFIT",
    "IMAGINED_REFIT",
    "PHOTO_REFIT",
    "ReconstructConfig",
    "ReconstructionCancelledError",
    "joined",
    "mirrored",
    "reconstruct",
    "refine_photo",
    "views_from_capture",
    "views_from_photo",
    "vouched",
    "with_photo",
]
