"""Work is shared among threads, all of it, once, and errors come home."""

import importlib
import threading
import time
from pathlib import Path

import pytest
import torch

from vivant.core.errors import BadInputError
from vivant.core.threads import (
    THREADS_VARIABLE,
    in_turn,
    load_ahead,
    one_torch_thread,
    run_on_threads,
    run_together,
    take_turns,
    thread_count,
)


def test_each_thread_is_called_with_its_number() -> None:
    for threads in (1, 2, 5):
        called: list[int] = []
        run_on_threads(called.append, threads)
        assert sorted(called) == list(range(threads))


def test_threads_work_side_by_side() -> None:
    barrier = threading.Barrier(3, timeout=20)
    run_on_threads(lambda _: barrier.wait(), 3)


def test_turns_are_taken_once_each_and_by_several() -> None:
    taken: list[int] = []
    workers: set[str] = set()

    def work(turn: int) -> None:
        taken.append(turn)
        workers.add(threading.current_thread().name)
        time.sleep(0.002)

    take_turns(work, 50, 2)
    assert sorted(taken) == list(range(50))
    assert len(workers) == 2
    take_turns(work, 0, 2)
    assert len(taken) == 50


def test_work_that_shares_out_work_itself_does_not_wait_for_ever() -> None:
    called: list[int] = []
    run_on_threads(lambda _: run_on_threads(called.append, 2), 2)
    assert sorted(called) == [0, 0, 1, 1]


@pytest.mark.parametrize("culprit", [0, 1])
def test_an_error_is_raised_after_all_have_ended(culprit: int) -> None:
    ended: list[int] = []

    def work(thread: int) -> None:
        if thread == culprit:
            raise ZeroDivisionError
        time.sleep(0.05)
        ended.append(thread)

    with pytest.raises(ZeroDivisionError):
        run_on_threads(work, 2)
    assert ended == [1 - culprit]


def test_the_environment_sets_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THREADS_VARIABLE, raising=False)
    assert thread_count() >= 1
    monkeypatch.setenv(THREADS_VARIABLE, "3")
    assert thread_count() == 3
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv(THREADS_VARIABLE, wrong)
        with pytest.raises(BadInputError, match=f"VIVANT_THREADS is '{wrong}'"):
            thread_count()


def test_functions_called_together_give_their_results_in_order() -> None:
    assert run_together([lambda: time.sleep(0.02), lambda: 1, lambda: "two"]) == [None, 1, "two"]


def test_torch_has_its_threads_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), one_torch_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_a_module_is_loaded_on_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_room.py").write_text("import threading\nWHERE = threading.current_thread().name\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    load_ahead("slow_room")
    for thread in threading.enumerate():
        if thread.name == "load slow_room":
            thread.join()
    assert importlib.import_module("slow_room").WHERE == "load slow_room"


def test_in_turn_gives_results_in_order_and_computes_no_more_than_threads_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIVANT_THREADS", "2")
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number * number

    results = in_turn(work, 5)
    assert next(results) == 0 and sorted(begun) == [0, 1]
    assert list(results) == [1, 4, 9, 16]
    assert sorted(begun) == [0, 1, 2, 3, 4]
    assert list(in_turn(work, 0)) == []


def test_in_turn_raises_what_its_work_raises() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(in_turn(work, 6))


def test_in_turn_keeps_the_caller_s_wish_for_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIVANT_THREADS", "3")
    leaf = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not any(result.requires_grad for result in in_turn(lambda number: leaf * number, 6))
    assert all(result.requires_grad for result in in_turn(lambda number: leaf * number, 6))
    with torch.inference_mode():
        assert all(result.is_inference() for result in in_turn(lambda number: leaf * number, 6))
