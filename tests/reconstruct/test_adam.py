import math

import pytest
import torch
from torch import Tensor

from vivant.core.errors import NumericalError
from vivant.reconstruct.adam import BETA_1, BETA_2, EPSILON, Adam, Rates


def tables(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"means": (50, 3), "opacity_logits": (50,), "sh": (50, 4, 3)}
    return {
        name: torch.randn(*shape, generator=generator).to(dtype).requires_grad_()
        for name, shape in shapes.items()
    }


def descend(adam: Adam, rates: dict[str, float], steps: int, **options: object) -> None:
    for step in range(steps):
        pull(adam.tables, step)
        adam.step(rates, **options)  # type: ignore[arg-type]


def pull(tables: dict[str, Tensor], step: int) -> None:
    """Gradients that do not hang on the tables, so that rounding cannot grow."""
    for table in tables.values():
        numbers = torch.arange(table.numel(), dtype=torch.float64).reshape(table.shape)
        table.grad = (0.1 + torch.sin(numbers + step).abs()).to(table) * torch.cos(numbers).sign().to(table)


RATES = {"means": 0.01, "opacity_logits": 0.1, "sh": 0.02}


def test_compiled_steps_are_those_of_torch() -> None:
    ours, theirs = tables(), tables()
    descend(Adam(ours), RATES, 20)
    groups = [{"params": [table], "lr": RATES[name]} for name, table in theirs.items()]
    optimizer = torch.optim.Adam(groups, betas=(BETA_1, BETA_2), eps=EPSILON)
    for step in range(20):
        pull(theirs, step)
        optimizer.step()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=2e-6, rtol=1e-5)


def test_less_momentum_is_that_of_torch() -> None:
    ours, theirs = tables(), tables()
    descend(Adam(ours, momentum=0.5), RATES, 10)
    groups = [{"params": [table], "lr": RATES[name]} for name, table in theirs.items()]
    optimizer = torch.optim.Adam(groups, betas=(0.5, BETA_2), eps=EPSILON)
    for step in range(10):
        pull(theirs, step)
        optimizer.step()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], atol=2e-6, rtol=1e-5)


def test_many_rows_with_factors_equal_the_plain_step_for_any_number_of_threads() -> None:
    rows = torch.rand(1000, generator=torch.Generator().manual_seed(3))
    rows[rows < 0.2] = 0
    found = []
    for dtype, threads in ((torch.float64, 1), (torch.float32, 1), (torch.float32, 3)):
        table = torch.linspace(-1, 1, 3000).reshape(1000, 3).to(dtype).requires_grad_()
        descend(Adam({"means": table}), {"means": 0.01}, 5, rows={"means": rows}, threads=threads)
        found.append(table.detach())
    torch.testing.assert_close(found[0].float(), found[1], atol=2e-6, rtol=1e-5)
    assert torch.equal(found[1], found[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_and_rows_move_as_told(dtype: torch.dtype) -> None:
    moved, before = tables(dtype), tables(dtype)
    adam = Adam(moved)
    columns = {"sh": torch.cat([torch.ones(3), torch.zeros(9)])}
    rows = torch.ones(50)
    rows[:10] = 0
    descend(adam, RATES, 3, columns=columns, rows=dict.fromkeys(RATES, rows))
    for name in moved:
        assert torch.equal(moved[name][:10], before[name][:10])
        assert not adam.first[name][:10].any()
    assert (moved["sh"][10:, 0] != before["sh"][10:, 0]).all()
    assert torch.equal(moved["sh"][:, 1:], before["sh"][:, 1:])


def test_the_compiled_step_equals_the_plain_one() -> None:
    fast, plain = tables(), tables(torch.float64)
    rows = torch.linspace(0, 1, 50)
    columns = {"sh": torch.linspace(0, 2, 12)}
    descend(Adam(fast), RATES, 10, columns=columns, rows=dict.fromkeys(RATES, rows))
    descend(Adam(plain), RATES, 10, columns=columns, rows=dict.fromkeys(RATES, rows))
    for name in fast:
        torch.testing.assert_close(fast[name], plain[name].float(), atol=2e-6, rtol=1e-5)


def test_the_number_of_threads_changes_no_bit() -> None:
    one, three = tables(), tables()
    descend(Adam(one), RATES, 5, threads=1)
    descend(Adam(three), RATES, 5, threads=3)
    assert all(torch.equal(one[name], three[name]) for name in one)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_gradient_stops_and_is_named(dtype: torch.dtype, value: float) -> None:
    bad = tables(dtype)
    for table in bad.values():
        table.grad = torch.zeros_like(table)
    bad["opacity_logits"].grad[7] = value  # type: ignore[index]
    before = {name: table.detach().clone() for name, table in bad.items()}
    with pytest.raises(NumericalError, match="`opacity_logits`"):
        Adam(bad).step(RATES)
    assert torch.equal(bad["opacity_logits"], before["opacity_logits"])


def test_positions_slow_down_exponentially() -> None:
    rates = Rates(means=1e-3, means_last=1e-5)
    assert rates.at(0.0)["means"] == pytest.approx(1e-3)
    assert rates.at(0.5)["means"] == pytest.approx(1e-4)
    assert rates.at(1.0)["means"] == pytest.approx(1e-5)


def test_new_rows_start_without_memory() -> None:
    old = tables()
    adam = Adam(old)
    descend(adam, RATES, 2)
    memory = adam.first["sh"].clone()
    source, keeps = torch.tensor([3, 3, 7]), torch.tensor([1.0, 0.0, 1.0])
    adam.rearrange(
        {name: table.detach()[source].requires_grad_() for name, table in old.items()}, source, keeps
    )
    assert torch.equal(adam.first["sh"][0], memory[3])
    assert not adam.first["sh"][1].any()
    assert torch.equal(adam.first["sh"][2], memory[7])
    descend(adam, RATES, 1)
