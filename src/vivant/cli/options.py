"""Typed options from dataclasses. The only file that imports tyro."""

import dataclasses
from dataclasses import make_dataclass
from typing import Annotated, TypeVar

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructTypeInfo

T = TypeVar("T")
C = TypeVar("C")

Positional = tyro.conf.Positional
"""Marks an argument that is given without its name."""


def named(metavar: str, *aliases: str, name: str | None = None) -> object:
    """Annotate an option: the word that stands for its value in the help, its short names, its own name."""
    return tyro.conf.arg(metavar=metavar, aliases=list(aliases) or None, name=name)


def parse(kind: type[T], command: str, arguments: list[str]) -> T:
    """Read a command's options; a wrong one ends the program with a hint and exit code 2."""
    with _no_none_told():
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
    with _no_none_told():
        parsed = tyro.cli(
            both, prog=f"vivant {command}", description=description, args=arguments, config=_MANNERS
        )
    return parsed.options, parsed.settings


def _no_none_told() -> ConstructorRegistry:
    """While this is entered, help does not say `(default: None)`: the option's words tell what is done then."""
    registry = ConstructorRegistry()
    asking: list[StructTypeInfo] = []

    @registry.struct_rule
    def rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if asking or not dataclasses.is_dataclass(info.type):
            return None
        # tyro's own rule for dataclasses is asked, by stepping aside once.
        asking.append(info)
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            asking.pop()
        if not isinstance(spec, StructConstructorSpec):
            return None
        silent = tyro.conf.arg(help_behavior_hint="")
        fields = tuple(
            dataclasses.replace(field, type=Annotated[field.type, silent]) if field.default is None else field
            for field in spec.fields
        )
        return dataclasses.replace(spec, fields=fields)

    return registry


_MANNERS = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
