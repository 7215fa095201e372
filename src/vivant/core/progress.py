"""What a run tells the outside: typed events, handed to whoever listens."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageStarted:
    """A stage begins."""

    stage: str


@dataclass(frozen=True)
class Advanced:
    """Part of the current stage is done."""

    stage: str
    fraction: float
    """0 to 1."""

    note: str = ""
    """A word on where it is, e.g. a loss."""


@dataclass(frozen=True)
class StageFinished:
    """A stage ended."""

    stage: str
    seconds: float
    reused: bool
    """True if an earlier run's result was taken."""


@dataclass(frozen=True)
class Noted:
    """Something the user should know: a guess that was made, a fallback that was chosen."""

    text: str


Event = StageStarted | Advanced | StageFinished | Noted
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
