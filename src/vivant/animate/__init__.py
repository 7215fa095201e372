"""Move avatars and take pictures of them."""

from vivant.animate.choosing import motion_label, motion_named
from vivant.animate.face import Expressions, expressions_of, with_expressions
from vivant.animate.filming import Shot, draw, picture, play, posed_frames, showreel, turntable
from vivant.animate.motions import MOTIONS, builtin_motion, standing
from vivant.animate.posing import pose_avatar
from vivant.animate.readers import Clip, clip_of, load_motion, read_clip, save_motion
from vivant.animate.retarget import RetargetConfig, Retargeted, retarget

__all__ = [
    "MOTIONS",
    "Clip",
    "Expressions",
    "RetargetConfig",
    "Retargeted",
    "Shot",
    "builtin_motion",
    "clip_of",
    "draw",
    "expressions_of",
    "load_motion",
    "motion_label",
    "motion_named",
    "picture",
    "play",
    "pose_avatar",
    "posed_frames",
    "read_clip",
    "retarget",
    "save_motion",
    "showreel",
    "standing",
    "turntable",
    "with_expressions",
]
