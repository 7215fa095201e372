"""Typed options from dataclasses. The only file that imports tyro."""

from dataclasses import make_dataclass
from typing import Annotated, TypeVar

import tyro

T = TypeVar("T")
C = TypeVar("C")

Positional = tyro.conf.Positional
"""Marks an argument that is given without its name."""


def named(metavar: str, *aliases: str, name: str | None = None) -> object:
    """Annotate an option: the word that stands for its value in the help, its short names, its own name."""
    return tyro.conf.arg(metavar=metavar, aliases=list(aliases) or None, name=name)


def parse(kind: type[T], command: str, arguments: list[str]) -> T:
    """Read a command's options; a wrong one ends the program with a hint and exit code 2."""
    return tyro.cli(kind, prog=f"vivant {command}", args=arguments, config=_MANNERS)


def parse_with_config(
    kind: type[T], config: type[C], command: str, description: str, arguments: list[str]
) -> tuple[T, C]:
    """Read a command's own options and a recipe's config, whose options have dotted names."""
    both = make_dataclass(
        "Both",
        [
            ("options", Annotated[kind, tyro.conf.arg(name="")]),
            ("settings", Annotated[config, tyro.conf.arg(name="")]),
        ],
        frozen=True,
    )
    parsed = tyro.cli(both, prog=f"vivant {command}", description=description, args=arguments, config=_MANNERS)
    return parsed.options, parsed.settings


_MANNERS = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
