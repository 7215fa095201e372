"""Models behind named jobs."""

from vivant.engines.catalog import ENGINES, Engine, load_vision

__all__ = ["ENGINES", "Engine", "load_vision"]
