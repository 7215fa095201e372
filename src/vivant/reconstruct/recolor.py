"""Imagined colours carried back to the splats: each takes the mean change that is asked for where it shows.

A fit by steps would do the same more slowly and less well: what imagined views change is slow, but hundreds of
steps with momentum leave every splat a little off on its own, and the weave is gone.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.checks import expect_finite, expect_within
from vivant.core.run import Context
from vivant.records import Avatar, Splats, Views
from vivant.splat import pose_splats, rasterize
from vivant.splat.harmonics import BAND_0

SHOWN = 0.5
"""Least mask of the avatar's own picture where colours are compared."""


@dataclass(frozen=True)
class RecolorConfig:
    """How imagined colours are taken over."""

    rounds: int = 4
    """How often pictures are drawn and compared; neighbours overlap, so one round goes only part of the way."""

    steady_px: float = 2.0
    """Trusted pixels that say "no change" of each splat: one that hardly shows hardly changes."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, rounds=(1, 100), steady_px=(0, 1e9))


def recolor(context: Context, avatar: Avatar, views: Views, config: RecolorConfig) -> Avatar:
    """Change the splats' colours by what views ask for; nothing is moved, added or removed.

    A splat's share in a pixel is the derivative of the pixel's colour by its own. Splats that the photo vouches
    for keep their colours as far as it does.

    Args:
        context: Is told the progress.
        avatar: Whose colours change.
        views: Imagined ones, with their trust.
        config: How.

    Raises:
        NumericalError: If the views hold values that are not finite.
    """
    transforms = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, views.poses)
    guessed = 1 - avatar.trust[:, None]
    for number in range(config.rounds):
        asked = avatar.trust.new_zeros(len(avatar.splats), 3)
        shown = avatar.trust.new_full((len(avatar.splats), 1), config.steady_px)
        for view in range(len(views.images)):
            posed = pose_splats(avatar.splats, avatar.binding, transforms[view])
            change, share = _asked(posed, views, view)
            asked, shown = asked + change, shown + share
            context.advance((number + (view + 1) / len(views.images)) / config.rounds)
        step = guessed * asked / shown.clamp(min=1e-6)
        expect_finite("recolor", colors=step)
        avatar = replace(avatar, splats=_moved(avatar.splats, step))
    return avatar


def _asked(
    posed: Splats, views: Views, view: int
) -> tuple[Float[Tensor, "splats 3"], Float[Tensor, "splats 1"]]:
    """Sum over a view of the change that is asked for and of its weight, as far as each splat shows."""
    shares = posed.means.new_zeros(len(posed), 4).requires_grad_()
    with torch.enable_grad():
        drawn = rasterize(posed, views.cameras[view], features=shares, normals=False)
    color, alpha = drawn.color[0, ..., :3].detach(), drawn.alpha[0, ..., None].detach()
    weight = views.trust[view][..., None] * (alpha > SHOWN)
    change = views.images[view] - color / alpha.clamp(min=SHOWN)
    asked = torch.cat([change * weight, weight], dim=-1)
    sums = torch.autograd.grad((drawn.color[0, ..., 3:] * asked).sum(), shares)[0]
    return sums[:, :3], sums[:, 3:]


def _moved(splats: Splats, step: Float[Tensor, "splats 3"]) -> Splats:
    """Add to the colour that looks the same from everywhere."""
    sh = splats.sh.clone()
    sh[:, 0] += step / BAND_0
    return replace(splats, sh=sh)
