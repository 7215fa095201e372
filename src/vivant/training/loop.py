"""One loop for all networks: steps, averages, validation, and a state that survives being stopped."""

import dataclasses
import hashlib
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from vivant.core.checks import expect_finite
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.interrupts import held_interrupts
from vivant.core.run import Context
from vivant.networks import ModelCard, load_weights, save_weights
from vivant.training.batch import Source, TrainBatch, batches
from vivant.training.log import Log
from vivant.training.objectives import Judged, Objective
from vivant.training.processes import Team, team
from vivant.training.state import Progress, load_state, save_state


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained."""

    minutes: float = 25.0
    """The whole training, over all its parts; the learning rate falls along one cosine over them."""

    steps: int | None = None
    """So many steps instead of minutes."""

    time_left: float | None = None
    """Minutes until this machine is gone: stop in time and save everything; the same command goes on later."""

    learning_rate: float = 5e-4
    warm_up: int = 100
    """Steps over which the learning rate rises."""

    weight_decay: float = 0.01
    clip: float = 1.0
    """Longest gradient."""

    average: float = 0.999
    """Weights are averaged over about 1 / (1 - this) steps; the average is what is kept."""

    validate_every: float = 3.0
    """Minutes between validations."""

    save_every: float = 2.0
    """Minutes between saved states."""

    validation_batches: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Trained:
    """What a training made."""

    weights: Path
    score: float
    baseline: float
    finished: bool
    """False if it was stopped before its time; the same command goes on."""

    steps: int


RESERVE = 0.75
"""Minutes that are kept for the last validation and for writing."""


def train(
    context: Context, objective: Objective, source: Source, config: TrainConfig, folder: Path, *,
    command: str = "", start: Path | None = None,
) -> Trained:  # fmt: skip
    """Train a network, or go on training it, and write its weights.

    Args:
        context: Its device is trained on; its listener is told the progress.
        objective: The network and its loss.
        source: Of batches.
        config: Budget and optimiser.
        folder: Gets NAME.safetensors (weights), state.safetensors, log.jsonl and log.html.
        command: What the user typed, for the model card.
        start: Weights to begin from instead of random ones.

    Raises:
        BadInputError: If there is no budget.
        BadFileError: If the folder's state is of another training, or the start cannot be read or has another
            size.
        NumericalError: If the loss is not finite.
        OutputError: If files cannot be written.
    """
    if config.minutes <= 0 or (config.steps is not None and config.steps < 1):
        raise BadInputError(f"{config.minutes} minutes, {config.steps} steps: both must be positive.")
    device = torch.device(context.device)
    with team(device) as members:
        return _Training(context, objective, source, config, folder, members, start).run(command)


class _Training:
    """All that lives while a network is trained."""

    def __init__(
        self, context: Context, objective: Objective, source: Source, config: TrainConfig, folder: Path,
        members: Team, start: Path | None,
    ) -> None:  # fmt: skip
        self.context, self.objective, self.source, self.config = context, objective, source, config
        self.folder, self.team, self.device = folder, members, torch.device(context.device)
        torch.manual_seed(config.seed)
        self.network = objective.build()
        if start is not None:
            read, _ = load_weights(type(self.network), type(objective.config), start, network=objective.name)
            if read.config != objective.config:
                raise BadFileError(
                    f"{start} holds a network of another size than the one to be trained: {read.config}, "
                    f"not {objective.config}. Train that size (`--size`), or begin without `--start`."
                )
            self.network.load_state_dict(read.state_dict())
        self.network = self.network.to(self.device)
        members.share_start(self.network)
        self.average = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), config.learning_rate, (0.9, 0.99), weight_decay=config.weight_decay
        )
        self.generator = torch.Generator(self.device).manual_seed(config.seed * 1000 + members.rank)
        self.began = time.monotonic()
        self.whole = True
        """Whether no step is under way: weights, optimiser and chance are of the same step."""

        fingerprint = _fingerprint(objective, source, config, members.size, start)
        self.state = folder / (f"state-{members.rank}.safetensors" if members.rank else "state.safetensors")
        self.progress = Progress(fingerprint=fingerprint)
        if self.state.is_file():
            self.progress = load_state(
                self.state, self.network, self.average, self.optimizer, self.generator, fingerprint
            )
        self.log = Log(folder, f"vivant train {objective.name}", self.progress.history)

    def run(self, command: str) -> Trained:
        """Train until the budget or the machine's time is used up."""
        judged = self._validate() if self.team.leads and self.progress.step == 0 else None
        judged_at, saved_at = self.progress.seconds, time.monotonic()
        data = batches(self.source, self.progress.step * self.team.size + self.team.rank, self.team.size)
        try:
            while not self._is_over() and not self._must_stop():
                begun = time.monotonic()
                batch = next(data)
                with held_interrupts():
                    told = self._step(batch, begun)
                self._tell(told)
                if self.team.leads and self.progress.seconds - judged_at > 60 * self.config.validate_every:
                    judged, judged_at = self._validate(), self.progress.seconds
                if time.monotonic() - saved_at > 60 * self.config.save_every:
                    self._save()
                    saved_at = time.monotonic()
        except KeyboardInterrupt:
            # Within a step half is new and half is old: then the last saved state counts.
            if self.whole:
                self._save()
            raise
        self._save()
        if judged is None or judged_at < self.progress.seconds:
            judged = self._validate()
        weights = self.folder / f"{self.objective.name}.safetensors"
        if self.team.leads:
            self._write_weights(weights, judged, command)
        return Trained(weights, judged.score, judged.baseline, self._is_over(), self.progress.step)

    def _step(self, batch: TrainBatch, begun: float) -> dict[str, float]:
        """Learn from one batch; its drawing, which began at that time, counts as training."""
        self.whole = False
        rate = self.config.learning_rate * self._rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        loss, parts = self.objective.loss(self.network, batch, self.generator)
        expect_finite(f"step {self.progress.step} of training {self.objective.name}", loss=loss.detach())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.team.average_gradients(self.network)
        length = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        self._average_weights()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.progress.step += 1
        self.progress.people += len(batch.photo) * self.team.size
        self.progress.seconds = self.team.largest(self.progress.seconds + time.monotonic() - begun, self.device)
        self.whole = True
        return {"loss": float(loss.detach()), "gradient": float(length), "rate": rate, **parts}

    def _tell(self, told: dict[str, float]) -> None:
        """Say how far it is."""
        if self.team.leads:
            self.log.note(step=self.progress.step, seconds=self.progress.seconds, **told)
            self.context.advance(self._done(), f"loss {told['loss']:.4f}")

    @torch.no_grad()
    def _average_weights(self) -> None:
        """Exponential moving average; short at first, so that the random start is forgotten."""
        decay = min(self.config.average, (1 + self.progress.step) / (10 + self.progress.step))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value.detach(), 1 - decay)

    def _validate(self) -> Judged:
        """Judge the averaged weights on people held back, and log it."""
        network = self._averaged()
        made = [
            self.objective.judge(network, self.source.validation(number))
            for number in range(self.config.validation_batches)
        ]
        score, baseline = (
            sum(getattr(one, name) for one in made) / len(made) for name in ("score", "baseline")
        )
        self.log.note(step=self.progress.step, score=score, baseline=baseline)
        self.log.show(self.progress.step, made[0].picture)
        self.context.note(f"Step {self.progress.step}: score {score:.2f}, baseline {baseline:.2f}.")
        return Judged(score, baseline, made[0].picture)

    def _averaged(self) -> nn.Module:
        network = self.objective.build().to(self.device)
        network.load_state_dict(self.average)
        return network.eval()

    def _write_weights(self, path: Path, judged: Judged, command: str) -> None:
        card = ModelCard(
            network=self.objective.name,
            trained_on=self.source.description,
            licence=self.source.licence,
            steps=self.progress.step,
            people=self.progress.people,
            score=round(judged.score, 4),
            score_name=self.objective.score_name,
            baseline=round(judged.baseline, 4),
            command=command,
        )
        save_weights(self._averaged(), self.objective.config, card, path)
        self.log.write_page()

    def _save(self) -> None:
        save_state(self.state, self.network, self.average, self.optimizer, self.generator, self.progress)

    def _done(self) -> float:
        if self.config.steps is not None:
            return min(self.progress.step / self.config.steps, 1.0)
        return min(self.progress.seconds / (60 * self.config.minutes), 1.0)

    def _rate(self) -> float:
        """Part of the learning rate: a rise, then a cosine down to a hundredth."""
        warm = min((self.progress.step + 1) / max(self.config.warm_up, 1), 1.0)
        return warm * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * self._done())))

    def _is_over(self) -> bool:
        return self._done() >= 1

    def _must_stop(self) -> bool:
        """Whether the machine's time is nearly over, for any process."""
        left = self.config.time_left
        late = left is not None and (time.monotonic() - self.began) / 60 > left - RESERVE
        return self.team.agree(late, self.device)


def _fingerprint(
    objective: Objective, source: Source, config: TrainConfig, processes: int, start: Path | None
) -> str:
    """Name all that must stay the same for a training to go on; how long it may run now is free."""
    fixed = dataclasses.replace(config, time_left=None, validate_every=0.0, save_every=0.0)
    begun = start and hashlib.sha256(start.read_bytes()).hexdigest()
    settings = {name: value for name, value in vars(objective).items() if not name.startswith("_")}
    told = f"{objective.name} {settings} {fixed} {source.identity} {processes} {begun}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
