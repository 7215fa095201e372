"""From a photo to the person in it: found, measured, and cut out."""

from vivant.perceive.film import watch
from vivant.perceive.person import PerceiveConfig, look_closely, perceive
from vivant.perceive.photo import read_photo

__all__ = ["PerceiveConfig", "look_closely", "perceive", "read_photo", "watch"]
