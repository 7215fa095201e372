"""Imagined views carried to the room that changes an avatar by them."""

from vivant.core.progress import Noted
from vivant.core.run import Run
from vivant.reconstruct import RecolorConfig, recolor
from vivant.records import Avatar, Views


def take_colors(run: Run, avatar: Avatar, views: Views, config: RecolorConfig) -> Avatar:
    """Take colours from imagined views; if they hold nothing that could be believed, keep the avatar."""
    if not bool((views.trust > 0).any()):
        run.context.listener(
            Noted("The imagined views show nobody where the photo is blind; nothing is taken.")
        )
        return avatar
    return run(recolor, avatar, views, config)
