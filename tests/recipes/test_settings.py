"""Settings that nothing can be done with are refused where they are made: before any work."""

import dataclasses
import math
from typing import Any

import pytest

from vivant.core.errors import BadInputError
from vivant.recipes import load_recipe
from vivant.recipes.film import FilmConfig

CONFIGS = (load_recipe("quick").Config(), FilmConfig())


def inner(config: Any) -> list[Any]:
    """A config and all the configs within it."""
    parts = [getattr(config, field.name) for field in dataclasses.fields(config)]
    return [config, *(deep for part in parts if dataclasses.is_dataclass(part) for deep in inner(part))]


NUMBERS = {
    f"{type(config).__qualname__}.{field.name}": (config, field.name)
    for outer in CONFIGS
    for config in inner(outer)
    for field in dataclasses.fields(config)
    if isinstance(getattr(config, field.name), (int, float)) and field.type not in (bool, "bool")
}


def refuse(config: Any, **changed: Any) -> None:
    with pytest.raises(BadInputError) as caught:
        dataclasses.replace(config, **changed)
    (value,) = changed.values()
    assert f"{value:g}" in str(caught.value)


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_may_be_negative_or_none_at_all(name: str) -> None:
    config, field = NUMBERS[name]
    refuse(config, **{field: -1 if isinstance(getattr(config, field), int) else -0.5})
    if isinstance(getattr(config, field), float):
        refuse(config, **{field: math.nan})
        refuse(config, **{field: math.inf})


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    densify = CONFIGS[0].refine.densify
    refuse(densify, begin=densify.end + 0.1)
    refuse(densify, end=densify.begin / 2)


def test_what_may_be_left_open_may_be_none() -> None:
    assert dataclasses.replace(FilmConfig().fit, focal_px=None).focal_px is None
    with pytest.raises(BadInputError, match="`focal_px` is 0; more than 0 is needed"):
        dataclasses.replace(FilmConfig().fit, focal_px=0.0)
