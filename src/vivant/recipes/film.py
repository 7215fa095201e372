"""Film: a person in a film is followed, and an avatar moves the same way."""

import dataclasses
import math
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from vivant.animate import RetargetConfig, clip_of, retarget
from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import NoPersonError
from vivant.core.progress import Advanced, Event, Noted
from vivant.core.run import Context, Run
from vivant.core.video import read_video
from vivant.fit import FilmFitConfig, fit_film
from vivant.perceive import PerceiveConfig, watch
from vivant.records import Footage, Motion, Rig, Sightings

CHUNK = 16
"""Pictures whose results are kept together: what a killed run loses at most."""


@dataclass(frozen=True)
class FilmConfig:
    """How a film drives an avatar."""

    fps: float = 15.0
    """Pictures a second that are looked at."""

    max_side: int = 960
    """Larger pictures are reduced to so many pixels."""

    max_frames: int = 3000
    """Longer films are cut."""

    perceive: PerceiveConfig = field(default_factory=PerceiveConfig)
    fit: FilmFitConfig = field(default_factory=FilmFitConfig)
    retarget: RetargetConfig = field(default_factory=RetargetConfig)

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, fps=(ABOVE_ZERO, 1000), max_side=(64, math.inf), max_frames=(2, math.inf))


def motion_from_film(run: Run, path: Path, rig: Rig, config: FilmConfig) -> Motion:
    """Follow the person in a film; a killed run resumes where it was.

    Raises:
        BadFileError: If the film cannot be read.
        NoPersonError: If the person is found in too few pictures.
    """
    begun, count = time.perf_counter(), _count(path, config)
    with run.step("watch_film") as context:
        sightings, kept = _watch(run, context, path, count, config)
    acted = run(fit_film, sightings, config.fit)
    for note in acted.notes:
        run.context.note(note)
    seconds = time.perf_counter() - begun
    before = f", {kept} of them kept from before" if kept else ""
    run.context.note(f"{count} pictures{before}: {seconds:.1f} s, {seconds / count:.2f} s a picture.")
    if count == config.max_frames:
        run.context.note(f"Only the film's first {count} pictures were looked at; cut it for others.")
    motion = retarget(clip_of(acted.motion, acted.rig), rig, config.retarget).motion
    return dataclasses.replace(motion, name=path.stem)


def _count(path: Path, config: FilmConfig) -> int:
    """How many pictures there are: decoded small, as files do not tell reliably."""
    return sum(1 for _ in read_video(path, config.fps, 64, config.max_frames))


def _watch(run: Run, context: Context, path: Path, total: int, config: FilmConfig) -> tuple[Sightings, int]:
    """Look at all pictures, some at a time; also tell how many an earlier run had looked at already."""
    pictures = read_video(path, config.fps, config.max_side, config.max_frames)
    parts: list[Sightings] = []
    kept = 0
    while chunk := list(islice(pictures, CHUNK)):
        done = sum(map(len, parts))

        def pass_on(event: Event, done: int = done, size: int = len(chunk)) -> None:
            if isinstance(event, Advanced):
                context.advance(min((done + event.fraction * size) / total, 1.0))
            elif isinstance(event, Noted):
                context.listener(event)

        inner = Run(run.folder, dataclasses.replace(run.context, listener=pass_on))
        parts.append(inner(watch, Footage(torch.from_numpy(np.stack(chunk)), config.fps), config.perceive))
        kept += len(chunk) * inner.timings[-1].reused
        context.advance(min((done + len(chunk)) / total, 1.0))
    return _joined(parts), kept


def _joined(parts: list[Sightings]) -> Sightings:
    if not parts:
        raise NoPersonError("The film has no pictures.")
    tensors = {
        item.name: torch.cat([getattr(part, item.name) for part in parts])
        for item in dataclasses.fields(Sightings)
        if isinstance(getattr(parts[0], item.name), torch.Tensor)
    }
    return dataclasses.replace(parts[0], **tensors)
