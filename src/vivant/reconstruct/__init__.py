"""From views to a better avatar."""

from vivant.reconstruct.optimise import ReconstructConfig, ReconstructionCancelledError, reconstruct

__all__ = ["ReconstructConfig", "ReconstructionCancelledError", "reconstruct"]
