from dataclasses import replace

import torch
from tests import fakes

from vivant.body import MOUTH, mouth_faces
from vivant.export.dressing import dress
from vivant.export.texture import bake_texture
from vivant.splat import sh_from_colors


def sampled(texture: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
    """Colours as a viewer reads them."""
    grid = torch.stack([uv[:, 0] * 2 - 1, 1 - uv[:, 1] * 2], dim=1)
    found = torch.nn.functional.grid_sample(
        texture.permute(2, 0, 1)[None], grid[None, None], align_corners=False, padding_mode="border"
    )
    return found[0, :, 0].T


def assert_red_but_for_the_mouth(texture: torch.Tensor) -> None:
    red, dark = ((texture - torch.tensor(c)).abs().amax(-1) < 0.02 for c in ((0.8, 0.2, 0.2), MOUTH))
    assert bool((red | dark).all())
    assert 0 < float(dark.float().mean()) < 0.1


def test_the_mouth_is_dark_inside_and_the_lips_are_not(quick_texture: None) -> None:
    avatar = fakes.avatar(6000)
    mesh = dress(avatar)
    texture = bake_texture(avatar, mesh, 512)
    inside = mouth_faces(avatar.rig)
    heads = (mesh.verts[mesh.faces][..., 1] > 1.4).all(1)
    centers = mesh.uv[mesh.faces].mean(1)
    torch.testing.assert_close(
        sampled(texture, centers[inside]).median(0).values, torch.tensor(MOUTH), rtol=0, atol=0.02
    )
    assert float(sampled(texture, centers[heads & ~inside])[:, 0].quantile(0.05)) > 0.75


def test_a_person_of_one_colour_has_a_texture_of_it_up_to_its_rim(quick_texture: None) -> None:
    avatar = fakes.avatar(6000)
    texture = bake_texture(avatar, dress(avatar), 48)
    assert_red_but_for_the_mouth(texture)


def test_front_and_back_keep_their_colours(quick_texture: None) -> None:
    avatar = fakes.avatar(6000)
    colors = torch.where(avatar.splats.means[:, 2:] > 0, torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1]))
    avatar = replace(avatar, splats=replace(avatar.splats, sh=sh_from_colors(colors)))
    mesh = dress(avatar)
    found = sampled(bake_texture(avatar, mesh, 256), mesh.uv)
    trunk = (mesh.verts[:, 1] > 0.9) & (mesh.verts[:, 1] < 1.3)
    front, back = trunk & (mesh.verts[:, 2] > 0.06), trunk & (mesh.verts[:, 2] < -0.06)
    assert float(found[front, 0].median()) > 0.95 and float(found[front, 2].median()) < 0.05
    assert float(found[back, 2].median()) > 0.95 and float(found[back, 0].median()) < 0.05


def test_what_no_camera_sees_takes_the_colour_of_the_nearest_splats(quick_texture: None) -> None:
    avatar = fakes.avatar(6000)
    faint = replace(avatar.splats, opacity_logits=torch.full((6000,), -9.0))
    texture = bake_texture(replace(avatar, splats=faint), dress(avatar), 48)
    assert_red_but_for_the_mouth(texture)


def test_progress_ends_at_all(quick_texture: None) -> None:
    told: list[float] = []
    bake_texture(fakes.avatar(), dress(fakes.avatar()), 16, told.append)
    assert told == sorted(told) and told[0] == 0 and told[-1] == 1
