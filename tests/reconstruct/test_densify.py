import math

import pytest
import torch

from vivant.reconstruct.adam import Adam
from vivant.reconstruct.cloud import Cloud
from vivant.reconstruct.densify import Demand, DensifyConfig, densify, relocate, reset_opacity, share_opacity

from .figures import make_avatar


def make_cloud(count: int = 100) -> tuple[Cloud, Adam]:
    cloud = Cloud.of(make_avatar(count), 1)
    adam = Adam(cloud.tables)
    for table in cloud.tables.values():
        table.grad = torch.ones_like(table)
    adam.step(dict.fromkeys(cloud.tables, 0.0))
    return cloud, adam


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def logit(opacity: float) -> float:
    return math.log(opacity / (1 - opacity))


def test_the_busiest_are_cloned_or_split_and_children_ride_as_their_parents() -> None:
    cloud, adam = make_cloud()
    with torch.no_grad():
        cloud.tables["log_scales"][:3] += 2
    demand = Demand(100)
    demand.pull[:6], demand.seen[:] = 1.0, 1.0
    spacing = float(cloud.tables["log_scales"].detach()[50].exp().amax()) * 1.2
    config = DensifyConfig(mode="adaptive", growth=0.06)
    grown = densify(cloud, adam, demand, spacing, config, generator())
    # Three large ones are replaced by two halves each, three small ones get a twin.
    assert len(grown) == 100 - 3 + 3 + 6
    halves = slice(100, 106)
    parents = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.equal(grown.binding.face[halves], cloud.binding.face[parents])
    assert torch.equal(grown.binding.skin_weights[halves], cloud.binding.skin_weights[parents])
    shrunk = cloud.tables["log_scales"].detach()[parents] - math.log(1.6)
    torch.testing.assert_close(grown.tables["log_scales"].detach()[halves], shrunk)
    assert torch.equal(grown.tables["means"][97:100], cloud.tables["means"][3:6])
    away = (grown.tables["means"][halves] - cloud.tables["means"][parents]).norm(dim=1)
    assert bool((away > 0).all())
    assert bool((away < 5 * cloud.tables["log_scales"].detach()[parents].exp().amax(1)).all())
    # Old splats keep the optimiser's memory, new ones have none.
    assert bool((adam.first["means"][:97] != 0).all())
    assert not adam.first["means"][97:].any()
    assert adam.tables is grown.tables


def test_faint_splats_are_pruned_and_their_memory_with_them() -> None:
    cloud, adam = make_cloud()
    with torch.no_grad():
        cloud.tables["opacity_logits"][10:30] = logit(0.001)
    config = DensifyConfig(mode="adaptive", growth=0.0)
    kept = densify(cloud, adam, Demand(100), 0.01, config, generator())
    assert len(kept) == 80
    assert torch.equal(kept.tables["means"][10:], cloud.tables["means"][30:])
    assert len(adam.second["sh"]) == 80


def test_growth_ends_at_the_most() -> None:
    cloud, adam = make_cloud()
    demand = Demand(100)
    demand.pull[:], demand.seen[:] = torch.arange(100) + 1.0, 1.0
    config = DensifyConfig(mode="adaptive", growth=1.0, most=105, split_size=1e9)
    assert len(densify(cloud, adam, demand, 0.01, config, generator())) == 105


def test_reset_opacities_fall_and_are_not_pushed_back_at_once() -> None:
    cloud, adam = make_cloud()
    config = DensifyConfig(mode="adaptive", reset_to=0.05)
    reset_opacity(cloud, adam, config)
    assert float(cloud.tables["opacity_logits"].detach().sigmoid().max()) == pytest.approx(0.05, rel=1e-4)
    assert not adam.first["opacity_logits"].any()
    assert adam.first["means"].any()


def test_relocated_splats_ride_as_those_they_join_and_the_count_stays() -> None:
    cloud, adam = make_cloud()
    with torch.no_grad():
        cloud.tables["opacity_logits"][:20] = logit(0.001)
        cloud.tables["opacity_logits"][20:] = logit(0.002)
        cloud.tables["opacity_logits"][40] = logit(0.9)
        cloud.tables["opacity_logits"][21:40] = logit(0.9)
    config = DensifyConfig(mode="relocate", faint=0.02)
    moved = relocate(cloud, adam, config, generator())
    assert len(moved) == 100
    chosen = [
        int((cloud.tables["means"] == place).all(1).nonzero()[0])
        for place in moved.tables["means"].detach()[:20]
    ]
    assert all(21 <= row <= 40 for row in chosen)
    assert torch.equal(moved.binding.face[:20], cloud.binding.face[chosen])
    assert torch.equal(moved.tables["means"][21:41], cloud.tables["means"][21:41])


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_copies_look_together_as_the_one_did(copies: int) -> None:
    opacity = torch.tensor([0.3, 0.9])
    each, shrink = share_opacity(opacity, torch.tensor([copies, copies]))
    torch.testing.assert_close(1 - (1 - each) ** copies, opacity, atol=1e-5, rtol=1e-5)
    # Along a line through the centre, the integral of the blend stays.
    x = torch.linspace(-12, 12, 20001, dtype=torch.float64)[:, None]
    before = opacity.double() * torch.exp(-(x**2) / 2)
    after = 1 - (1 - each.double() * torch.exp(-(x**2) / (2 * shrink.double() ** 2))) ** copies
    torch.testing.assert_close(after.sum(0), before.sum(0), rtol=1e-4, atol=1e-4)


def test_rounds_are_due_in_the_middle_part_only() -> None:
    config = DensifyConfig(mode="adaptive", begin=0.25, end=0.5, every=10)
    assert [step for step in range(1, 101) if config.is_due(step, 100)] == [30, 40, 50]
    assert not DensifyConfig(mode="off").is_due(30, 100)
