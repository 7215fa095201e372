"""From a person in a photo to the rigged body that fits."""

from vivant.fit.film import FilmFitConfig, fit_film
from vivant.fit.filmed import FilmedFitConfig, fit_filmed
from vivant.fit.photo import FitConfig, fit_body
from vivant.fit.quality import fit_quality
from vivant.fit.studio import StudioFitConfig, fit_studio

__all__ = [
    "FilmFitConfig",
    "FilmedFitConfig",
    "FitConfig",
    "StudioFitConfig",
    "fit_body",
    "fit_film",
    "fit_filmed",
    "fit_quality",
    "fit_studio",
]
