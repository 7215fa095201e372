"""The stage: an avatar's splats are moved until their pictures are the views."""

import math
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core import store
from vivant.core.checks import expect_finite, expect_within
from vivant.core.errors import BadInputError, CancelledError
from vivant.core.interrupts import held_interrupts
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread
from vivant.reconstruct.adam import Adam, Rates
from vivant.reconstruct.checkpoint import (
    Checkpoint,
    load_checkpoint,
    pack_corrections,
    pack_tables,
    restore,
    save_checkpoint,
)
from vivant.reconstruct.cloud import Cloud
from vivant.reconstruct.densify import Demand, DensifyConfig, densify, reset_opacity
from vivant.reconstruct.losses import ImageLoss, LossConfig, image_loss
from vivant.reconstruct.perceptual import load_perceptual, perceptual_loss
from vivant.reconstruct.refine import Corrections, RefineConfig
from vivant.reconstruct.regularise import Neighborhood, RegulariseConfig, build_neighborhood, pull_together
from vivant.reconstruct.sight import Sight, look
from vivant.reconstruct.targets import BACKGROUNDS, Frame, prepare_frames
from vivant.records import Avatar, Splats, Views
from vivant.splat import pose_splats, rasterize

WINDOW = 50
"""Steps over which losses are averaged to be told, and to see whether they still fall."""

MOST = 2.0
"""How many times as many steps coarse pictures get at most."""


