"""Motions of other skeletons, carried over to an avatar's rig."""

from vivant.animate.retarget.roles import ROLES, match_joints
from vivant.animate.retarget.transfer import RetargetConfig, Retargeted, retarget

__all__ = ["ROLES", "RetargetConfig", "Retargeted", "match_joints", "retarget"]
