"""Move avatars and take pictures of them."""

from vivant.animate.filming import Shot, draw, picture, play, showreel, turntable
from vivant.animate.motions import MOTIONS, builtin_motion, standing
from vivant.animate.posing import pose_avatar

__all__ = [
    "MOTIONS",
    "Shot",
    "builtin_motion",
    "draw",
    "picture",
    "play",
    "pose_avatar",
    "showreel",
    "standing",
    "turntable",
]
