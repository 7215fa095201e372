"""The table of trainings: what each network is, what it sees, and how fast it learns."""

from dataclasses import dataclass

from vivant.core.errors import BadInputError
from vivant.networks import LifterConfig, NerfConfig, ViewUNetConfig
from vivant.training.lifter_objective import LifterObjective
from vivant.training.loop import TrainConfig
from vivant.training.nerf_objective import NerfObjective
from vivant.training.objectives import Objective
from vivant.training.people import PeopleConfig
from vivant.training.view_objective import ViewObjective


@dataclass(frozen=True)
class Training:
    """One network's training as we recommend it."""

    objective: Objective
    people: PeopleConfig
    config: TrainConfig


def find_training(name: str, *, rehearse: bool = False) -> Training:
    """Look up a training.

    Args:
        name: `view`, `lifter` or `nerf`.
        rehearse: A very small one: every part runs, in a minute on a laptop.

    Raises:
        BadInputError: If there is no such training.
    """
    makers = {"view": _view, "lifter": _lifter, "nerf": _nerf}
    if name not in makers:
        raise BadInputError(f"There is no training {name!r}; there are {', '.join(makers)}.")
    return makers[name](rehearse)


SMALL_PEOPLE = PeopleConfig(people=2, views=3, size=64, pool=4, held_back=2, samples=1)
SMALL_CONFIG = TrainConfig(
    minutes=0.5, warm_up=5, validate_every=0.25, validation_batches=1, learning_rate=2e-3
)


def _view(rehearse: bool) -> Training:
    if rehearse:
        network = ViewUNetConfig(size=64, channels=(16, 32, 32), heads=2, reference_side=4)
        return Training(ViewObjective(network, steps=4), SMALL_PEOPLE, SMALL_CONFIG)
    return Training(
        ViewObjective(ViewUNetConfig()),
        PeopleConfig(people=8, views=8, size=256, pool=256, held_back=8),
        TrainConfig(learning_rate=6e-4),
    )


def _lifter(rehearse: bool) -> Training:
    if rehearse:
        network = LifterConfig(width=48, layers=1, heads=2, anchors=512, splats=8, channels=(8, 16), detail=8)
        return Training(LifterObjective(network, side=64), SMALL_PEOPLE, SMALL_CONFIG)
    return Training(
        LifterObjective(LifterConfig()),
        PeopleConfig(people=4, views=4, size=256, pool=256, held_back=8, tasks=("view", "pose")),
        TrainConfig(learning_rate=4e-4),
    )


def _nerf(rehearse: bool) -> Training:
    if rehearse:
        network = NerfConfig(side=32, channels=(8, 16), width=48, layers=2, coarse=16, fine=8)
        return Training(NerfObjective(network, points=256), SMALL_PEOPLE, SMALL_CONFIG)
    return Training(
        NerfObjective(NerfConfig()),
        PeopleConfig(people=8, views=2, size=256, pool=256, held_back=8, tasks=("view", "pose")),
        TrainConfig(learning_rate=1e-3),
    )
