"""Imagined views carried to the rooms that change an avatar by them."""

from vivant.core.progress import Noted
from vivant.core.run import Run
from vivant.imagine import ImagineConfig
from vivant.reconstruct import RecolorConfig, ReshapeConfig, ShadeConfig, StandOffConfig, recolor, reshape
from vivant.records import Avatar, Person, Views


def take_views(
    run: Run, avatar: Avatar, person: Person, views: Views, shape: ReshapeConfig, colors: RecolorConfig
) -> Avatar:
    """Take outlines and colours from imagined views; if they hold nothing to be believed, keep the avatar."""
    if not bool((views.trust > 0).any()):
        run.context.listener(
            Noted("The imagined views show nobody where the photo is blind; nothing is taken.")
        )
        return avatar
    return run(recolor, run(reshape, avatar, person, views, shape), views, colors)


def networks_of(imagine: ImagineConfig) -> tuple[str, ...]:
    """Names in the engines' table of what imagines views."""
    guides = {"lifter": ("vivant-lifter",), "nerf": ("vivant-nerf",)}
    return (*guides.get(imagine.guide, ()), "vivant-view")


def maps_of(stand_off: StandOffConfig, shading: ShadeConfig) -> tuple[str, ...]:
    """Names in the engines' table of what knows depth and light."""
    amounts = {"vivant-standoff": min(stand_off.amount, stand_off.limit), "vivant-shading": shading.amount}
    return tuple(name for name, amount in amounts.items() if amount > 0)
