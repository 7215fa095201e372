"""Adam (Kingma & Ba 2015) for tables with a row a splat: a rate a column, rows that move less or not."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import NumericalError

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-15
"""As 3DGS (arXiv 2308.04079) has them; its tiny epsilon matters, for gradients of splats are tiny."""


@dataclass(frozen=True)
class Rates:
    """Steps of the optimiser."""

    means: float = 6e-4
    """Metres a step at the start."""

    means_last: float = 4e-6
    """Metres a step at the end; the rate falls exponentially between."""

    quats: float = 2e-3
    log_scales: float = 1e-2
    opacity_logits: float = 5e-2
    sh: float = 3e-2
    """Of band 0, in units of its coefficient (0.28 of a colour)."""

    sh_higher: float = 0.05
    """What the other bands take of that."""

    momentum: float = 0.9
    """How much of the step before each step keeps; a fit of a few dozen steps gets further with less."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, means=(ABOVE_ZERO, math.inf), means_last=(ABOVE_ZERO, math.inf))
        rate = (0, math.inf)
        expect_within(self, quats=rate, log_scales=rate, opacity_logits=rate, sh=rate, sh_higher=rate)
        expect_within(self, momentum=(0, 0.9999))

    def at(self, progress: float) -> dict[str, float]:
        """Rates of each table when a part of the steps, 0 to 1, is done."""
        means = math.exp((1 - progress) * math.log(self.means) + progress * math.log(self.means_last))
        return {
            "means": means,
            "quats": self.quats,
            "log_scales": self.log_scales,
            "opacity_logits": self.opacity_logits,
            "sh": self.sh,
        }


class Adam:
    """The optimiser's memory of some tables that it changes in place."""

    def __init__(self, tables: dict[str, Tensor], momentum: float = BETA_1) -> None:
        """Begin without memory.

        Args:
            tables: Leaf tensors, each with one row a splat (or a view) along its first axis.
            momentum: How much of the mean gradient each step keeps (beta 1).
        """
        self.tables, self.momentum = tables, momentum
        self.first = {name: torch.zeros_like(table, requires_grad=False) for name, table in tables.items()}
        self.second = {name: torch.zeros_like(table, requires_grad=False) for name, table in tables.items()}
        self.steps = 0

    def step(
        self,
        rates: dict[str, float],
        *,
        columns: dict[str, Float[Tensor, " columns"]] | None = None,
        rows: dict[str, Float[Tensor, " rows"]] | None = None,
        threads: int | None = None,
    ) -> None:
        """Take one step along the tables' gradients.

        Args:
            rates: Of each table.
            columns: Factors on the rates of a table's columns (all axes but the first, flattened).
            rows: Factors on the rates of a table's rows; a row with 0 keeps its memory, too.
            threads: At most so many; all processors if None.

        Raises:
            NumericalError: If a gradient is not finite; the message names its table.
        """
        self.steps += 1
        due = {name: table for name, table in self.tables.items() if table.grad is not None}
        columns, rows = columns or {}, rows or {}
        factors = {
            name: columns[name] * rates[name] if name in columns else torch.tensor([rates[name]])
            for name in due
        }
        if all(table.device.type == "cpu" and table.dtype == torch.float32 for table in due.values()):
            from vivant.reconstruct import _adam_numba

            _adam_numba.step(self, due, factors, rows, threads)
        else:
            self._step_reference(due, factors, rows)

    def _step_reference(
        self, due: dict[str, Tensor], factors: dict[str, Tensor], rows: dict[str, Tensor]
    ) -> None:
        """The update in plain torch; `factors` are one for all columns, or one each."""
        for name, table in due.items():
            gradient, first, second = table.grad, self.first[name], self.second[name]
            assert gradient is not None
            refuse_bad_gradient(name, bool(torch.isfinite(gradient).all()))
            flat = (len(table), -1)
            moved = rows.get(name, torch.ones(len(table))).to(table)
            here = moved != 0
            first[here] = self.momentum * first[here] + (1 - self.momentum) * gradient[here]
            second[here] = BETA_2 * second[here] + (1 - BETA_2) * gradient[here] ** 2
            mean = first / (1 - self.momentum**self.steps)
            spread = (second / (1 - BETA_2**self.steps)).sqrt() + EPSILON
            rate = factors[name].to(table) * moved[:, None]
            table.data -= (rate * (mean / spread).reshape(flat)).reshape(table.shape)

    def rearrange(
        self, tables: dict[str, Tensor], source: Int[Tensor, " rows"], keeps: Float[Tensor, " rows"]
    ) -> None:
        """Take over new tables whose rows come from old ones.

        Args:
            tables: The new leaf tensors, under the old names.
            source: The old row of each new one.
            keeps: 1 for rows that go on with the old row's memory, 0 for those that start without.
        """
        for memory in (self.first, self.second):
            for name in tables:
                shape = (-1,) + (1,) * (memory[name].ndim - 1)
                memory[name] = memory[name][source] * keeps.reshape(shape).to(memory[name])
        self.tables = tables


def refuse_bad_gradient(name: str, finite: bool) -> None:
    """Stop before a bad gradient spoils a table.

    Raises:
        NumericalError: If it is not finite.
    """
    if not finite:
        raise NumericalError(
            f"The gradient of `{name}` is not finite; reconstruct stops before it spoils the avatar. "
            "Please report this with the views, or lower the rates."
        )
