"""Imagine what no photo shows: views by a generator."""

from vivant.imagine.generate import MEAN_ESTIMATE, GenerateConfig, Generated, generate
from vivant.imagine.plan import PlanConfig, azimuths_from_front, turntable
from vivant.imagine.sampler import (
    Denoiser,
    SamplerConfig,
    levels_from,
    sample,
    sigma_schedule,
    triangular_guidance,
    windows,
)
from vivant.imagine.views import ImagineConfig, imagine_poses, imagine_views

__all__ = [
    "MEAN_ESTIMATE",
    "Denoiser",
    "GenerateConfig",
    "Generated",
    "ImagineConfig",
    "PlanConfig",
    "SamplerConfig",
    "azimuths_from_front",
    "generate",
    "imagine_poses",
    "imagine_views",
    "levels_from",
    "sample",
    "sigma_schedule",
    "triangular_guidance",
    "turntable",
    "windows",
]
