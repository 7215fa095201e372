import dataclasses

import pytest
import torch
from tests.networks.test_view_unet import TINY, conditions, network

from vivant.core.errors import BadInputError
from vivant.imagine import GenerateConfig, Generated, SamplerConfig, generate
from vivant.networks import ViewUNet

FEW = GenerateConfig(SamplerConfig(steps=2))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def flat(views: int = 3) -> Generated:
    """A square of one colour that faces the camera."""
    size = TINY.size
    alphas = torch.zeros(1, views, size, size)
    alphas[..., 8:24, 8:24] = 1
    color = torch.tensor([0.8, 0.4, 0.1])[:, None, None] * alphas[:, :, None]
    normals = torch.tensor([0.0, 0.0, -1.0])[:, None, None] * alphas[:, :, None]
    return Generated(color, alphas, normals)


def test_views_come_in_their_ranges() -> None:
    made = generate(network(), conditions(), FEW, generator())
    assert made.images.shape == (1, 3, 3, TINY.size, TINY.size)
    for value in (made.images, made.alphas):
        assert 0 <= float(value.min()) and float(value.max()) <= 1
    lengths = made.normals.norm(dim=2)
    torch.testing.assert_close(lengths, (made.alphas > 0.5).float(), atol=1e-5, rtol=0)


def test_strength_nothing_gives_the_coarse_views_back() -> None:
    keep = GenerateConfig(SamplerConfig(strength=0.0))
    made = generate(network(), conditions(), keep, generator(), coarse=flat())
    for field in dataclasses.fields(Generated):
        torch.testing.assert_close(getattr(made, field.name), getattr(flat(), field.name), atol=1e-5, rtol=0)


def test_guidance_leaves_out_what_it_is_told_to() -> None:
    net, told = network(), conditions()
    plain = generate(net, told, FEW, generator())
    strong = generate(net, told, FEW, generator(), guidance=torch.full((3,), 3.0))
    assert float((plain.images - strong.images).abs().max()) > 1e-3
    nothing = dataclasses.replace(FEW, without=())
    same = generate(net, told, nothing, generator(), guidance=torch.full((3,), 3.0))
    torch.testing.assert_close(same.images, plain.images, atol=1e-4, rtol=0)


def test_a_clip_longer_than_a_window_is_made_whole() -> None:
    windows = GenerateConfig(SamplerConfig(steps=1, window=4, overlap=2))
    made = generate(network(), conditions(views=7), windows, generator())
    assert made.images.shape[1] == 7
    assert bool(torch.isfinite(made.images).all())


def test_another_size_is_refused() -> None:
    larger = ViewUNet(dataclasses.replace(TINY, size=64))
    with pytest.raises(BadInputError, match="64 px"):
        generate(larger, conditions(), FEW, generator())
