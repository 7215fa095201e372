"""Numbers about a result, each with its meaning."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """One measured number."""

    name: str
    value: float
    unit: str
    definition: str
    """How it was measured, so that it can be compared."""

    view: str = ""
    """Of which view; empty for the whole."""


@dataclass(frozen=True)
class Scores:
    """What was measured about one result."""

    per_view: tuple[Score, ...]
    summary: tuple[Score, ...]
    verdict: tuple[str, ...]
    """Plain sentences."""
