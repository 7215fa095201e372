"""One Adam step of all tables, compiled: each thread takes its band of rows through every table."""

import math
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads, thread_count

if TYPE_CHECKING:
    from vivant.reconstruct.adam import Adam

f4 = np.float32
BLOCK = 256
"""Rows that are updated together."""

FAST = {"contract", "reassoc", "nsz", "arcp"}


def step(
    adam: "Adam",
    due: dict[str, Tensor],
    factors: dict[str, Tensor],
    rows: dict[str, Tensor],
    threads: int | None,
) -> None:
    """Update tables and memory in place."""
    from vivant.reconstruct.adam import BETA_2, EPSILON, refuse_bad_gradient

    gradients = {name: _table(table.grad) for name, table in due.items()}
    most = threads or thread_count()
    sums = np.zeros((most, len(gradients)), f4)

    def look(thread: int) -> None:
        for place, gradient in enumerate(gradients.values()):
            start, stop = len(gradient) * thread // most, len(gradient) * (thread + 1) // most
            sums[thread, place] = _sum(gradient[start:stop].reshape(-1))

    run_on_threads(look, most)
    for name, is_finite in zip(gradients, np.isfinite(sums).all(0), strict=True):
        refuse_bad_gradient(name, bool(is_finite))
    # Differences to 1 are taken in double: in float32, 1 - 0.999 is off by 1e-5.
    settings = np.array(
        [
            adam.momentum,
            1 - adam.momentum,
            1 / (1 - adam.momentum**adam.steps),
            BETA_2,
            1 - BETA_2,
            1 / (1 - BETA_2**adam.steps),
            EPSILON,
        ]
    ).astype(f4)
    works = [
        (
            [_table(table), gradients[name], _table(adam.first[name]), _table(adam.second[name])],
            factors[name].numpy() if len(factors[name]) > 1 else _constant(table, float(factors[name])),
            rows[name].numpy() if name in rows else np.empty(0, f4),
            name not in rows and len(factors[name]) == 1,
        )
        for name, table in due.items()
    ]

    def work(thread: int) -> None:
        for arrays, columns, moved, is_plain in works:
            # Whole blocks, so that a row's place in its block does not hang on the number of threads.
            count = len(arrays[0])
            blocks = -(-count // BLOCK)
            start, stop = blocks * thread // most * BLOCK, blocks * (thread + 1) // most * BLOCK
            stop = min(stop, count)
            if is_plain:
                _update(*(array[start:stop].reshape(-1) for array in arrays), columns[0], settings)
            else:
                _update_rows(*arrays, columns, moved, settings, start, stop)

    run_on_threads(work, most)


def _constant(table: Tensor, value: float) -> np.ndarray:
    return np.full(max(math.prod(table.shape[1:]), 1), value, f4)


def _table(tensor: Tensor | None) -> np.ndarray:
    assert tensor is not None
    return tensor.detach().contiguous().numpy().reshape(len(tensor), -1)


@kernel(fastmath=FAST)
def _sum(values):
    """Not finite if any value is not: infinity times 0 is NaN."""
    total = f4(0)
    for i in range(values.shape[0]):
        total += values[i] * f4(0)
    return total


@kernel(fastmath=FAST)
def _update(table, gradient, first, second, factor, settings):
    """One rate for all: a loop that fills vectors."""
    keep_1, take_1, rate = settings[0], settings[1], settings[2] * factor
    keep_2, take_2, scale_2, epsilon = settings[3], settings[4], settings[5], settings[6]
    for i in range(table.shape[0]):
        g = gradient[i]
        m = keep_1 * first[i] + take_1 * g
        v = keep_2 * second[i] + take_2 * g * g
        first[i] = m
        second[i] = v
        table[i] -= rate * m / (np.sqrt(v * scale_2) + epsilon)


@kernel(fastmath=FAST)
def _update_rows(table, gradient, first, second, factors, moved, settings, start, stop):
    """A rate a column, a factor a row: both are laid out for a block of rows, then a loop fills vectors."""
    width = table.shape[1]
    rates, here = np.empty(BLOCK * width, np.float32), np.empty(BLOCK * width, np.float32)
    table, gradient, first, second = (
        table.reshape(-1), gradient.reshape(-1), first.reshape(-1), second.reshape(-1)
    )  # fmt: skip
    for i in range(start, stop, BLOCK):
        end = min(i + BLOCK, stop)
        for row in range(i, end):
            factor = moved[row] if moved.shape[0] else f4(1)
            for k in range(width):
                rates[(row - i) * width + k] = factor * factors[k]
                here[(row - i) * width + k] = f4(factor != 0)
        low, high = i * width, end * width
        _update_block(
            table[low:high], gradient[low:high], first[low:high], second[low:high], rates, here, settings
        )


@kernel(fastmath=FAST)
def _update_block(table, gradient, first, second, rates, here, settings):
    """A rate a number; `here` is 0 for those that keep their memory, too, and else 1."""
    take_1, scale_1 = settings[1], settings[2]
    take_2, scale_2, epsilon = settings[4], settings[5], settings[6]
    for i in range(table.shape[0]):
        g = gradient[i]
        m = first[i] + here[i] * take_1 * (g - first[i])
        v = second[i] + here[i] * take_2 * (g * g - second[i])
        first[i] = m
        second[i] = v
        table[i] -= rates[i] * scale_1 * m / (np.sqrt(v * scale_2) + epsilon)
