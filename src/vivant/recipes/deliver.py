"""From an avatar to the files a user gets: the avatar, a preview that moves, a report."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate import Shot, builtin_motion, pose_avatar, showreel
from vivant.core import store
from vivant.core.images import write_animation
from vivant.core.run import Run
from vivant.core.video import write_mp4
from vivant.evaluate import Panel, Report, compare_with_photo, write_page
from vivant.fit import fit_quality
from vivant.perceive import read_photo
from vivant.recipes.pictures import report_sections
from vivant.recipes.table import build_signed, load_recipe
from vivant.records import Avatar, Body, Person, Photo, Scores, Views, save_avatar
from vivant.splat import rasterize

PREVIEW = Shot(width=456, height=608, elevation=6.0)

PREVIEW_FPS = 12.5
"""A whole number of hundredths of a second a frame, which is what animations keep."""

PREVIEW_TURN = 36
"""Frames of the turn that the preview begins with."""


FILM_FPS = 10.0
FILM_SIDE = 512
"""Of films of imagined views, pixels."""


@dataclass(frozen=True)
class Files:
    """The three files of one photo."""

    avatar: Path
    preview: Path
    report: Path

    @classmethod
    def named(cls, folder: Path, stem: str) -> "Files":
        """Name them after the photo."""
        return cls(*(folder / f"{stem}{end}" for end in (".avatar", ".preview.webp", ".report.html")))

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """All three."""
        return self.avatar, self.preview, self.report


def build_and_deliver(run: Run, photo_path: Path, recipe: str, config: Any, files: Files) -> Avatar:
    """Make an avatar from a photo and write all three files, or none.

    Raises:
        VivantError: If the photo cannot be used, or a file cannot be written.
    """
    with run.step("read_photo"):
        photo = read_photo(photo_path)
    avatar = build_signed(run, recipe, photo, config)
    with ExitStack() as stack:
        # All three take their real names together, at the end: an error on the way leaves what was there.
        parts = Files(*(stack.enter_context(store.writing(path)) for path in files.paths))
        with run.step("film_preview") as context:
            motion = builtin_motion("wave", avatar.rig, fps=PREVIEW_FPS)
            frames = showreel(avatar, motion, PREVIEW_TURN, PREVIEW)
            total = PREVIEW_TURN + len(motion)
            write_animation(_watched(frames, total, context.advance), parts.preview, PREVIEW_FPS, quality=72)
        with run.step("write_report"):
            parts.report.write_text(_page(run, photo, avatar, parts.preview.read_bytes()), encoding="utf-8")
            save_avatar(avatar, parts.avatar)
        for ending, views in films(run, recipe, config):
            path = files.avatar.with_name(files.avatar.stem + ending)
            with run.step("write_film"):
                write_mp4(_frames_of(views), stack.enter_context(store.writing(path)), FILM_FPS)
    return avatar


def film_paths(recipe: str, config: Any, files: Files) -> tuple[Path, ...]:
    """Where the films of a recipe are written, if it makes any."""
    named = getattr(load_recipe(recipe), "film_endings", None)
    endings = named(config) if named else ()
    return tuple(files.avatar.with_name(files.avatar.stem + ending) for ending in endings)


def films(run: Run, recipe: str, config: Any) -> Iterator[tuple[str, Views]]:
    """The imagined views that a recipe counts as films, by what their files' names end with."""
    named = getattr(load_recipe(recipe), "film_endings", None)
    if named and named(config):
        yield from zip(named(config), run.every(Views), strict=True)


def _frames_of(views: Views) -> Iterator[Float[Tensor, "height width 4"]]:
    """Straight colours with alpha, enlarged to a size that can be watched."""
    pictures = torch.cat([views.images, views.alphas[..., None]], dim=-1).permute(0, 3, 1, 2)
    scale = max(FILM_SIDE // pictures.shape[-1], 1)
    for picture in pictures:
        large = torch.nn.functional.interpolate(picture[None], scale_factor=scale, mode="bicubic")[0]
        yield large.clamp(0, 1).permute(1, 2, 0)


def _watched(
    frames: Iterator[Float[Tensor, "height width 4"]], total: int, advance: Callable[[float], None]
) -> Iterator[Float[Tensor, "height width 3"]]:
    """Pass frames on, without the alpha that the studio fills anyway, and tell how far the film is."""
    for index, frame in enumerate(frames):
        yield frame[..., :3]
        advance((index + 1) / total)


def _page(run: Run, photo: Photo, avatar: Avatar, preview: bytes) -> str:
    person, body = run.latest(Person), run.latest(Body)
    rendering, scores = None, Scores((), (), ())
    if person is not None:
        rendering = rasterize(pose_avatar(avatar, avatar.photo_pose), avatar.photo_camera, normals=False)
        scores = compare_with_photo(avatar, person, rendering)
        if body is not None:
            scores = Scores((*scores.per_view, *fit_quality(person, body)), scores.summary, scores.verdict)
    shown = Panel("all round, then a wave", preview, "webp", (PREVIEW.width, PREVIEW.height))
    return write_page(
        Report(
            title=photo.name,
            sections=report_sections(photo, avatar, person, body, rendering, shown, run.every(Views)),
            scores=scores,
            parts=_parts(person),
            notes=avatar.origin.notes,
            timings=tuple(
                (t.stage.replace("_", " "), "kept from before" if t.reused else f"{t.seconds:.1f} s")
                for t in run.timings
            ),
            origin=avatar.origin,
        )
    )


def _parts(person: Person | None) -> tuple[tuple[str, bool], ...]:
    if person is None or not person.visible_parts:
        return ()
    return tuple((part, part in person.visible_parts) for part in PARTS)


PARTS = (
    "head", "torso", "left_arm", "right_arm", "left_hand", "right_hand", "left_leg", "right_leg", "left_foot",
    "right_foot",
)  # fmt: skip
"""What `Person.visible_parts` can name."""
