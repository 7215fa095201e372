"""Imagined views carried to the room that fits an avatar to them."""

from vivant.core.progress import Noted
from vivant.core.run import Run
from vivant.reconstruct import ReconstructConfig, reconstruct
from vivant.records import Avatar, Views


def fit_to_imagined(run: Run, avatar: Avatar, views: Views, config: ReconstructConfig) -> Avatar:
    """Take colours from imagined views; if they hold nothing that could be believed, keep the avatar."""
    if not bool((views.trust > 0).any()):
        run.context.listener(
            Noted("The imagined views show nobody where the photo is blind; nothing is taken.")
        )
        return avatar
    return run(reconstruct, avatar, views, config)
