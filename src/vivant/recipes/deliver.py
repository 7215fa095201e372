"""From an avatar to the files a user gets: the avatar, a preview that moves, a report."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from vivant.animate import Shot, builtin_motion, pose_avatar, showreel
from vivant.core import store
from vivant.core.images import write_animation
from vivant.core.run import Run
from vivant.evaluate import Panel, Report, compare_with_photo, write_page
from vivant.fit import fit_quality
from vivant.perceive import read_photo
from vivant.recipes.pictures import report_sections
from vivant.recipes.table import build_signed
from vivant.records import Avatar, Body, Person, Photo, Scores, save_avatar
from vivant.splat import rasterize

PREVIEW = Shot(width=456, height=608, elevation=6.0)

PREVIEW_FPS = 12.5
"""A whole number of hundredths of a second a frame, which is what animations keep."""

PREVIEW_TURN = 36
"""Frames of the turn that the preview begins with."""


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
    return avatar


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
            sections=report_sections(photo, avatar, person, body, rendering, shown),
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
