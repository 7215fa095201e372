import dataclasses

import pytest
import torch

from vivant.core.cameras import orbit
from vivant.core.errors import BadInputError
from vivant.networks import (
    KINDS,
    ViewConditions,
    ViewUNet,
    ViewUNetConfig,
    count_parameters,
    layers,
    plucker_rays,
)
from vivant.networks.flow import add_noise, draw_sigmas, scalings
from vivant.networks.layers import attend, in_parts
from vivant.training import find_training

TINY = ViewUNetConfig(size=32, channels=(16, 32, 32), heads=2, reference_side=4)
LEAN = dataclasses.replace(TINY, lean=True)
VIEWS = 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(config: ViewUNetConfig = TINY) -> ViewUNet:
    """With random numbers also where a new network has zeros, so that every branch speaks."""
    torch.manual_seed(0)
    made = ViewUNet(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    return made


def conditions(people: int = 1, views: int = VIEWS, seed: int = 0) -> ViewConditions:
    g = generator(seed)
    size = TINY.size
    return ViewConditions(
        reference=torch.rand(people, 7, size, size, generator=g),
        guide=torch.rand(people, views, 4, size, size, generator=g),
        normals=torch.rand(people, views, 3, size, size, generator=g),
        skeleton=torch.rand(people, views, 3, size, size, generator=g),
        rays=torch.rand(people, views, 6, size // 4, size // 4, generator=g),
        keep=torch.ones(people, len(KINDS)),
        task=torch.zeros(people, dtype=torch.long),
    )


def noise(people: int = 1, views: int = VIEWS, seed: int = 1) -> torch.Tensor:
    return torch.randn(people, 2, views, 4, TINY.size, TINY.size, generator=generator(seed))


def ask(net: ViewUNet, noisy: torch.Tensor, told: ViewConditions, sigma: float = 0.7) -> torch.Tensor:
    with torch.no_grad():
        return net(noisy, torch.full((len(noisy),), sigma), net.encode(told))


def test_the_full_size_fits_the_budget() -> None:
    with torch.device("meta"):
        full = ViewUNet(find_training("view").objective.config)
    assert 7e6 < count_parameters(full) < 16 * 1024**2 / 2


@pytest.mark.parametrize("config", (TINY, LEAN), ids=("even", "lean"))
def test_views_may_come_in_any_order(config: ViewUNetConfig) -> None:
    order = torch.tensor([2, 0, 1])
    net, told = network(config), conditions()
    made = ask(net, noise(), told)
    turned = ask(net, noise()[:, :, order], told.at_views(order))
    # Sums in attention run in another order.
    torch.testing.assert_close(turned, made[:, :, order], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", (TINY, LEAN), ids=("even", "lean"))
def test_people_do_not_see_each_other(config: ViewUNetConfig) -> None:
    net, both, noisy = network(config), conditions(2), noise(2)
    made = ask(net, noisy, both)
    alone = {f.name: getattr(both, f.name)[1:] for f in dataclasses.fields(both)}
    torch.testing.assert_close(ask(net, noisy[1:], ViewConditions(**alone)), made[1:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", (TINY, LEAN), ids=("even", "lean"))
def test_views_and_streams_see_each_other(config: ViewUNetConfig) -> None:
    net, told, noisy = network(config), conditions(), noise()
    changed = noisy.clone()
    changed[0, 0, 0, :, 8:16] += 1.0
    difference = (ask(net, changed, told) - ask(net, noisy, told)).abs().amax(dim=(0, 3, 4, 5))
    assert float(difference.min()) > 1e-4, "colours of one view must reach all views and the normals"


@pytest.mark.parametrize("kind", KINDS)
def test_each_condition_speaks_and_a_dropped_one_is_not_heard(kind: str) -> None:
    net, one, noisy = network(), conditions(seed=0), noise()
    other = conditions(seed=5)
    value = torch.ones(1, dtype=torch.long) if kind == "task" else getattr(other, kind)
    changed = dataclasses.replace(one, **{kind: value})
    assert float((ask(net, noisy, changed) - ask(net, noisy, one)).abs().max()) > 1e-4
    silent = ask(net, noisy, changed.without(kind)), ask(net, noisy, one.without(kind))
    torch.testing.assert_close(*silent)


def test_an_unknown_condition_is_refused() -> None:
    with pytest.raises(BadInputError, match="depth"):
        conditions().without("depth")


def test_dropping_leaves_out_what_chance_says() -> None:
    told = conditions(400, 1)
    kept = told.dropped(0.2, generator()).keep.mean(0)
    rays = float(kept[KINDS.index("rays")])
    assert abs(rays - 0.8) < 0.07
    # The others also go all together.
    assert abs(float(kept[KINDS.index("guide")]) - 0.64) < 0.08
    assert torch.equal(told.dropped(0.0, generator()).keep, told.keep)


def test_at_no_noise_the_estimate_is_the_picture() -> None:
    torch.testing.assert_close(ask(network(), noise(), conditions(), sigma=0.0), noise())


def test_scalings_keep_the_best_linear_estimate() -> None:
    sigma = torch.tensor([0.05, 0.3, 0.9])
    clean, dirt = (
        0.5 * torch.randn(3, 200_000, generator=generator()),
        torch.randn(3, 200_000, generator=generator(1)),
    )
    noisy = add_noise(clean, dirt, sigma)
    scale = scalings(sigma)
    torch.testing.assert_close((noisy * scale.into[:, None]).std(1), torch.ones(3), atol=0.01, rtol=0)
    wanted = (clean - scale.skip[:, None] * noisy) / scale.out[:, None]
    torch.testing.assert_close(wanted.std(1), torch.ones(3), atol=0.01, rtol=0)
    # What the network is asked for has nothing to do with what it could copy.
    torch.testing.assert_close((wanted * noisy).mean(1), torch.zeros(3), atol=0.01, rtol=0)


def test_training_levels_are_logit_normal() -> None:
    drawn = draw_sigmas(20_000, generator(), mean=0.5)
    assert abs(float(drawn.median()) - 0.6225) < 0.01
    assert 0 < float(drawn.min()) < float(drawn.max()) < 1


def test_rays_pass_through_what_their_pixels_see() -> None:
    middle = torch.tensor([0.0, 0.9, 0.0])
    cameras = orbit(middle, [30.0, 200.0], extent=2.0, width=64, height=64)
    direction, moment = plucker_rays(cameras, 16, 16, middle).split(3, dim=1)
    torch.testing.assert_close(direction.norm(dim=1), torch.ones(2, 16, 16))
    torch.testing.assert_close((direction * moment).sum(1), torch.zeros(2, 16, 16), atol=1e-5, rtol=0)
    # The nearest point of each ray to the middle; the middle's own ray passes within a pixel's slant.
    nearest = torch.linalg.cross(direction, moment, dim=1)[:, :, 7:9, 7:9]
    assert float(nearest.norm(dim=1).max()) < 2.0 / 0.9 / 16


def test_an_untrained_network_gives_its_guide_back_from_pure_noise() -> None:
    told = conditions()
    with torch.no_grad():
        made = ViewUNet(TINY)(noise(), torch.ones(1), told)
    torch.testing.assert_close(made[:, 0, :, :3], told.guide[:, :, :3], atol=1e-5, rtol=0)
    torch.testing.assert_close(made[:, 1, :, :3], told.normals, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        made[:, :, :, 3], (2 * told.guide[:, :, 3] - 1)[:, None].expand(-1, 2, -1, -1, -1)
    )
    blind = told.without("guide", "normals")
    with torch.no_grad():
        assert float(ViewUNet(TINY)(noise(), torch.ones(1), blind).abs().max()) < 1e-5


def test_one_person_can_be_learned() -> None:
    torch.manual_seed(0)
    net, told = ViewUNet(TINY), conditions().without("guide", "normals")
    truth = torch.zeros(1, 2, VIEWS, 4, TINY.size, TINY.size)
    truth[..., 8:24, 8:24] = torch.tensor([0.6, -0.4, 0.2, 1.0])[:, None, None]
    truth[:, 1] *= -0.5
    optimizer = torch.optim.Adam(net.parameters(), 4e-3)
    g, errors = generator(), []
    for _ in range(40):
        sigma = torch.tensor([0.9])
        noisy = add_noise(truth, torch.randn(truth.shape, generator=g), sigma)
        loss = (net(noisy, sigma, net.encode(told)) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(float(loss.detach()))
    assert max(errors[-5:]) < 0.4 * errors[0]


@pytest.mark.parametrize("config", (TINY, LEAN), ids=("even", "lean"))
def test_a_few_pictures_at_a_time_make_what_all_make(
    config: ViewUNetConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, told, noisy = network(config), conditions(2), noise(2)
    whole = ask(net, noisy, told)
    monkeypatch.setattr(layers, "NUMBERS", 1)
    torch.testing.assert_close(ask(net, noisy, told), whole, atol=1e-4, rtol=1e-4)


def test_parts_are_few_and_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "NUMBERS", 2 * 3 * 4 * 4)
    maps, seen = torch.rand(5, 3, 4, 4), []

    def work(some: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        seen.append(len(some))
        return some * factor

    factor = torch.arange(5.0)[:, None, None, None]
    with torch.no_grad():
        torch.testing.assert_close(in_parts(work, maps, factor), maps * factor)
    assert seen == [2, 2, 1]
    assert in_parts(work, maps.requires_grad_(), factor).requires_grad
    assert seen[3:] == [5], "all at once where gradients are asked for"


@pytest.mark.parametrize("scores", (1, 100, 2**20))
def test_half_precision_attends_as_single_precision_does(scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "SCORES", scores)
    queries, keys, values = (torch.randn(3, count, 8, generator=generator()) for count in (7, 5, 5))
    with torch.no_grad():
        wanted = attend(queries, keys, values, 2)
        half = attend(queries.bfloat16(), keys.bfloat16(), values.bfloat16(), 2)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, atol=0.03, rtol=0.03)


def test_maps_stay_channels_last() -> None:
    net = network().to(memory_format=torch.channels_last)
    layouts = []
    for block in (*net.down, net.middle, *net.up):
        block.register_forward_hook(lambda *told: layouts.append(told[2]))
    ask(net, noise(), conditions())
    assert all(made.is_contiguous(memory_format=torch.channels_last) for made in layouts)
