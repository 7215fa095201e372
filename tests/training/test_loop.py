import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests import fakes
from tests.training.figures import CONFIG, objective, people

from vivant.core.errors import BadFileError, BadInputError, NumericalError
from vivant.core.progress import Advanced, Event
from vivant.core.run import Context
from vivant.networks import Lifter, LifterConfig, load_weights
from vivant.training import (
    Judged,
    People,
    TrainBatch,
    TrainConfig,
    Trained,
    find_training,
    loop,
    objectives,
    own_device,
    train,
)
from vivant.training.lifter_objective import LifterObjective


def trained(name: str, folder: Path, config: TrainConfig = CONFIG, context: Context | None = None) -> Trained:
    return train(context or Context(), objective(name), people(), config, folder, command="a test")


@pytest.mark.parametrize("name", ["view", "lifter", "nerf"])
def test_each_network_trains_validates_and_is_kept(name: str, tmp_path: Path) -> None:
    told: list[Event] = []
    made = trained(name, tmp_path, context=Context(listener=told.append))
    assert made.finished and made.steps == 4
    assert [event.fraction for event in told if isinstance(event, Advanced)] == [0.25, 0.5, 0.75, 1.0]
    one = objective(name)
    network, card = load_weights(type(one.build()), type(one.config), made.weights)
    assert network.config == one.config
    assert (card.steps, card.people, card.command) == (4, 4, "a test")
    # The stored score is that of the stored weights; half precision moves it a little.
    judged = one.judge(network, people().validation(0))
    assert judged.score == pytest.approx(card.score, abs=0.05)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]
    page = (tmp_path / "log.html").read_text()
    assert "<svg" in page and "data:image/webp" in page and "http" not in page.replace("http-equiv", "")


