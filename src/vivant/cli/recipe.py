"""`vivant quick` and every further recipe: a command of its own, with typed options from its config."""

from dataclasses import dataclass

from vivant.cli import terminal
from vivant.cli.create import JobOptions, carry_out
from vivant.cli.options import parse_with_config


@dataclass(frozen=True)
class RecipeOptions(JobOptions):
    """Make an avatar with one recipe, and set what it does."""


def run(name: str, arguments: list[str]) -> int:
    """Do what the command line asks with the named recipe."""
    begun = terminal.clock()
    from vivant.recipes import load_recipe

    recipe = load_recipe(name)
    description = (recipe.__doc__ or "").strip()
    options, config = parse_with_config(RecipeOptions, recipe.Config, name, description, arguments)
    return carry_out(options, name, config, begun)
