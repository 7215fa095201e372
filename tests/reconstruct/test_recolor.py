"""Imagined colours carried back to splats."""

from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.body import forward_kinematics
from vivant.core.errors import BadInputError, NumericalError
from vivant.core.progress import Advanced, Event
from vivant.core.run import Context
from vivant.reconstruct import RecolorConfig, recolor
from vivant.records import Avatar, Pose, Views
from vivant.splat import pose_splats, rasterize
from vivant.splat.harmonics import BAND_0


def avatar(trust: float = 0.0) -> Avatar:
    made = fakes.avatar(2000)
    return replace(made, trust=torch.full_like(made.trust, trust))


def own_views(of: Avatar, change: torch.Tensor, trust: float = 0.4) -> Views:
    """The avatar's own picture in its photo, whose colours are changed by so much."""
    pose = Pose(of.photo_pose.local_quats[None], of.photo_pose.root[None])
    posed = pose_splats(
        of.splats, of.binding, forward_kinematics(of.rig.joint_parents, of.rig.joints_world, of.photo_pose)
    )
    drawn = rasterize(posed, of.photo_camera, normals=False)
    alpha = drawn.alpha[..., None]
    images = (drawn.color / alpha.clamp(min=1e-3) + change) * (alpha > 0.01)
    return Views(images, drawn.alpha, None, torch.full_like(drawn.alpha, trust), of.photo_camera, pose)


def shown(before: Avatar, after: Avatar) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each colour moved, and which splats lie in view."""
    moved = BAND_0 * (after.splats.sh - before.splats.sh)[:, 0]
    return moved, moved.abs().sum(1) > 0.02


def test_a_change_everywhere_is_the_change_of_each_splat_that_shows() -> None:
    before, asked = avatar(), torch.tensor([0.2, -0.1, 0.05])
    after = recolor(Context(), before, own_views(before, asked), RecolorConfig(rounds=1, steady_px=0.0))
    moved, visible = shown(before, after)
    assert float(visible.float().mean()) > 0.1
    # The mean of a constant is that constant, whatever the weights.
    # At the rim the picture is cut where the mask is thin.
    off = (moved[visible] - asked).abs().amax(1)
    assert float(off.median()) < 1e-3 and float((off > 5e-3).float().mean()) < 0.01
    for name in ("means", "quats", "log_scales", "opacity_logits"):
        assert torch.equal(getattr(after.splats, name), getattr(before.splats, name))


def test_nothing_asked_leaves_colours_as_they_are() -> None:
    before = avatar()
    after = recolor(Context(), before, own_views(before, torch.zeros(3)), RecolorConfig())
    assert float((after.splats.sh - before.splats.sh).abs().max()) < 1e-3


def test_splats_keep_their_colours_as_far_as_the_photo_vouches_for_them() -> None:
    asked = torch.tensor([0.2, 0.2, 0.2])
    moves = []
    for trust in (0.0, 0.75, 1.0):
        before = avatar(trust)
        after = recolor(Context(), before, own_views(before, asked), RecolorConfig(rounds=1, steady_px=0.0))
        moves.append(float(shown(before, after)[0].max()))
    assert moves == pytest.approx([0.2, 0.05, 0.0], abs=6e-3)


def test_views_without_trust_change_nothing_and_hardly_shown_splats_hardly_change() -> None:
    before, asked = avatar(), torch.full((3,), 0.2)
    after = recolor(Context(), before, own_views(before, asked, trust=0.0), RecolorConfig())
    assert torch.equal(after.splats.sh, before.splats.sh)
    once = RecolorConfig(rounds=1, steady_px=1e4)
    steady = recolor(Context(), before, own_views(before, asked), once)
    assert 0 < float(shown(before, steady)[0].abs().max()) < 0.01


def test_rounds_come_nearer_to_a_picture_with_detail() -> None:
    before = avatar()
    stripes = 0.2 * ((torch.arange(before.photo_camera.width) // 6 % 2).float() - 0.5)
    views = own_views(before, stripes[None, None, :, None])
    errors = []
    for rounds in (1, 2, 6):
        after = recolor(Context(), before, views, RecolorConfig(rounds=rounds))
        drawn = own_views(after, torch.zeros(3)).images
        errors.append(float(((drawn - views.images) * (views.alphas > 0.9)[..., None]).square().mean()))
    start = float(((stripes[None, None, :, None]) * (views.alphas > 0.9)[..., None]).square().mean())
    assert start > 1.3 * errors[0] and errors[0] > errors[1] > errors[2]


def test_progress_is_told_and_nonsense_refused() -> None:
    events: list[Event] = []
    before = avatar()
    views = own_views(before, torch.zeros(3))
    recolor(Context(listener=events.append), before, views, RecolorConfig(rounds=2))
    assert [e.fraction for e in events if isinstance(e, Advanced)] == [0.5, 1.0]
    with pytest.raises(NumericalError, match="recolor"):
        recolor(Context(), before, replace(views, images=views.images * float("nan")), RecolorConfig())
    with pytest.raises(BadInputError, match="`rounds` is 0"):
        RecolorConfig(rounds=0)
