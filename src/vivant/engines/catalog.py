"""The table of engines: what each does, where it comes from, and under which licence."""

from dataclasses import dataclass
from typing import Literal

from vivant.core.errors import BadInputError
from vivant.engines.jobs import VisionEngine


@dataclass(frozen=True)
class Engine:
    """One model, or one family of models that come together."""

    name: str
    job: str
    """The Protocol in `jobs.py` that it implements."""

    library: str
    version: str
    licence: str
    tier: Literal["embedded", "hub"]
    """Embedded engines work offline right after the install; hub ones fetch weights."""

    weights: str
    """Where its weights come from; "inside its wheel" means that nothing is fetched."""

    home: str
    """A page about it."""


ENGINES: tuple[Engine, ...] = (
    Engine(
        name="mediapipe",
        job="VisionEngine",
        library="mediapipe",
        version="0.10.21",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside its wheel",
        home="https://github.com/google-ai-edge/mediapipe",
    ),
    Engine(
        name="vivant-view",
        job="ViewGenerator",
        library="vivant",
        version="1",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside the package",
        home="https://arxiv.org/abs/2502.06957",
    ),
    Engine(
        name="vivant-lifter",
        job="PhotoToSplats",
        library="vivant",
        version="1",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside the package",
        home="https://arxiv.org/abs/2503.10625",
    ),
    Engine(
        name="vivant-nerf",
        job="RadianceField",
        library="vivant",
        version="1",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside the package",
        home="https://arxiv.org/abs/2502.06957",
    ),
    Engine(
        name="vivant-limbs",
        job="LimbsInSpace",
        library="vivant",
        version="1",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside the package",
        home="https://github.com/vivant/vivant",
    ),
    Engine(
        name="vivant-standoff",
        job="DepthOfClothes",
        library="vivant",
        version="1",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside the package",
        home="https://github.com/vivant/vivant",
    ),
    Engine(
        name="vivant-shading",
        job="LightBehind",
        library="vivant",
        version="1",
        licence="Apache-2.0",
        tier="embedded",
        weights="inside the package",
        home="https://github.com/vivant/vivant",
    ),
)


def load_vision(name: str) -> VisionEngine:
    """Load an engine that sees people.

    Raises:
        BadInputError: If no engine of that name does this job.
    """
    able = [engine.name for engine in ENGINES if engine.job == "VisionEngine"]
    if name not in able:
        raise BadInputError(f"No engine called {name!r} sees people; there are: {', '.join(able)}.")
    # Imported here so that reading the table costs nothing.
    from vivant.engines.mediapipe_vision import load_mediapipe

    return load_mediapipe()
