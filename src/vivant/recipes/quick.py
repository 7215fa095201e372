"""Quick: a body is fitted to the person, and the photo's colours are laid on it. No learned weights.

What the photo does not show is completed from what it shows: by symmetry, from the front, along the surface.
A short fit to the photo then sharpens what it does show.
"""

from dataclasses import dataclass, field

from vivant.core.run import Run
from vivant.fit import FitConfig, fit_body
from vivant.lift import LiftConfig, lift
from vivant.perceive import PerceiveConfig, perceive
from vivant.recipes.provenance import READING
from vivant.reconstruct import PHOTO_REFIT, ReconstructConfig, refine_photo
from vivant.records import Avatar, Photo


@dataclass(frozen=True)
class Config:
    """What can be set about the quick recipe."""

    perceive: PerceiveConfig = field(default_factory=PerceiveConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    refine: ReconstructConfig = PHOTO_REFIT


def build(run: Run, photo: Photo, config: Config) -> Avatar:
    """Build an avatar from one photo.

    Raises:
        NoPersonError: If nobody is in the photo.
        ManyPersonsError: If several people are in the photo and none was chosen.
    """
    person = run(perceive, photo, config.perceive)
    body = run(fit_body, person, config.fit)
    coarse = run(lift, person, body, config.lift)
    return run(refine_photo, coarse, person, config.refine)


def engines(config: Config) -> tuple[str, ...]:
    """Names in the engines' table of what this recipe uses."""
    return READING
