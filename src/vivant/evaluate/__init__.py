"""Measure results, and tell about them on a page."""

from vivant.evaluate.backbones import (
    BackboneFiles,
    Backbones,
    Counterparts,
    clip_features,
    load_backbones,
    picture_features,
    set_distances,
)
from vivant.evaluate.benchmark import (
    AS_PHOTOGRAPHED,
    EVERYBODY,
    METRICS,
    PHOTO_METRICS,
    Benchmark,
    Interval,
    Row,
    bootstrap,
    difference,
    load_benchmark,
    save_benchmark,
    select,
)
from vivant.evaluate.benchmark_page import Case, write_benchmark_page
from vivant.evaluate.compare import Seen, Similarity, align, on_white, score_pictures, union_box
from vivant.evaluate.likeness import compare_with_photo, judge
from vivant.evaluate.metrics import mask_iou, psnr, ssim
from vivant.evaluate.overlays import body_overlay, cutout, keypoint_svg, trust_colored
from vivant.evaluate.page import Panel, Report, Section, write_page
from vivant.evaluate.perception import flip, frechet_distance, gmsd, ms_ssim
from vivant.evaluate.photographs import flicker, photograph_rows
from vivant.evaluate.views import Shown, comparison_sheet, mean_score, view_scores

__all__ = [
    "AS_PHOTOGRAPHED",
    "EVERYBODY",
    "METRICS",
    "PHOTO_METRICS",
    "BackboneFiles",
    "Backbones",
    "Benchmark",
    "Case",
    "Counterparts",
    "Interval",
    "Panel",
    "Report",
    "Row",
    "Section",
    "Seen",
    "Shown",
    "Similarity",
    "align",
    "body_overlay",
    "bootstrap",
    "clip_features",
    "compare_with_photo",
    "comparison_sheet",
    "cutout",
    "difference",
    "flicker",
    "flip",
    "frechet_distance",
    "gmsd",
    "judge",
    "keypoint_svg",
    "load_backbones",
    "load_benchmark",
    "mask_iou",
    "mean_score",
    "ms_ssim",
    "on_white",
    "photograph_rows",
    "picture_features",
    "psnr",
    "save_benchmark",
    "score_pictures",
    "select",
    "set_distances",
    "ssim",
    "trust_colored",
    "union_box",
    "view_scores",
    "write_benchmark_page",
    "write_page",
]
