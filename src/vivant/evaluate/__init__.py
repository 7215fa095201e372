"""Measure results, and tell about them on a page."""

from vivant.evaluate.likeness import compare_with_photo, judge
from vivant.evaluate.metrics import mask_iou, psnr, ssim
from vivant.evaluate.overlays import body_overlay, cutout, keypoint_svg, trust_colored
from vivant.evaluate.page import Panel, Report, Section, write_page

__all__ = [
    "Panel",
    "Report",
    "Section",
    "body_overlay",
    "compare_with_photo",
    "cutout",
    "judge",
    "keypoint_svg",
    "mask_iou",
    "psnr",
    "ssim",
    "trust_colored",
    "write_page",
]
