import dataclasses
import math

import pytest
import torch
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.reconstruct.regularise import (
    FIELDS,
    Neighborhood,
    RegulariseConfig,
    build_neighborhood,
    pull_together,
    regularity,
    without_links,
)
from vivant.records import Splats

from .figures import make_avatar

ALL = RegulariseConfig(
    smooth=0.7, size=1.3, size_limit=1.0, needle=0.9, needle_limit=1.5, entropy=0.4, hold=0.2
)


def disturbed(count: int = 200, bands: int = 4) -> tuple[Splats, Neighborhood]:
    avatar = make_avatar(count, bands=bands)
    hold = torch.rand(count, generator=torch.Generator().manual_seed(1))
    neighborhood = build_neighborhood(avatar.splats, avatar.binding, avatar.rig, ALL, hold)
    generator = torch.Generator().manual_seed(2)
    tables = []
    for name in FIELDS:
        table = getattr(avatar.splats, name)
        amount = 0.02 if name == "means" else 0.7
        tables.append((table + amount * torch.randn(table.shape, generator=generator)).requires_grad_())
    return Splats(*tables), neighborhood


def gradients(splats: Splats, cost: Tensor) -> dict[str, Tensor | None]:
    tables = [getattr(splats, name) for name in FIELDS]
    return dict(zip(FIELDS, torch.autograd.grad(cost, tables, allow_unused=True), strict=True))


@pytest.mark.parametrize("bands", [1, 4])
def test_the_compiled_costs_equal_the_reference_in_double(bands: int) -> None:
    splats, neighborhood = disturbed(bands=bands)
    doubled = Splats(*(getattr(splats, name).detach().double().requires_grad_() for name in FIELDS))
    truth = regularity(doubled, neighborhood, ALL)
    fast = regularity(splats, neighborhood, ALL)
    assert float(fast.detach()) == pytest.approx(float(truth.detach()), rel=1e-5)
    for name, gradient in gradients(doubled, truth).items():
        found = gradients(splats, regularity(splats, neighborhood, ALL))[name]
        if gradient is None:
            assert found is None and name == "quats"
            continue
        assert found is not None and float(gradient.abs().max()) > 0
        torch.testing.assert_close(found, gradient.float(), rtol=1e-4, atol=1e-6 * float(gradient.abs().max()))


