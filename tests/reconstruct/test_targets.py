import dataclasses

import torch

from vivant.core.cameras import project
from vivant.reconstruct.targets import prepare_frames

from .figures import make_avatar, make_rig, take_views


def test_cutting_keeps_points_where_they_are_in_the_picture() -> None:
    views = take_views(make_avatar(400), [0.0, 70.0], [0.0, 0.3], 64)
    points = torch.tensor([[0.1, 0.4, 0.1], [-0.1, 1.2, 0.0]])
    for frame in prepare_frames(views, make_rig(), 64):
        before, _ = project(points, views.cameras, frame.view)
        after, _ = project(points, frame.camera)
        shift = (before - after).round()
        torch.testing.assert_close(after + shift, before, atol=1e-4, rtol=0)
        left, top = (int(value) for value in shift[0])
        height, width = frame.targets[0].alpha.shape
        assert (frame.camera.height, frame.camera.width) == (height, width)
        alpha = views.alphas[frame.view][top : top + height, left : left + width]
        torch.testing.assert_close(frame.targets[0].alpha, alpha)
        assert width < 64


def test_nothing_of_the_person_is_cut_off() -> None:
    views = take_views(make_avatar(400), [0.0], [0.3], 64)
    (frame,) = prepare_frames(views, make_rig(), 64)
    assert float(frame.targets[0].alpha.sum()) >= 0.99 * float(views.alphas[0].sum())


def reduced(picture: torch.Tensor) -> torch.Tensor:
    """A third the size, each pixel a mean that falls off over a pixel's width."""
    falling = torch.tensor([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
    weights = (falling[:, None] * falling)[None, None]
    planes = picture.reshape(*picture.shape[:2], -1).permute(2, 0, 1)[:, None]
    smaller = torch.nn.functional.conv2d(planes, weights, stride=3, padding=1)[:, 0]
    return smaller.permute(1, 2, 0).reshape(*smaller.shape[1:], *picture.shape[2:])


def test_a_reduced_view_holds_the_means_of_its_pixels_seen_from_the_same_place() -> None:
    views = take_views(make_avatar(800), [30.0], [0.1], 96)
    (frame,) = prepare_frames(views, make_rig(), 32)
    means = reduced(views.alphas[0])
    height, width = frame.targets[0].alpha.shape
    left, top = (int(16 - frame.camera.intrinsics[0, row, 2]) for row in (0, 1))
    cut = (slice(top, top + height), slice(left, left + width))
    torch.testing.assert_close(frame.targets[0].alpha, means[cut])
    covered = reduced(views.images[0] * views.alphas[0][..., None])[cut]
    torch.testing.assert_close(frame.targets[0].color, covered, atol=1e-4, rtol=0)
    on_white = covered + (1 - means[cut])[..., None]
    torch.testing.assert_close(frame.targets[1].color, on_white, atol=1e-4, rtol=0)
    focal = views.cameras.intrinsics[0, 0, 0] / 3
    torch.testing.assert_close(frame.camera.intrinsics[0, 0, 0], focal)


def test_black_and_white_show_where_the_person_is_not() -> None:
    views = take_views(make_avatar(400), [0.0, 90.0], [0.0, 0.0], 48)
    for frame in prepare_frames(views, make_rig(), 48):
        black, white = frame.targets
        empty = black.alpha == 0
        assert bool(empty.any())
        assert not black.color[empty].any()
        assert bool((white.color[empty] == 1).all())
        full = black.alpha == 1
        assert torch.equal(black.color[full], white.color[full])


def test_views_that_show_nobody_or_are_not_trusted_are_left_out() -> None:
    views = take_views(make_avatar(400), [0.0, 90.0, 180.0], [0.0] * 3, 48)
    alphas, trust = views.alphas.clone(), views.trust.clone()
    alphas[0] = 0
    trust[2] = 0
    kept = prepare_frames(dataclasses.replace(views, alphas=alphas, trust=trust), make_rig(), 48)
    assert [frame.view for frame in kept] == [1]
