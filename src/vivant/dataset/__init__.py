"""People with known truth: dressed, posed, lit and photographed, for training and for measuring."""

from vivant.dataset.figure import Figure, pose_figure
from vivant.dataset.jobs import map_jobs
from vivant.dataset.people import PeopleFolder
from vivant.dataset.poses import PoseSource
from vivant.dataset.samples import PeopleConfig, make_sample, preview
from vivant.dataset.shards import write_people
from vivant.dataset.splits import VALIDATION_IDENTITIES, VALIDATION_WARDROBE, is_validation
from vivant.dataset.truth import Truth, observe
from vivant.dataset.wardrobe import Wardrobe

__all__ = [
    "VALIDATION_IDENTITIES",
    "VALIDATION_WARDROBE",
    "Figure",
    "PeopleConfig",
    "PeopleFolder",
    "PoseSource",
    "Truth",
    "Wardrobe",
    "is_validation",
    "make_sample",
    "map_jobs",
    "observe",
    "pose_figure",
    "preview",
    "write_people",
]
