"""From a person and a body to a coarse avatar."""

from vivant.lift.forward import LiftConfig, lift

__all__ = ["LiftConfig", "lift"]
