"""From a photo to the person in it: found, measured, and cut out."""

from vivant.perceive.film import watch
from vivant.perceive.person import PerceiveConfig, perceive
from vivant.perceive.photo import read_photo

__all__ = ["PerceiveConfig", "perceive", "read_photo", "watch"]