def test_a_stopped_training_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    whole = trained("view", tmp_path / "whole")

    def stop(event: Event) -> None:
        if isinstance(event, Advanced) and event.fraction == 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained("view", tmp_path / "parts", context=Context(listener=stop))
    assert not (tmp_path / "parts" / "view.safetensors").exists()
    trained("view", tmp_path / "parts")
    one, other = (load_file(tmp_path / part / "state.safetensors") for part in ("whole", "parts"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.steps == 4


@pytest.mark.parametrize("where", ["in the loss", "in the optimiser"])
@pytest.mark.parametrize("how", ["by a signal", "by an exception"])
def test_a_step_is_whole_or_never_was(
    where: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained("view", tmp_path / "whole")
    owner, name = (type(objective("view")), "loss") if where == "in the loss" else (torch.optim.AdamW, "step")
    real, calls = getattr(owner, name), []

    def interrupted(*told: object, **named: object) -> object:
        made = real(*told, **named)
        calls.append(name)
        if len(calls) == 3:
            if how == "by an exception":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)
        return made

    often = dataclasses.replace(CONFIG, save_every=0.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(owner, name, interrupted)
        trained("view", tmp_path / "parts", often)
    trained("view", tmp_path / "parts")
    # What the signal found half done was ended; what an exception broke off was not kept.
    assert len(calls) == 3
    one, other = (load_file(tmp_path / part / "state.safetensors") for part in ("whole", "parts"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert whole.steps == 4


def test_other_people_are_another_training(tmp_path: Path) -> None:
    trained("nerf", tmp_path)
    others = dataclasses.replace(people().config, people=2)
    with pytest.raises(BadFileError, match="other settings"):
        train(Context(), objective("nerf"), People(others, "cpu"), CONFIG, tmp_path)
    same = train(Context(), objective("nerf"), People(people().config, "cpu"), CONFIG, tmp_path)
    assert same.finished


def test_a_start_of_another_size_or_network_is_refused(tmp_path: Path) -> None:
    begun = trained("lifter", tmp_path / "one", dataclasses.replace(CONFIG, steps=1)).weights
    larger = find_training("lifter", size="reduced").objective
    with pytest.raises(BadFileError, match="another size"):
        train(Context(), larger, people(), CONFIG, tmp_path / "two", start=begun)
    with pytest.raises(BadFileError, match="lifter"):
        train(Context(), objective("nerf"), people(), CONFIG, tmp_path / "three", start=begun)


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert own_device("cuda") == "cuda"
    for name, value in {"WORLD_SIZE": "16", "RANK": "11", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    assert [own_device(one) for one in ("cuda", "cuda:1", "cpu")] == ["cuda:3", "cuda:1", "cpu"]


def test_an_ended_training_is_not_trained_on(tmp_path: Path) -> None:
    first = trained("lifter", tmp_path)
    again = trained("lifter", tmp_path)
    assert (again.steps, again.score) == (first.steps, first.score)


def test_it_stops_before_the_machine_is_gone_and_goes_on_later(tmp_path: Path) -> None:
    late = dataclasses.replace(CONFIG, time_left=0.1)
    stopped = trained("lifter", tmp_path, late)
    assert not stopped.finished and stopped.steps == 0
    assert trained("lifter", tmp_path).finished


def test_minutes_are_a_budget(tmp_path: Path) -> None:
    made = trained("lifter", tmp_path, dataclasses.replace(CONFIG, steps=None, minutes=0.01))
    assert made.finished and made.steps >= 1
    rates = [json.loads(line).get("rate", 0) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(rates) <= CONFIG.learning_rate


def test_training_goes_on_from_weights(tmp_path: Path) -> None:
    begun = trained("lifter", tmp_path / "one").weights
    one = dataclasses.replace(CONFIG, steps=1, learning_rate=1e-9)
    made = train(Context(), objective("lifter"), people(), one, tmp_path / "two", start=begun)
    first, second = (load_weights(Lifter, LifterConfig, path)[0] for path in (begun, made.weights))
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, atol=1e-6, rtol=1e-3)


def test_other_settings_and_damage_are_told(tmp_path: Path) -> None:
    trained("nerf", tmp_path, dataclasses.replace(CONFIG, steps=1))
    with pytest.raises(BadFileError, match="other settings"):
        trained("nerf", tmp_path, dataclasses.replace(CONFIG, steps=2))
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-50])
    with pytest.raises(BadFileError, match="damaged"):
        trained("nerf", tmp_path, dataclasses.replace(CONFIG, steps=1))
    with pytest.raises(BadInputError, match="positive"):
        trained("nerf", tmp_path / "none", dataclasses.replace(CONFIG, steps=0))


class Poisoned:
    """An objective whose loss is no number."""

    name, score_name, config = "view", "none", objective("view").config

    def build(self) -> torch.nn.Module:
        return torch.nn.Linear(1, 1)

    def loss(
        self, network: torch.nn.Module, batch: TrainBatch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        return sum(p.sum() for p in network.parameters()) * torch.nan, {}

    def judge(self, network: torch.nn.Module, batch: TrainBatch) -> Judged:
        return Judged(0.0, 0.0, torch.zeros(4, 4, 3))


def test_a_loss_that_is_no_number_stops_the_step_that_made_it(tmp_path: Path) -> None:
    with pytest.raises(NumericalError, match="step 0 of training view"):
        train(Context(), Poisoned(), people(), CONFIG, tmp_path)


@pytest.mark.parametrize("name", ["view", "lifter", "nerf"])
def test_mixed_precision_changes_little(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = objective(name)
    torch.manual_seed(0)
    network = one.build()
    losses = []
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(objectives, "working_dtype", lambda device, dtype=dtype: dtype)
        loss, _ = one.loss(network, people().batch(0), torch.Generator().manual_seed(0))
        loss.backward()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=0.03)


@pytest.mark.parametrize(
    ("name", "rate", "steps", "gain"),
    [("view", 8e-3, 40, 2.5), ("lifter", 5e-3, 30, 2.0), ("nerf", 3e-3, 240, 6.0)],
)
def test_each_network_learns_one_person(name: str, rate: float, steps: int, gain: float) -> None:
    one, batch = objective(name), people().batch(0)
    torch.manual_seed(0)
    network, chance = one.build(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    before = one.judge(network, batch)
    for _ in range(steps):
        loss, _ = one.loss(network, batch, chance)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    after = one.judge(network, batch)
    assert after.score > max(before.score, after.baseline) + gain


def test_the_lifter_learns_by_lpips_where_its_weights_are(tmp_path: Path) -> None:
    weights = fakes.lpips_weights(tmp_path)
    plain = objective("lifter")
    keen = LifterObjective(plain.config, plain.side, weights)
    torch.manual_seed(0)
    network, batch = plain.build(), people().batch(0)
    for parameter in network.parameters():
        parameter.grad = None
    (before, told), (after, more) = (one.loss(network, batch, torch.Generator()) for one in (plain, keen))
    assert more.keys() - told.keys() == {"perceptual"}
    assert more["perceptual"] > 0
    assert float(after.detach()) == pytest.approx(float(before.detach()) + more["perceptual"], rel=1e-5)
    (after - before).backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())
    # Its weights are another setting; that they have been read is not.
    made = train(Context(), keen, people(), dataclasses.replace(CONFIG, steps=1), tmp_path / "run")
    fresh = LifterObjective(plain.config, plain.side, weights)
    again = train(Context(), fresh, people(), dataclasses.replace(CONFIG, steps=1), tmp_path / "run")
    assert (made.steps, again.steps) == (1, 1)
    with pytest.raises(BadFileError, match="other settings"):
        train(Context(), plain, people(), dataclasses.replace(CONFIG, steps=1), tmp_path / "run")


def test_lpips_is_for_the_lifter_and_read_before_anything_else(tmp_path: Path) -> None:
    weights = fakes.lpips_weights(tmp_path)
    made = find_training("lifter", size="rehearsal", lpips=weights).objective
    assert isinstance(made, LifterObjective) and made.lpips == weights
    with pytest.raises(BadInputError, match="Only the lifter"):
        find_training("nerf", lpips=weights)
    with pytest.raises(BadFileError, match="does not exist"):
        find_training("lifter", lpips=tmp_path / "none.safetensors")


PROGRAM = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.training.figures import CONFIG, objective, people
from vivant.core.run import Context
from vivant.training import train
train(Context(), objective("nerf"), people(), CONFIG, Path(sys.argv[1]))
"""


def test_two_processes_take_the_same_steps_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    told = {"WORLD_SIZE": "2", "VIVANT_MEET": str(tmp_path / "meet")}
    second = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "run")],
        env={**os.environ, **told, "RANK": "1", "PYTHONPATH": str(root)},
        cwd=root,
    )
    with monkeypatch.context() as patch:
        for name, value in {**told, "RANK": "0"}.items():
            patch.setenv(name, value)
        trained("nerf", tmp_path / "run")
    assert second.wait(timeout=100) == 0
    lead, other = (load_file(tmp_path / "run" / name) for name in ("state.safetensors", "state-1.safetensors"))
    for name in lead:
        if name.startswith("network."):
            assert torch.equal(lead[name], other[name]), name
    # They saw different people, so their random numbers differ, and so do the weights from those of one alone.
    assert not torch.equal(lead["generator"], other["generator"])
    alone = trained("nerf", tmp_path / "alone")
    network, card = load_weights(type(objective("nerf").build()), type(objective("nerf").config), alone.weights)
    both = load_file(tmp_path / "run" / "nerf.safetensors")
    assert any(not torch.equal(both[name].float(), value) for name, value in network.state_dict().items())
    assert card.people == 4


def test_every_training_can_be_found_and_fits_its_file() -> None:
    for name in ("view", "lifter", "nerf"):
        with torch.device("meta"):
            network = find_training(name).objective.build()
        assert sum(value.numel() for value in network.state_dict().values()) * 2 < 16 * 1024**2
    with pytest.raises(BadInputError, match="view, lifter, nerf"):
        find_training("restorer")
    assert loop.RESERVE < 1
