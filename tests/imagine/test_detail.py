from dataclasses import replace

import torch

from vivant.imagine.detail import straight_colors, with_detail
from vivant.imagine.generate import Generated


def coarse(side: int) -> torch.Tensor:
    """One view: a square person with stripes two pixels of the large picture wide."""
    mask = torch.zeros(1, 1, side, side)
    mask[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    stripes = (torch.arange(64) // 2 % 2).float().repeat(64, 1) - 0.5
    color = torch.nn.functional.adaptive_avg_pool2d(stripes[None, None], side).expand(1, 3, -1, -1)
    return torch.cat([color * mask, mask], dim=1)


def made(small: torch.Tensor, redder: float) -> Generated:
    images = straight_colors(small).clone()
    images[:, 0] += redder
    normals = torch.zeros_like(images)
    normals[:, 2] = -1
    return Generated(images[None], small[:, 3][None], normals[None])


def test_no_change_gives_the_large_pictures_back() -> None:
    small, large = coarse(16), coarse(64)
    grown = with_detail(made(small, 0.0), small, large)
    solid = large[:, 3] > 0.5
    shown = straight_colors(large).permute(0, 2, 3, 1)[solid]
    torch.testing.assert_close(grown.images[0].permute(0, 2, 3, 1)[solid], shown, atol=1e-5, rtol=0)
    torch.testing.assert_close(grown.alphas[0], large[:, 3])


def test_a_change_of_colour_reaches_the_rim_and_leaves_the_stripes() -> None:
    small, large = coarse(16), coarse(64)
    grown = with_detail(made(small, 0.2), small, large)
    solid = large[:, 3] > 0.5
    change = (grown.images[0] - straight_colors(large)).permute(0, 2, 3, 1)[solid]
    torch.testing.assert_close(change, torch.tensor([0.2, 0.0, 0.0]).expand(len(change), 3), atol=1e-5, rtol=0)
    assert float(grown.images[0, :, 1][solid].std()) > 0.2
    assert float(grown.images[0].permute(0, 2, 3, 1)[~solid].abs().max()) == 0
    assert float((grown.normals[0, :, 2][solid] + 1).abs().max()) < 1e-5


def test_quick_changes_are_left_to_the_coarse_avatar() -> None:
    small, large = coarse(64), coarse(128)
    flicker = (torch.arange(64) % 2).float() - 0.5
    grown = with_detail(
        replace(made(small, 0.0), images=(straight_colors(small) + 0.2 * flicker)[None]), small, large
    )
    inside = torch.zeros(128, 128, dtype=torch.bool)
    inside[44:84, 44:84] = True
    change = (grown.images[0, 0] - straight_colors(large)[0])[:, inside]
    assert float(change.abs().max()) < 0.02


def test_where_an_outline_grows_colours_go_on_as_they_are_near_by() -> None:
    small, large = coarse(64), coarse(128)
    red = torch.cat([small[:, 3:] * torch.tensor([1.0, -1, -1])[:, None, None], small[:, 3:]], dim=1)
    wide = torch.nn.functional.interpolate(red, scale_factor=2.0)
    bigger = torch.nn.functional.max_pool2d(small[:, 3:], 5, 1, 2)[:, 0]
    grown = with_detail(replace(made(red, 0.0), alphas=bigger[None]), red, wide)
    new = (grown.alphas[0] > 0.9) & (large[:, 3] == 0)
    assert int(new.sum()) > 300
    shown = grown.images[0].permute(0, 2, 3, 1)[new]
    torch.testing.assert_close(shown, torch.tensor([1.0, 0, 0]).expand(len(shown), 3), atol=1e-3, rtol=0)


def test_a_narrow_gap_that_the_small_coarse_picture_closes_stays_narrow() -> None:
    large = torch.zeros(1, 4, 384, 384)
    large[:, :, 100:310, 115:265] = 1.0
    large[:, :, 200:230, 190:192] = -1.0
    large[:, 3, 200:230, 190:192] = 0.0
    small = torch.nn.functional.avg_pool2d(large, 3)
    small[:, 3, 66:78, 63:65] = 0.7
    made = torch.nn.functional.avg_pool2d(large, 3)[:, 3].clone()
    made[:, 67:76, 63] = 0.3
    before = int((large[0, 3, 100:310, 115:265] < 0.5).sum())
    found = with_detail(
        Generated(torch.full((1, 1, 3, 128, 128), 0.5), made[None], torch.zeros(1, 1, 3, 128, 128)),
        small,
        large,
    )
    after = int((found.alphas[0, 0, 100:310, 115:265] < 0.5).sum())
    assert 0 < before <= after < 6 * before
