"""From views to a better avatar."""

from vivant.reconstruct.align import AlignConfig, align_poses
from vivant.reconstruct.capture import CAPTURE_REFIT, views_from_capture, vouched, with_photo
from vivant.reconstruct.optimise import ReconstructConfig, ReconstructionCancelledError, reconstruct
from vivant.reconstruct.photo import PHOTO_REFIT, joined, mirrored, refine_photo, views_from_photo
from vivant.reconstruct.recolor import RecolorConfig, recolor
from vivant.reconstruct.reshape import ReshapeConfig, reshape
from vivant.reconstruct.shade import ShadeConfig, shade
from vivant.reconstruct.standoff import StandOffConfig, stand_off

__all__ = [
    "CAPTURE_REFIT",
    "PHOTO_REFIT",
    "AlignConfig",
    "RecolorConfig",
    "ReconstructConfig",
    "ReconstructionCancelledError",
    "ReshapeConfig",
    "ShadeConfig",
    "StandOffConfig",
    "align_poses",
    "joined",
    "mirrored",
    "recolor",
    "reconstruct",
    "refine_photo",
    "reshape",
    "shade",
    "stand_off",
    "views_from_capture",
    "views_from_photo",
    "vouched",
    "with_photo",
]
