"""Machine instructions do what their names say."""

import numpy as np
import pytest

from vivant.core.instructions import leading_zeros, prefetch, prefetch_to_write, take_ticket, trailing_zeros
from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads


@kernel(cache=False)
def zeros(value):
    return trailing_zeros(value), leading_zeros(value)


@kernel(cache=False)
def take(counter, taken):
    for i in range(taken.shape[0]):
        taken[i] = take_ticket(counter)


@kernel(cache=False)
def ask(array):
    for i in range(array.size):
        prefetch(array, i)
        prefetch_to_write(array, i)


@pytest.mark.parametrize(
    ("value", "low", "high"), [(1, 0, 63), (0b1011000, 3, 57), (1 << 63, 63, 0), (0, 64, 64)]
)
def test_zeros_are_counted_from_both_ends(value: int, low: int, high: int) -> None:
    assert zeros(np.uint64(value)) == (low, high)


def test_no_ticket_is_given_twice() -> None:
    counter, taken = np.zeros(1, np.int64), np.empty((3, 20_000), np.int64)
    run_on_threads(lambda thread: take(counter, taken[thread]), 3)
    assert np.array_equal(np.sort(taken.ravel()), np.arange(60_000))
    assert counter[0] == 60_000


def test_asking_for_memory_changes_nothing() -> None:
    array = np.arange(100.0).reshape(10, 10)
    ask(array)
    assert np.array_equal(array.ravel(), np.arange(100.0))
