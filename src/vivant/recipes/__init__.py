"""Which rooms, in which order: each recipe is one module."""

from vivant.recipes.capture import CaptureConfig, refit
from vivant.recipes.deliver import Files, build_and_deliver, film_paths
from vivant.recipes.table import RECIPES, create, load_recipe, sample_photo, with_person

__all__ = [
    "RECIPES",
    "CaptureConfig",
    "Files",
    "build_and_deliver",
    "create",
    "film_paths",
    "load_recipe",
    "refit",
    "sample_photo",
    "with_person",
]
