"""Tiny trainings for tests."""

import functools
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from vivant.networks import LifterConfig, NerfConfig, ViewUNetConfig
from vivant.training import Objective, People, PeopleConfig, TrainConfig
from vivant.training.lifter_objective import LifterObjective
from vivant.training.nerf_objective import NerfObjective
from vivant.training.view_objective import ViewObjective

PEOPLE = PeopleConfig(people=1, views=2, size=32, pool=2, held_back=1, samples=1)
CONFIG = TrainConfig(steps=4, warm_up=1, learning_rate=2e-3, validation_batches=1)


@functools.lru_cache(maxsize=1)
def people() -> People:
    return People(PEOPLE, "cpu")


def objective(name: str) -> Objective:
    if name == "view":
        network = ViewUNetConfig(size=32, channels=(16, 16), heads=2, reference_side=4)
        return ViewObjective(network)
    if name == "lifter":
        network = LifterConfig(width=24, layers=1, heads=2, anchors=256, splats=4, channels=(8, 16), detail=8)
        return LifterObjective(network, side=32)
    network = NerfConfig(side=16, channels=(8, 16), width=32, layers=2, coarse=16, fine=8)
    return NerfObjective(network, points=256)


def load_tool(name: str) -> ModuleType:
    """Import one of `tools/` as it is run: other tools find it by its name."""
    path = Path(__file__).parents[2] / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its records ask for their module by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
