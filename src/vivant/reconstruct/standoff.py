"""What is learned of depth carried to a coarse avatar: how far its surface stands off in front and behind."""

from dataclasses import dataclass

from vivant.core.checks import expect_within
from vivant.core.run import Context
from vivant.engines.own_networks import load_standoff
from vivant.networks import standoff_features
from vivant.reconstruct.learned import knows_body, predicted
from vivant.reconstruct.surface_field import field_over, moved_by, over_places, photo_goals, settled
from vivant.records import Avatar, Person


@dataclass(frozen=True)
class StandOffConfig:
    """How learned depth is taken over."""

    amount: float = 1.0
    """Part of what is predicted; 0 leaves the shape alone."""

    evidence: float = 0.1
    """How much a point of the photo's outline counts; 0: not at all."""

    steady: float = 30.0
    """How many points of the outline a prediction outweighs."""

    rounds: int = 2
    """How often avatar and photo are compared."""

    limit: float = 0.05
    """Metres that the surface moves at most."""

    weights: str = ""
    """File from `tools/fit_standoff.py`; the one in the package if empty."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, amount=(0, 2), evidence=(0, 1e6), steady=(1e-3, 1e9), rounds=(1, 20), limit=(0, 1))


def stand_off(context: Context, avatar: Avatar, person: Person, config: StandOffConfig) -> Avatar:
    """Move the surface in and out as people of that build and in such clothes have it; nothing else changes.

    The photo's outline holds what it shows. A body of another kind than the learned one stays as it is.

    Raises:
        BadFileError: If the file of weights is missing, damaged, or of another network.
        BadInputError: If the photo is not the avatar's.
        MissingWeightsError: If no weights are in the package.
        NumericalError: If numbers become infinite.
    """
    if config.amount == 0:
        return avatar
    network, _ = load_standoff(config.weights)
    if not knows_body(context, network, avatar, what="depth", keeps="shape"):
        return avatar
    features = standoff_features(avatar)
    moves = config.amount * predicted(network, features, what="depth", maker="tools/fit_standoff.py")
    field = field_over(avatar)
    goals = photo_goals(avatar, person, weight=config.evidence, limit=config.limit)
    numbers = settled(
        avatar, field, goals, over_places(field, avatar, moves), rounds=config.rounds, steady=config.steady,
        limit=config.limit, advance=context.advance,
    )  # fmt: skip
    return moved_by(avatar, field, numbers, config.limit)
