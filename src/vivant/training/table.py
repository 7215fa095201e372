"""The table of trainings: what each network is, what it sees, and how fast it learns."""

from dataclasses import dataclass, replace
from pathlib import Path

from vivant.core.errors import BadInputError
from vivant.networks import LifterConfig, NerfConfig, ViewUNetConfig
from vivant.networks.lpips import load_lpips
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


SIZES = ("full", "reduced", "rehearsal")
"""Full: for a GPU. Reduced: what a processor learns in an hour. Rehearsal: every part runs, in a minute."""


def find_training(name: str, *, size: str = "full", lpips: Path | None = None) -> Training:
    """Look up a training.

    Args:
        name: `view`, `lifter` or `nerf`.
        size: One of `SIZES`.
        lpips: The user's weights of LPIPS, for the lifter's loss.

    Raises:
        BadInputError: If there is no such training, it is not made in that size, or has no use for LPIPS.
        BadFileError: If LPIPS' weights cannot be read.
    """
    makers = {"view": _view, "lifter": _lifter, "nerf": _nerf}
    if name not in makers:
        raise BadInputError(f"There is no training {name!r}; there are {', '.join(makers)}.")
    if size not in SIZES:
        raise BadInputError(f"Trainings are {', '.join(SIZES)}; {size!r} is none of them.")
    training = makers[name](size)
    if lpips is None:
        return training
    if not isinstance(training.objective, LifterObjective):
        raise BadInputError(f"Only the lifter learns by LPIPS; {name!r} has no use for its weights.")
    # Read now: a bad file is told before data is made.
    load_lpips(lpips)
    plain = training.objective
    return replace(training, objective=LifterObjective(plain.config, plain.side, lpips))


SMALL_PEOPLE = PeopleConfig(people=2, views=3, size=64, pool=4, held_back=2, samples=1)
SMALL_CONFIG = TrainConfig(
    minutes=0.5, warm_up=5, validate_every=0.25, validation_batches=1, learning_rate=2e-3
)


def _view(size: str) -> Training:
    if size == "rehearsal":
        network = ViewUNetConfig(size=64, channels=(16, 32, 32), heads=2, reference_side=4)
        return Training(ViewObjective(network), SMALL_PEOPLE, SMALL_CONFIG)
    if size == "reduced":
        network = ViewUNetConfig(size=128, channels=(48, 96, 128))
        return Training(
            ViewObjective(network, noise=1.0),
            PeopleConfig(
                people=2,
                views=3,
                size=128,
                pool=256,
                held_back=8,
                tasks=("view", "view", "pose", "canonical"),
                shown=3,
            ),
            TrainConfig(
                learning_rate=1e-3, average=0.995, minutes=60.0, validate_every=10.0, validation_batches=4
            ),
        )
    return Training(
        ViewObjective(ViewUNetConfig(channels=(48, 96, 128, 160), lean=True)),
        PeopleConfig(people=8, views=8, size=256, pool=256, held_back=8),
        TrainConfig(learning_rate=6e-4),
    )


def _lifter(size: str) -> Training:
    if size == "rehearsal":
        network = LifterConfig(width=48, layers=1, heads=2, anchors=512, splats=8, channels=(8, 16), detail=8)
        return Training(LifterObjective(network, side=64), SMALL_PEOPLE, SMALL_CONFIG)
    if size == "reduced":
        network = LifterConfig(
            width=96, layers=3, heads=4, anchors=1024, splats=8, channels=(24, 48), detail=24
        )
        return Training(
            LifterObjective(network, side=128),
            PeopleConfig(people=2, views=3, size=128, pool=256, held_back=8, tasks=("view", "pose"), shown=4),
            TrainConfig(
                learning_rate=1e-3, average=0.995, minutes=60.0, validate_every=10.0, validation_batches=4
            ),
        )
    return Training(
        LifterObjective(LifterConfig()),
        PeopleConfig(people=4, views=4, size=256, pool=256, held_back=8, tasks=("view", "pose")),
        TrainConfig(learning_rate=4e-4),
    )


def _nerf(size: str) -> Training:
    if size == "rehearsal":
        network = NerfConfig(side=32, channels=(8, 16), width=48, layers=2, coarse=16, fine=8)
        return Training(NerfObjective(network, points=256), SMALL_PEOPLE, SMALL_CONFIG)
    if size == "reduced":
        network = NerfConfig(side=32, width=96, layers=3, coarse=20, fine=12)
        return Training(
            NerfObjective(network, points=1024),
            PeopleConfig(people=2, views=2, size=128, pool=256, held_back=8, tasks=("view", "pose")),
            TrainConfig(
                learning_rate=2e-3, average=0.995, minutes=30.0, validate_every=5.0, validation_batches=6
            ),
        )
    return Training(
        NerfObjective(NerfConfig()),
        PeopleConfig(people=8, views=2, size=256, pool=256, held_back=8, tasks=("view", "pose")),
        TrainConfig(learning_rate=1e-3),
    )
