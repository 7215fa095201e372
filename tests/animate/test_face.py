from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.animate import builtin_motion, expressions_of, posed_frames
from vivant.animate.face import BLINK, with_expressions
from vivant.body import MOUTH, joint_limits, load_anny
from vivant.records import Avatar
from vivant.splat import colors_from_sh, sh_from_colors


def test_the_jaw_opens_downwards_and_only_the_face_moves() -> None:
    avatar = fakes.avatar(6000)
    face = expressions_of(avatar, ("jawOpen",))
    assert face is not None
    moved = face.apply(avatar.splats, torch.tensor([1.0])).means - avatar.splats.means
    far = moved.norm(dim=-1) > 0.01
    assert int(far.sum()) > 5 and float(moved[far, 1].mean()) < -0.01
    assert float(avatar.splats.means[far, 1].min()) > 1.4


def test_an_action_never_goes_beyond_its_full_strength() -> None:
    avatar = fakes.avatar(6000)
    face = expressions_of(avatar, ("mouthSmileLeft",))
    assert face is not None
    once, twice = (face.apply(avatar.splats, torch.tensor([w])).means for w in (1.0, 2.0))
    assert torch.equal(once, twice)


def test_eyes_blink_in_every_loop_and_open_again() -> None:
    idle = builtin_motion("idle", fakes.rig())
    assert idle.actions is not None
    assert float(idle.actions.max()) == 1.0 and float((idle.actions == 0).float().mean()) > 0.7
    assert float(idle.actions[0].max()) == 0.0


def test_a_talk_opens_the_mouth_in_the_film() -> None:
    avatar = fakes.avatar(6000)
    talk = builtin_motion("talk", avatar.rig, fps=4.0)
    assert talk.actions is not None
    still = builtin_motion("idle", avatar.rig, fps=4.0)
    assert float(talk.actions[:, talk.action_names.index("jawOpen")].max()) > 0.2
    assert len(list(posed_frames(avatar, talk))) == len(talk) and still.action_names != talk.action_names


@pytest.fixture(scope="module")
def pale() -> Avatar:
    """Somebody of pale skin with blue eyes."""
    avatar = fakes.avatar(40_000)
    eyes = load_anny().face_region[avatar.binding.face] == 1
    colors = torch.where(eyes[:, None], torch.tensor([0.3, 0.5, 0.9]), torch.tensor([0.8, 0.7, 0.6]))
    scales = torch.full_like(avatar.splats.log_scales, 0.005).log()
    return replace(avatar, splats=replace(avatar.splats, sh=sh_from_colors(colors), log_scales=scales))


def painted(avatar: Avatar, weight: float) -> torch.Tensor:
    """Colours of the eyes when both close so far."""
    face = expressions_of(avatar, BLINK)
    assert face is not None
    splats = face.apply(avatar.splats, torch.full((2,), weight))
    ahead = torch.tensor([0.0, 0.0, -1.0]).expand(len(splats), 3)
    return colors_from_sh(splats.sh, ahead)[load_anny().face_region[avatar.binding.face] == 1]


def test_closed_lids_cover_the_eyes_with_skin_and_open_ones_do_not(pale: Avatar) -> None:
    assert len(painted(pale, 0.0)) > 10
    torch.testing.assert_close(painted(pale, 0.0).mean(0), torch.tensor([0.3, 0.5, 0.9]))
    torch.testing.assert_close(painted(pale, 1.0), torch.tensor([0.8, 0.7, 0.6]).expand_as(painted(pale, 1.0)))


def test_a_closed_lid_goes_on_with_the_light_of_the_skin_beside_it(pale: Avatar) -> None:
    aside = pale.splats.means[:, 0].abs()
    eyes = load_anny().face_region[pale.binding.face] == 1
    sh = pale.splats.sh.clone()
    shaded = torch.stack([0.9 - 4 * aside, torch.full_like(aside, 0.7), torch.full_like(aside, 0.6)], dim=-1)
    sh[~eyes] = sh_from_colors(shaded.clamp(0.3, 1))[~eyes]
    red = painted(replace(pale, splats=replace(pale.splats, sh=sh)), 1.0)[:, 0]
    outer = aside[eyes] > aside[eyes].median()
    assert float(red[~outer].mean()) > float(red[outer].mean()) + 0.02


def test_a_lid_comes_down_from_above(pale: Avatar) -> None:
    blue = painted(pale, 0.4)[:, 2]
    heights = pale.splats.means[load_anny().face_region[pale.binding.face] == 1, 1]
    upper = heights > heights.median()
    assert float(blue[upper].mean()) < float(blue[~upper].mean()) - 0.05


def test_sunglasses_stay_where_they_are(pale: Avatar) -> None:
    face = expressions_of(pale, BLINK)
    assert face is not None
    sh = pale.splats.sh.clone()
    sh[face.lids[0][1].index] = sh_from_colors(torch.tensor([[0.1, 0.1, 0.1]]))
    behind = replace(pale, splats=replace(pale.splats, sh=sh))
    hidden = expressions_of(behind, BLINK)
    assert hidden is not None and hidden.lids == ()
    assert torch.equal(hidden.apply(behind.splats, torch.ones(2)).means, behind.splats.means)


def test_the_mouth_is_lined_with_dark_splats_behind_the_lips_that_go_with_the_jaw(pale: Avatar) -> None:
    ready, face = with_expressions(pale, ("jawOpen",))
    assert face is not None
    first = len(pale.splats)
    added = ready.splats.means[first:]
    assert len(added) > 500 and len(ready.binding.face) == len(ready.trust) == len(ready.splats)
    ahead = torch.tensor([0.0, 0.0, -1.0]).expand(len(added), 3)
    assert torch.allclose(colors_from_sh(ready.splats.sh[first:], ahead), torch.tensor(MOUTH), atol=1e-5)
    lips = pale.splats.means[(pale.splats.means[:, None] - added.mean(0)).norm(dim=-1)[:, 0] < 0.08, 2].max()
    assert float(added[:, 2].max()) < float(lips)
    moved = face.apply(ready.splats, torch.ones(1)).means[first:] - added
    assert float(moved[:, 1].min()) < -0.01 and float(moved[:, 1].max()) < 0.005


def test_lids_close_as_well_beside_a_lined_mouth(pale: Avatar) -> None:
    face = with_expressions(pale, (*BLINK, "jawOpen"))[1]
    assert face is not None and len(face.lids) == 2


def test_without_a_mouth_that_moves_nothing_is_added(pale: Avatar) -> None:
    assert with_expressions(pale, BLINK)[0] is pale


def test_every_limited_joint_reaches_its_limits_and_none_leaves_them() -> None:
    rig = fakes.rig()
    motion = builtin_motion("range_of_motion", rig)
    limits = joint_limits(rig)
    angles = limits.angles(motion.pose)
    assert float((angles - limits.upper).max()) < 0.02 and float((limits.lower - angles).max()) < 0.02
    flex = [
        limits.joints.tolist().index(rig.joint(name)) for name in ("lowerarm01.L", "lowerleg01.R", "wrist.L")
    ]
    reach = angles[:, flex, 1].amax(0) / limits.upper[flex, 1]
    assert float(reach.min()) > 0.97
