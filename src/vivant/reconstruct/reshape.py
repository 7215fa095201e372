"""Imagined outlines carried back to the surface.

A photo tells how wide somebody is and not how deep; views from the side do.
"""

from dataclasses import dataclass

import numpy as np

from vivant.core.checks import expect_finite, expect_within
from vivant.core.run import Context
from vivant.reconstruct.surface_field import PLACES, field_over, goals_of, moved_by, photo_goals, settled
from vivant.records import Avatar, Person, Views


@dataclass(frozen=True)
class ReshapeConfig:
    """How imagined outlines are taken over."""

    rounds: int = 2
    """How often outlines are drawn and compared: moved splats uncover others. 0 leaves the shape alone."""

    steady: float = 1.0
    """How many outline points say "no move" of each place: one that no outline passes by stays."""

    limit: float = 0.05
    """Metres that the surface moves at most; what is asked for beyond is something else."""

    evidence: float = 4.0
    """How much the photo's own outline counts beside an imagined one."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, rounds=(0, 20), steady=(1e-3, 1e9), limit=(0, 1), evidence=(0, 1e6))


def reshape(context: Context, avatar: Avatar, person: Person, views: Views, config: ReshapeConfig) -> Avatar:
    """Move the surface in and out until the avatar's outlines are those of the views; nothing else changes.

    Args:
        context: Is told the progress.
        avatar: Whose surface moves.
        person: The photo it came from, whose outline counts more than imagined ones.
        views: Imagined ones; only their masks are looked at.
        config: How.

    Raises:
        BadInputError: If the photo is not the avatar's.
        NumericalError: If the views hold values that are not finite.
    """
    if config.rounds == 0 or config.limit == 0:
        return avatar
    expect_finite("reshape", alphas=views.alphas)
    goals = goals_of(avatar, views, weight=1.0, limit=config.limit)
    goals += photo_goals(avatar, person, weight=config.evidence, limit=config.limit)
    field = field_over(avatar)
    numbers = settled(
        avatar, field, goals, np.zeros(PLACES), rounds=config.rounds, steady=config.steady,
        limit=config.limit, advance=context.advance,
    )  # fmt: skip
    return moved_by(avatar, field, numbers, config.limit)
