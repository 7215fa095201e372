import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from vivant.core.progress import Advanced, Event, Noted, StageFinished, StageStarted
from vivant.core.run import Context, Run
from vivant.records import Hand

CALLS: list[str] = []


@dataclass(frozen=True)
class Config:
    gain: float = 1.0


def grow(context: Context, hand: Hand, config: Config) -> Hand:
    CALLS.append("grow")
    context.advance(0.5)
    return Hand(hand.points * config.gain, hand.points_world, hand.confidence)


def shake(context: Context, hand: Hand, config: Config) -> Hand:
    CALLS.append("shake")
    noise = torch.randn(21, 2, generator=torch.Generator().manual_seed(context.seed))
    return Hand(hand.points + noise, hand.points_world, hand.confidence)


@pytest.fixture(autouse=True)
def _forget() -> None:
    CALLS.clear()


def a_hand() -> Hand:
    return Hand(torch.ones(21, 2), torch.ones(21, 3), 1.0)


def build(folder: Path | None, gain: float = 1.0, last: float = 1.0, seed: int = 0) -> Hand:
    run = Run(folder, Context(seed=seed))
    hand = run(grow, a_hand(), Config(gain))
    return run(shake, hand, Config(last))


def test_a_second_run_reuses_every_stage(tmp_path: Path) -> None:
    first = build(tmp_path)
    second = build(tmp_path)
    assert CALLS == ["grow", "shake"]
    assert torch.equal(first.points, second.points)


def test_a_changed_later_config_reuses_the_earlier_stage(tmp_path: Path) -> None:
    build(tmp_path, last=1.0)
    build(tmp_path, last=2.0)
    assert CALLS == ["grow", "shake", "shake"]


def test_a_changed_earlier_config_remakes_what_depends_on_it(tmp_path: Path) -> None:
    build(tmp_path, gain=1.0)
    build(tmp_path, gain=2.0)
    assert CALLS == ["grow", "shake"] * 2


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    a, b = build(tmp_path, seed=0), build(tmp_path, seed=1)
    assert not torch.equal(a.points, b.points)


@dataclass(frozen=True)
class Weighed:
    weights: str = ""


def weigh(context: Context, hand: Hand, config: Weighed) -> Hand:
    CALLS.append("weigh")
    return hand


def test_weights_trained_anew_under_the_same_name_are_asked_anew(tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    for content in (b"once", b"once", b"twice"):
        file.write_bytes(content)
        Run(tmp_path, Context())(weigh, a_hand(), Weighed(str(file)))
    assert CALLS == ["weigh", "weigh"]
    file.unlink()
    Run(tmp_path, Context())(weigh, a_hand(), Weighed(str(file)))
    assert CALLS == ["weigh"] * 3


def test_without_a_folder_nothing_is_kept() -> None:
    build(None)
    build(None)
    assert CALLS == ["grow", "shake"] * 2


def test_a_damaged_result_is_made_again_and_told(tmp_path: Path) -> None:
    build(tmp_path)
    for path in tmp_path.glob("grow-*"):
        path.write_bytes(b"nonsense")
    events: list[Event] = []
    run = Run(tmp_path, Context(listener=events.append))
    run(grow, a_hand(), Config())
    assert CALLS.count("grow") == 2
    assert any(isinstance(e, Noted) and "damaged" in e.text for e in events)


def test_a_result_whose_time_cannot_be_set_is_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path)

    def read_only(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "touch", read_only)
    run = Run(tmp_path)
    run(grow, a_hand(), Config())
    assert CALLS.count("grow") == 1
    assert run.timings[0].reused


def test_a_result_that_may_not_be_read_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    Run(tmp_path)(grow, a_hand(), Config())
    assert CALLS.count("grow") == 2


def test_a_folder_that_cannot_be_written_costs_only_reuse(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    events: list[Event] = []
    run = Run(tmp_path / "file" / "kept", Context(listener=events.append))
    assert float(run(grow, a_hand(), Config(3.0)).points[0, 0]) == 3.0
    assert any(isinstance(e, Noted) and "not kept" in e.text for e in events)


def test_events_come_in_order(tmp_path: Path) -> None:
    events: list[Event] = []
    Run(tmp_path, Context(listener=events.append))(grow, a_hand(), Config())
    kinds = [type(e) for e in events]
    assert kinds == [StageStarted, Advanced, StageFinished]
    advanced = events[1]
    assert isinstance(advanced, Advanced)
    assert advanced.stage == "grow"
    assert advanced.fraction == 0.5


def test_the_latest_record_of_a_kind_is_found() -> None:
    run = Run()
    assert run.latest(Hand) is None
    run(grow, a_hand(), Config(1.0))
    second = run(grow, a_hand(), Config(2.0))
    assert run.latest(Hand) is second
    assert run.latest(Config) is None


def test_a_step_is_announced_and_timed_but_not_kept(tmp_path: Path) -> None:
    events: list = []
    run = Run(tmp_path, Context(listener=events.append))
    with run.step("write") as context:
        context.advance(0.5)
    assert [type(event).__name__ for event in events] == ["StageStarted", "Advanced", "StageFinished"]
    assert {event.stage for event in events} == {"write"}
    assert [timing.stage for timing in run.timings] == ["write"]
    assert list(tmp_path.iterdir()) == []