@dataclass(frozen=True)
class ReconstructConfig:
    """How splats are fitted to views."""

    iterations: int = 1000
    """Steps; each compares one view."""

    coarse: float = 0.0
    """Metres that a pixel may cover at the person; where they cover more, the steps become as many times as
    many, at most twice: outlines have farther to go. 0 leaves the steps as they are."""

    max_side: int = 1024
    """Views with more pixels along a side are reduced to this."""

    sh_degree: int = 0
    """How much colours may change with the direction of view: 0 (not) to 3."""

    sh_every: int = 300
    """Steps after which the degree rises by one; fewer where not all degrees would get their turn."""

    unseen: Literal["free", "still"] = "free"
    """What splats do that no view shows: follow their neighbours, or stay as they are."""

    plateau: float = 0.0
    """Stop early when the mean loss of the last steps is not less than that of those before by this share."""

    checkpoint: str = ""
    """File for the state on the way, from which a killed run goes on; none if empty."""

    checkpoint_every: int = 200
    """Steps."""

    threads: int = 0
    """Of compiled kernels; 0 takes all processors. Results do not depend on it."""

    loss: LossConfig = field(default_factory=LossConfig)
    rates: Rates = field(default_factory=Rates)
    regularise: RegulariseConfig = field(default_factory=RegulariseConfig)
    densify: DensifyConfig = field(default_factory=DensifyConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        if not 0 <= self.rates.momentum < 1:
            raise BadInputError(
                f"A momentum of {self.rates.momentum} is asked for; it must be from 0 to below 1."
            )
        if self.iterations < 1 or self.max_side < 16 or not 0 <= self.sh_degree <= 3:
            raise BadInputError(
                f"{self.iterations} iterations at up to {self.max_side} px with harmonics {self.sh_degree}: "
                "at least 1 iteration, 16 px and a degree of 0 to 3 are needed."
            )
        expect_within(self, sh_every=(1, math.inf), plateau=(0, 1), checkpoint_every=(1, math.inf))
        expect_within(self, threads=(0, math.inf), coarse=(0, math.inf))


class ReconstructionCancelledError(CancelledError):
    """The user stopped a reconstruction."""

    def __init__(self, message: str, avatar: Avatar) -> None:
        """Keep what there is."""
        super().__init__(message)
        self.avatar = avatar
        """As good as it had become."""


def reconstruct(context: Context, avatar: Avatar, views: Views, config: ReconstructConfig) -> Avatar:
    """Fit an avatar's splats to pictures of the person.

    It works on the processor, whatever the context's device. With `densify.mode` off, exactly the same splats
    in the same order come out. The same goods, config and seed give the same avatar, bit by bit, for any number
    of threads.

    Args:
        context: Its seed orders the views and places new splats.
        avatar: Where to start.
        views: Any mix of photos, imagined and real views, each with its camera and pose; `trust` weighs their
        pixels.
        config: How.

    Raises:
        BadInputError: If the views show nobody or are of another rig.
        MissingWeightsError: If the loss has a perceptual part and no file for it.
        NumericalError: If a step makes values that are not finite.
        ReconstructionCancelledError: If the user interrupts; it carries the avatar so far.
        OutputError: If the checkpoint cannot be written.
    """
    with torch.enable_grad(), one_torch_thread():
        fit = Fit(context, avatar, views, config)
        try:
            fit.run()
        except KeyboardInterrupt:
            # Within a step half is new: then what was written last counts.
            kept = f" {config.checkpoint} keeps the state to go on from." if fit.whole and fit.keep() else ""
            raise ReconstructionCancelledError(
                f"Stopped after {fit.step_number} of {fit.iterations} steps.{kept}", fit.cloud.avatar(avatar)
            ) from None
        return fit.cloud.avatar(avatar)


class Fit:
    """One reconstruction under way."""

    def __init__(self, context: Context, avatar: Avatar, views: Views, config: ReconstructConfig) -> None:
        """Prepare views, tables and memory, or take them from the checkpoint."""
        self.context, self.config = context, config
        self.threads = config.threads or None
        self.lpips = load_perceptual(config.loss)
        self.frames = prepare_frames(views, avatar.rig, config.max_side)
        self.iterations = _steps(self.frames, views, config)
        """Of this fit: the config's, or more where pixels are coarse."""
        self.corrections = Corrections(avatar.rig, views.poses, config.refine)
        self.rig = avatar.rig
        self.own_bands = avatar.splats.sh.shape[1]
        self.bands = max(self.own_bands, (config.sh_degree + 1) ** 2)
        self.cloud = Cloud.of(avatar, self.bands)
        self.adam = Adam(self.cloud.tables, config.rates.momentum)
        self.demand = Demand(len(self.cloud))
        self.losses: list[float] = []
        self.psnrs: list[float] = []
        self.step_number = 0
        self.whole = True
        """Whether no step is under way: tables, memory and counters are of the same step."""

        self._order: tuple[int, list[int]] = -1, []
        """A turn through the views, and their order in it."""
        self.sight = self._look()
        self.neighborhood = self._neighborhood()
        # Naming hundreds of megabytes of views takes a while; only a checkpoint asks for it.
        self.key = _key(avatar, views, config, context.seed) if config.checkpoint else ""
        self._resume()

    def run(self) -> None:
        """Step until the end, or until nothing gets better."""
        while self.step_number < self.iterations:
            with held_interrupts():
                self._step()
            self._report()
            if self._is_flat():
                self.context.note(
                    f"The fit stopped after {self.step_number} of {self.iterations} steps: "
                    "it did not get better any more."
                )
                break
        expect_finite("reconstruct", **{name: table.detach() for name, table in self.cloud.tables.items()})

    def keep(self) -> bool:
        """Write the checkpoint if one is asked for."""
        if not self.config.checkpoint:
            return False
        save_checkpoint(self._packed(), Path(self.config.checkpoint))
        return True

    def _step(self) -> None:
        """Compare one view, and move everything a little."""
        self.whole = False
        config, frame = self.config, self._frame()
        progress = self.step_number / self.iterations
        self.cloud.forget_gradients()
        loss = self._compare(frame)
        total = loss.total
        if config.refine.poses:
            total = total + self.corrections.cost(frame.view)
        total.backward()
        pull_together(self.cloud.splats(), self.neighborhood, self.config.regularise, threads=self.threads)
        if config.densify.mode == "adaptive":
            self.demand.watch(self.cloud.tables["means"])
        self.adam.step(
            config.rates.at(progress), columns=self._columns(), rows=self._rows(), threads=self.threads
        )
        if self.corrections.active:
            self.corrections.step(frame.view, progress)
        self.step_number += 1
        self.losses.append(float(loss.total.detach()))
        self.psnrs.append(loss.psnr)
        self._densify()
        self.whole = True
        if config.checkpoint and self.step_number % config.checkpoint_every == 0:
            self.keep()

    def _compare(self, frame: Frame) -> ImageLoss:
        every = max(min(self.config.sh_every, self.iterations // (self.config.sh_degree + 1)), 1)
        degree = min(self.config.sh_degree, self.step_number // every)
        # Whatever the avatar came with is drawn, for it is drawn afterwards, too.
        bands = max((degree + 1) ** 2, self.own_bands)
        posed = pose_splats(
            self.cloud.splats(bands),
            self.cloud.binding,
            self.corrections.transforms(frame.view),
            threads=self.threads,
        )
        camera = self.corrections.camera(frame.view, frame.camera)
        # Turns through the views take black and white in turn.
        behind = (self.step_number // len(self.frames)) % len(BACKGROUNDS)
        background = torch.full((3,), BACKGROUNDS[behind])
        drawn = rasterize(posed, camera, background=background, normals=False, threads=self.threads)
        target = frame.targets[behind]
        # Squeezed, not indexed: the gradient of an index is copied into fresh zeros.
        color, alpha = drawn.color.squeeze(0), drawn.alpha.squeeze(0)
        loss = image_loss(color, alpha, target, self.config.loss, threads=self.threads)
        if self.lpips is not None:
            seen = perceptual_loss(color, target, self.lpips)
            loss = replace(loss, total=loss.total + self.config.loss.perceptual * seen)
        return loss

    def _frame(self) -> Frame:
        """Each view once, in an order of chance, then each once again."""
        turn, place = divmod(self.step_number, len(self.frames))
        if self._order[0] != turn:
            self._order = turn, torch.randperm(len(self.frames), generator=self._generator(turn)).tolist()
        return self.frames[self._order[1][place]]

    def _generator(self, number: int) -> torch.Generator:
        """Chance that hangs on the seed and a number only, so that a run can go on in the middle."""
        return torch.Generator().manual_seed(self.context.seed * 1_000_003 + number)

    def _columns(self) -> dict[str, Float[Tensor, " columns"]]:
        if self.bands == 1:
            return {}
        higher = torch.full((3 * (self.bands - 1),), self.config.rates.sh_higher)
        return {"sh": torch.cat([torch.ones(3), higher])}

    def _look(self) -> Sight | None:
        """What the views know about the splats, if that matters."""
        if self.config.unseen == "free":
            return None
        return look(self.cloud, self.frames, self.corrections)

    def _rows(self) -> dict[str, Float[Tensor, " splats"]]:
        """Factors on the rates of splats: one that only sticks out may move and shrink, but not fade."""
        if self.sight is None:
            return {}
        seen, movable = self.sight.seen, self.sight.movable
        # Of a splat seen at a slant, even less is known about its colour.
        known = seen.square()
        return {"means": movable, "log_scales": movable, "quats": seen, "opacity_logits": seen, "sh": known}

    def _neighborhood(self, start: Splats | None = None) -> Neighborhood:
        """Who is whose neighbour, at the start or after a round of densifying."""
        hold = None if self.sight is None else 1.0 / self.sight.movable.clamp(min=0.1)
        start = start or self.cloud.splats()
        config = self.config.regularise
        return build_neighborhood(start, self.cloud.binding, self.rig, config, hold, self.threads)

    def _densify(self) -> None:
        config = self.config.densify
        if config.is_due(self.step_number, self.iterations):
            generator = self._generator(-self.step_number)
            spacing = self.neighborhood.spacing
            self.cloud = densify(self.cloud, self.adam, self.demand, spacing, config, generator)
            self.demand = Demand(len(self.cloud))
            self.sight = self._look()
            self.neighborhood = self._neighborhood()
        if config.mode == "adaptive" and config.reset_every and self.step_number % config.reset_every == 0:
            if self.step_number <= config.end * self.iterations:
                reset_opacity(self.cloud, self.adam, config)

    def _report(self) -> None:
        if self.step_number % 10 and self.step_number < self.iterations:
            return
        loss, psnr = (sum(values[-WINDOW:]) / len(values[-WINDOW:]) for values in (self.losses, self.psnrs))
        self.context.advance(self.step_number / self.iterations, f"loss {loss:.4f}, {psnr:.1f} dB")

    def _is_flat(self) -> bool:
        """Whether whole turns through the views stopped getting better."""
        length = math.ceil(WINDOW / len(self.frames)) * len(self.frames)
        if not self.config.plateau or self.step_number % length or len(self.losses) < 2 * length:
            return False
        before, now = self.losses[-2 * length : -length], self.losses[-length:]
        return sum(now) > (1 - self.config.plateau) * sum(before)

    def _packed(self) -> Checkpoint:
        corrections = self.corrections
        return Checkpoint(
            key=self.key,
            step=self.step_number,
            splats=pack_tables(self.cloud.tables),
            start=self.neighborhood.start,
            binding=self.cloud.binding,
            trust=self.cloud.trust,
            sight=torch.ones(2, 0) if self.sight is None else torch.stack([self.sight.seen, self.sight.beside]),
            first=pack_tables(self.adam.first),
            second=pack_tables(self.adam.second),
            pull=self.demand.pull,
            seen=self.demand.seen,
            corrections=pack_corrections(corrections.tables),
            corrections_first=pack_corrections(corrections.adam.first),
            corrections_second=pack_corrections(corrections.adam.second),
            corrections_steps=corrections.adam.steps,
            losses=torch.tensor([self.losses, self.psnrs], dtype=torch.float64),
        )

    def _resume(self) -> None:
        if not self.config.checkpoint:
            return
        path = Path(self.config.checkpoint)
        found = load_checkpoint(path, self.key)
        if found is None:
            if path.exists():
                self.context.note(
                    f"{path} is of another fit, or damaged; this one begins anew and writes over it."
                )
            return
        self.step_number = found.step
        self.cloud = restore(found, self.cloud, self.adam, self.corrections)
        self.demand = Demand(len(self.cloud))
        self.demand.pull, self.demand.seen = found.pull.clone(), found.seen.clone()
        self.sight = Sight(*found.sight.clone()) if found.sight.numel() else None
        self.neighborhood = self._neighborhood(found.start)
        self.losses, self.psnrs = found.losses[0].tolist(), found.losses[1].tolist()
        self.context.note(f"The fit goes on after step {found.step}, from {self.config.checkpoint}.")


def _key(avatar: Avatar, views: Views, config: ReconstructConfig, seed: int) -> str:
    """Name a fit by all that its result follows from."""
    return store.digest([avatar, views, replace(config, threads=0, checkpoint="", checkpoint_every=1), seed])


def _steps(frames: list[Frame], views: Views, config: ReconstructConfig) -> int:
    """How many steps these views need."""
    if config.coarse == 0:
        return config.iterations
    sizes = []
    for frame in frames:
        camera, root = frame.camera, views.poses.root[frame.view].to(frame.camera.cam_from_world)
        matrix = camera.cam_from_world[0]
        depth = 1.0 if camera.orthographic else float(matrix[2, :3] @ root + matrix[2, 3])
        sizes.append(depth / float(camera.intrinsics[0, 0, 0]))
    return round(config.iterations * min(max(statistics.median(sizes) / config.coarse, 1.0), MOST))
