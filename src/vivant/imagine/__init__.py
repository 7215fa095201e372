"""Imagine what no photo shows: views by a generator."""

from vivant.imagine.sampler import (
    Denoiser,
    SamplerConfig,
    levels_from,
    sample,
    sigma_schedule,
    triangular_guidance,
    windows,
)

__all__ = [
    "Denoiser",
    "SamplerConfig",
    "levels_from",
    "sample",
    "sigma_schedule",
    "triangular_guidance",
    "windows",
]
