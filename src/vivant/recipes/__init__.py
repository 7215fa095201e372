"""Which rooms, in which order: each recipe is one module."""

import importlib

_WHERE = {
    "Files": "vivant.recipes.deliver",
    "RECIPES": "vivant.recipes.table",
    "build_and_deliver": "vivant.recipes.deliver",
    "create": "vivant.recipes.table",
    "load_recipe": "vivant.recipes.table",
    "sample_photo": "vivant.recipes.table",
    "with_person": "vivant.recipes.table",
}

__all__ = ["RECIPES", "Files", "build_and_deliver", "create", "load_recipe", "sample_photo", "with_person"]  # noqa: F822, resolved by `__getattr__`


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'vivant.recipes' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
