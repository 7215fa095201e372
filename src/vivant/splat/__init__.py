"""Gaussians: drawn with gradients, and read and written as files."""

from vivant.splat.averaged import rasterize_averaged
from vivant.splat.harmonics import colors_from_sh, sh_from_colors
from vivant.splat.rasterizer import rasterize
from vivant.splat.skinning import Blend, pose_splats

__all__ = ["Blend", "colors_from_sh", "pose_splats", "rasterize", "rasterize_averaged", "sh_from_colors"]
