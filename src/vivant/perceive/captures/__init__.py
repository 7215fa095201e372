"""Captures: a folder of pictures, and a file that tells their cameras."""

from vivant.perceive.captures.alone import blindfold, cut_by_mask
from vivant.perceive.captures.folder import find_cameras_file, read_capture, read_picture_of

__all__ = ["blindfold", "cut_by_mask", "find_cameras_file", "read_capture", "read_picture_of"]
