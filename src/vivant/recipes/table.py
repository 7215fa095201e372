"""The table of recipes, and the shortest way to use one."""

import dataclasses
import importlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vivant.core.errors import BadInputError
from vivant.core.folders import results_folder
from vivant.core.progress import Listener, ignore
from vivant.core.run import Context, Run
from vivant.core.threads import load_ahead
from vivant.recipes.provenance import sign
from vivant.records import Avatar, Photo


@dataclass(frozen=True)
class Recipe:
    """One way to make avatars."""

    name: str
    module: str
    line: str
    """What is particular about it."""


RECIPES = (
    Recipe("quick", "vivant.recipes.quick", "A body fitted to the photo, the photo's colours laid on it."),
    Recipe(
        "refine",
        "vivant.recipes.refine",
        "Then a turntable of it is repainted by a generator, and it is refitted.",
    ),
    Recipe(
        "gas",
        "vivant.recipes.gas",
        "Then views and a moving clip are imagined from dense renders, and it is refitted.",
    ),
)


@runtime_checkable
class RecipeModule(Protocol):
    """What a recipe's module has."""

    Config: Any
    """Frozen dataclass with a config for each stage."""

    def engines(self, config: Any) -> tuple[str, ...]:
        """Names in the engines' table of what the recipe uses with that config."""
        ...

    def build(self, run: Run, photo: Photo, config: Any) -> Avatar:
        """Build an avatar."""
        ...


def load_recipe(name: str) -> RecipeModule:
    """Find a recipe by its name.

    Raises:
        BadInputError: If there is none of that name.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            # Imported here so that reading the table costs nothing.
            return importlib.import_module(recipe.module)  # pyright: ignore[reportReturnType]
    raise BadInputError(f"There is no recipe {name!r}; there are: {', '.join(r.name for r in RECIPES)}.")


def create(
    photo: Photo | Path | str,
    recipe: str = "quick",
    config: Any = None,
    *,
    person: int | None = None,
    seed: int = 0,
    keep: bool = True,
    listener: Listener = ignore,
) -> Avatar:
    """Make an avatar from one photo.

    Args:
        photo: A file, or a photo that is read already.
        recipe: A name in `RECIPES`.
        config: The recipe's `Config`; its defaults are what we recommend.
        person: Which person, counted from the left from 1; by default the largest.
        seed: Of everything random.
        keep: Keep what each stage makes in the cache folder, so that the next run is quick.
        listener: Told about progress.

    Raises:
        VivantError: If the photo cannot be used; the message says why and what to do.
    """
    from vivant.perceive import read_photo

    module = load_recipe(recipe)
    config = module.Config() if config is None else config
    if person is not None:
        config = with_person(config, person)
    run = Run(results_folder() if keep else None, Context(seed=seed, listener=listener))
    photo = photo if isinstance(photo, Photo) else read_photo(Path(photo))
    return build_signed(run, recipe, photo, config)


def build_signed(run: Run, recipe: str, photo: Photo, config: Any) -> Avatar:
    """Carry out a recipe, and write into the avatar where it came from.

    Raises:
        VivantError: If the photo cannot be used.
    """
    module = load_recipe(recipe)
    # Whoever looks at the photo leaves Python half of the time, and needs no kernels; all that follow do.
    load_ahead("vivant.core.jit")
    avatar = module.build(run, photo, config)
    return sign(avatar, recipe, photo, config, module.engines(config))


def with_person(config: Any, person: int) -> Any:
    """Choose a person in a recipe's config."""
    return dataclasses.replace(config, perceive=dataclasses.replace(config.perceive, person=person))


def sample_photo() -> Path:
    """Give the photo that comes with vivant: a person rendered by ourselves."""
    return Path(str(resources.files("vivant.recipes").joinpath("assets/sample.jpg")))
