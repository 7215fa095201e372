"""Real pictures as views: of one size, trusted as far as they go; and what they vouch for."""

from dataclasses import replace

import pytest
import torch
from tests import fakes

from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.reconstruct import views_from_capture, vouched, with_photo
from vivant.records import Person, Placed, Pose

from .figures import make_avatar, take_views


def placed(count: int) -> Placed:
    pose = fakes.body().pose
    return Placed(
        cam_from_world=fakes.camera().cam_from_world.repeat(count, 1, 1),
        intrinsics=fakes.camera().intrinsics.repeat(count, 1, 1),
        poses=Pose(pose.local_quats.repeat(count, 1, 1), pose.root.repeat(count, 1)),
        error=torch.ones(count),
        kept=torch.tensor([True] * (count - 1) + [False]),
        trust=torch.linspace(1.0, 0.5, count),
        metres_per_unit=1.0,
    )


def cut(person: Person, rows: int, columns: int) -> Person:
    return replace(
        person, image=person.image[:rows, :columns], foreground=person.foreground[:rows, :columns],
        alpha=person.alpha[:rows, :columns],
    )  # fmt: skip


def test_pictures_of_all_sizes_become_views_of_one_and_nothing_is_believed_beyond_their_rims() -> None:
    whole = fakes.person()
    persons = (cut(whole, 100, 96), cut(whole, 128, 60), whole)
    views = views_from_capture(persons, placed(3))
    assert views.images.shape == (2, 128, 96, 3)
    assert (views.cameras.width, views.cameras.height) == (96, 128)
    assert float(views.trust[0, :100].min()) == 1.0 and float(views.trust[0, 100:].max()) == 0.0
    assert float(views.trust[1, :, :60].min()) == 0.75 and float(views.trust[1, :, 60:].max()) == 0.0
    assert torch.equal(views.alphas[1, :, :60], whole.alpha[:, :60])
    torch.testing.assert_close(views.images[0, :100], whole.foreground[:100])
    assert torch.equal(views.cameras.intrinsics[0], fakes.camera().intrinsics[0])
    held_out = views_from_capture(persons, placed(3), (2, 0))
    assert torch.equal(held_out.alphas[0], whole.alpha)


def test_without_a_picture_there_are_no_views() -> None:
    none = replace(placed(1), kept=torch.tensor([False]))
    with pytest.raises(BadInputError, match="No picture is left"):
        views_from_capture((fakes.person(),), none)


def test_the_photo_joins_with_the_avatar_s_own_pose_and_camera() -> None:
    avatar = fakes.avatar()
    joined = with_photo(placed(2), avatar)
    views = views_from_capture((fakes.person(),) * 3, joined)
    assert len(views.images) == 2
    assert torch.equal(views.cameras.cam_from_world[1], avatar.photo_camera.cam_from_world[0])
    assert torch.equal(views.poses.local_quats[1], avatar.photo_pose.local_quats)


def test_only_what_the_pictures_show_is_vouched_for_and_the_rest_takes_its_former_colour_back() -> None:
    avatar = replace(make_avatar(800), trust=torch.zeros(800))
    views = take_views(avatar, [0.0], [0.0])
    odd = replace(avatar, splats=replace(avatar.splats, sh=avatar.splats.sh + 2.0))
    found = vouched(Context(), avatar, odd, views)
    front, back = avatar.splats.means[:, 2] > 0.1, avatar.splats.means[:, 2] < -0.1
    assert float(found.trust[front].mean()) > 0.5 and float(found.trust[back].max()) < 0.05
    torch.testing.assert_close(found.splats.sh[back], avatar.splats.sh[back], atol=0.35, rtol=0)
    seen = found.trust > 0.3
    torch.testing.assert_close(found.splats.sh[seen], odd.splats.sh[seen])
    both = vouched(Context(), avatar, replace(odd, trust=torch.ones(800)), views)
    assert float(both.trust.min()) == 1.0 and torch.equal(both.splats.sh, found.splats.sh)
    with pytest.raises(BadInputError, match="800 before"):
        vouched(Context(), avatar, make_avatar(700), views)