@pytest.mark.parametrize("config", [ALL, RegulariseConfig()])
def test_pulling_together_adds_the_gradient_to_what_is_there(config: RegulariseConfig) -> None:
    splats, neighborhood = disturbed()
    wanted = gradients(splats, regularity(splats, neighborhood, config))
    before = torch.full_like(splats.means, 0.3)
    splats.means.grad = before.clone()
    pull_together(splats, neighborhood, config, threads=2)
    for name, gradient in wanted.items():
        found = getattr(splats, name).grad
        if gradient is None:
            assert found is None
            continue
        added = found - before if name == "means" else found
        torch.testing.assert_close(added, gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("term", ["smooth", "size", "needle", "entropy", "hold"])
def test_each_term_alone_has_the_gradient_of_differences(term: str) -> None:
    values = dict.fromkeys(("smooth", "size", "needle", "entropy", "hold"), 0.0) | {term: 1.0}
    config = RegulariseConfig(size_limit=1.0, needle_limit=1.5, **values)
    splats, neighborhood = disturbed(20, 1)
    tables = [getattr(splats, name).detach().double().requires_grad_() for name in FIELDS]

    def cost(*tables: Tensor) -> Tensor:
        return regularity(Splats(*tables), neighborhood, config)

    assert float(cost(*tables).detach()) > 0
    assert torch.autograd.gradcheck(cost, tables)


def test_a_shift_of_all_costs_nothing_but_its_hold() -> None:
    splats, neighborhood = disturbed()
    start = neighborhood.start
    moved = Splats(start.means + 0.1, start.quats, start.log_scales, start.opacity_logits, start.sh)
    free = RegulariseConfig(smooth=1.0, size=0.0, needle=0.0, entropy=0.0, hold=0.0)
    assert float(regularity(moved, neighborhood, free)) == pytest.approx(0, abs=1e-6)
    held = RegulariseConfig(smooth=0.0, size=0.0, needle=0.0, entropy=0.0, hold=1.0)
    away = 0.03 / neighborhood.spacing**2 * float(neighborhood.hold.mean())
    assert float(regularity(moved, neighborhood, held)) == pytest.approx(away, rel=1e-3)


def test_a_needle_costs_its_excess_and_a_disc_nothing() -> None:
    splats, neighborhood = disturbed(2)
    alone = without_links(neighborhood)
    config = RegulariseConfig(smooth=0.0, size=0.0, needle=1.0, needle_limit=4.0, entropy=0.0, hold=0.0)
    log_scales = torch.tensor([[0.01, 0.01, 0.0001], [0.001, 0.08, 0.001]]).log()
    shaped = Splats(splats.means, splats.quats, log_scales, splats.opacity_logits, splats.sh)
    assert float(regularity(shaped, alone, config).detach()) == pytest.approx(math.log(20) ** 2 / 2, rel=1e-4)


def test_opacity_one_half_is_the_costliest() -> None:
    splats, neighborhood = disturbed(3)
    config = RegulariseConfig(smooth=0.0, size=0.0, needle=0.0, entropy=1.0, hold=0.0)
    cost = []
    for logit in (0.0, 3.0, -3.0, 90.0):
        logits = torch.full((3,), logit)
        shown = Splats(splats.means, splats.quats, splats.log_scales, logits, splats.sh)
        cost.append(float(regularity(shown, neighborhood, config).detach()))
    assert cost[0] == pytest.approx(math.log(2), rel=1e-5)
    assert cost[1] == pytest.approx(cost[2], rel=1e-5)
    assert cost[3] == pytest.approx(0, abs=1e-6)


def test_front_and_back_are_no_neighbours() -> None:
    avatar = make_avatar(600)
    # A sheet: the back lies 1 mm behind the front.
    thin = avatar.splats.means * torch.tensor([1.0, 1.0, 0.005])
    splats = Splats(thin, *(getattr(avatar.splats, name) for name in FIELDS[1:]))
    near = build_neighborhood(splats, avatar.binding, avatar.rig, RegulariseConfig())
    row = torch.arange(600).repeat_interleave(near.first_link.diff())
    assert len(row) > 1000
    front = avatar.splats.means[:, 2]
    deep = (front[row].abs() > 0.11) & (front[near.link].abs() > 0.11)
    assert int(deep.sum()) > 300
    assert (front[row][deep].sign() == front[near.link][deep].sign()).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_shared_weights_are_sums_of_the_smaller_ones(threads: int) -> None:
    from vivant.reconstruct._neighbors_numba import shared_weights

    avatar = make_avatar(60)
    generator = torch.Generator().manual_seed(0)
    # Few joints for four places: some stand twice in a row.
    joints = torch.randint(0, 5, (60, 4), generator=generator)
    weights = torch.nn.functional.normalize(torch.rand(60, 4, generator=generator), p=1, dim=1)
    binding = dataclasses.replace(avatar.binding, skin_joints=joints, skin_weights=weights)
    others = torch.randint(0, 60, (60, 6), generator=generator)
    dense = torch.zeros(60, 5).scatter_add_(1, joints, weights)
    expected = torch.minimum(dense[:, None], dense[others]).sum(-1)
    torch.testing.assert_close(shared_weights(binding, others, threads), expected)


def test_neighbours_are_mutual() -> None:
    _, near = disturbed()
    row = torch.arange(200).repeat_interleave(near.first_link.diff())
    pairs = set(zip(row.tolist(), near.link.tolist(), strict=True))
    assert {(b, a) for a, b in pairs} == pairs
    assert all(a != b for a, b in pairs)


def test_a_single_splat_has_no_neighbours() -> None:
    avatar = make_avatar(1)
    near = build_neighborhood(avatar.splats, avatar.binding, avatar.rig, ALL)
    assert len(near.link) == 0
    assert float(regularity(avatar.splats, near, RegulariseConfig())) >= 0


def test_numba_refuses_double() -> None:
    splats, neighborhood = disturbed(5)
    doubled = Splats(*(getattr(splats, name).double() for name in FIELDS))
    with pytest.raises(BadInputError, match="float32"):
        regularity(doubled, neighborhood, ALL, backend="numba")
