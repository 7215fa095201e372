"""Capture: an avatar is fitted again, to real pictures of the person from several sides.

After ExAvatar (arXiv 2407.21686) in outline: pose and cameras come first, then the splats bound to the body are
optimised against all pictures at once. The avatar's own body and splats are the start, so few pictures suffice.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from vivant.animate import pose_avatar
from vivant.core.checks import expect_within
from vivant.core.errors import BadInputError, ManyPersonsError, NoPersonError
from vivant.core.folders import results_folder
from vivant.core.progress import Listener, ignore
from vivant.core.run import Context, Run
from vivant.evaluate import Shown, mean_score, view_scores
from vivant.fit import StudioFitConfig, fit_studio
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.perceive.captures import blindfold, cut_by_mask, read_capture, read_picture_of
from vivant.recipes.provenance import package_versions
from vivant.recipes.table import build_signed, load_recipe
from vivant.reconstruct import (
    CAPTURE_REFIT,
    ReconstructConfig,
    reconstruct,
    views_from_capture,
    vouched,
    with_photo,
)
from vivant.records import (
    Avatar,
    Cameras,
    CapturePicture,
    Person,
    Placed,
    Pose,
    Score,
    Scores,
    Views,
    load_avatar,
)
from vivant.splat import rasterize

PHOTO = "the photo"
"""How the photo is called among the pictures."""


@dataclass(frozen=True)
class CaptureConfig:
    """How an avatar is fitted to a capture."""

    perceive: PerceiveConfig = field(default_factory=lambda: PerceiveConfig(max_height=1024))
    fit: StudioFitConfig = field(default_factory=StudioFitConfig)
    refit: ReconstructConfig = CAPTURE_REFIT

    pictures: int = 48
    """Most pictures that are used; of more, so many are taken evenly."""

    hold_out: tuple[str, ...] = ()
    """Names of pictures that the avatar is not fitted to, only measured on."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, pictures=(2, 1000))


@dataclass(frozen=True)
class Refit:
    """An avatar fitted to real pictures, and how well it shows them."""

    avatar: Avatar
    scores: Scores
    """PSNR and outline of each picture, before and after."""

    views: Views
    """The pictures, cut out; those held out come last."""

    names: tuple[str, ...]
    before: Shown
    after: Shown


def refit(
    avatar: Avatar,
    capture: Path | str,
    config: CaptureConfig | None = None,
    *,
    seed: int = 0,
    keep: bool = True,
    listener: Listener = ignore,
) -> Refit:
    """Fit an avatar to a folder of calibrated pictures (docs/reconstruct.md tells of which kinds).

    Args:
        avatar: Where to start.
        capture: The folder, or its cameras file.
        config: The defaults are what we recommend.
        seed: Of everything random.
        keep: Keep what each stage makes in the cache folder, so that the next run is quick.
        listener: Told about progress.

    Raises:
        VivantError: If the capture cannot be used; the message says why and what to do.
    """
    run = Run(results_folder() if keep else None, Context(seed=seed, listener=listener))
    return refit_in(run, avatar, Path(capture), config or CaptureConfig())


def avatar_of(run: Run, path: Path) -> tuple[Avatar, Person | None]:
    """Read an avatar, or make one of a photo; then the photo's person comes along.

    Raises:
        VivantError: If it is neither, or cannot be used.
    """
    if path.suffix.lower() == ".avatar" or path.is_dir() or not path.exists():
        return load_avatar(path), None
    with run.step("read_photo"):
        photo = read_photo(path)
    avatar = build_signed(run, "quick", photo, load_recipe("quick").Config())
    return avatar, run.latest(Person)


def refit_in(
    run: Run, avatar: Avatar, capture: Path, config: CaptureConfig, photo: Person | None = None
) -> Refit:
    """Fit an avatar to a capture within a run; a killed run goes on where it was.

    Raises:
        VivantError: If the capture cannot be used.
    """
    with run.step("read_capture"):
        pictures = _chosen(run, read_capture(capture), config)
    _expect_held_out(pictures, config)
    names, persons, cameras = _look(run, pictures, config)
    blind = tuple(
        blindfold(person) if name in config.hold_out else person
        for name, person in zip(names, persons, strict=True)
    )
    placed = run(fit_studio, avatar, blind, cameras, config.fit)
    _tell(run, placed, names)
    if photo is not None:
        placed, persons, names = with_photo(placed, avatar), (*persons, photo), (*names, PHOTO)
    return _fit(run, avatar, placed, persons, names, config, capture)


def _chosen(
    run: Run, pictures: tuple[CapturePicture, ...], config: CaptureConfig
) -> tuple[CapturePicture, ...]:
    """Of many pictures some, evenly."""
    if len(pictures) <= config.pictures:
        return pictures
    run.context.note(f"Of {len(pictures)} pictures {config.pictures} are used, evenly; --pictures takes more.")
    step = len(pictures) / config.pictures
    return tuple(pictures[int(number * step)] for number in range(config.pictures))


def _expect_held_out(pictures: tuple[CapturePicture, ...], config: CaptureConfig) -> None:
    strange = sorted(set(config.hold_out) - {picture.name for picture in pictures})
    if strange:
        raise BadInputError(
            f"{strange[0]} is to be held out, but the capture has no picture of that name. Its first is "
            f"{pictures[0].name}."
        )


def _look(
    run: Run, pictures: tuple[CapturePicture, ...], config: CaptureConfig
) -> tuple[tuple[str, ...], tuple[Person, ...], tuple[Cameras, ...]]:
    """Find the person in each picture; those that show nobody are left out and told."""
    names, persons, cameras = [], [], []
    reasons: list[str] = []
    with run.step("look_at_capture") as context:
        # What cannot be seen in one picture, another shows: their notes are not told.
        inner = Run(run.folder, dataclasses.replace(run.context, listener=ignore))
        for number, picture in enumerate(pictures):
            photo, camera = read_picture_of(picture)
            try:
                person = inner(perceive, photo, config.perceive)
            except (NoPersonError, ManyPersonsError) as error:
                if photo.alpha is None:
                    reasons.append(f"{picture.name} is left out. {error}")
                    continue
                person = cut_by_mask(photo, config.perceive)
            names.append(picture.name)
            persons.append(person)
            cameras.append(camera)
            context.advance((number + 1) / len(pictures))
    for reason in reasons[:5]:
        run.context.note(reason)
    if not persons:
        raise NoPersonError(f"None of the {len(pictures)} pictures shows the person. The first: {reasons[0]}")
    return tuple(names), tuple(persons), tuple(cameras)


def _tell(run: Run, placed: Placed, names: tuple[str, ...]) -> None:
    for note in placed.notes:
        run.context.note(note)
    for name, kept, error in zip(names, placed.kept.tolist(), placed.error.tolist(), strict=True):
        if not kept:
            run.context.note(
                f"{name} is left out: the body's points lie {error:.1f} % of a stature off. Its camera is "
                "wrong, or the person moved."
            )


def _fit(
    run: Run, avatar: Avatar, placed: Placed, persons: tuple[Person, ...], names: tuple[str, ...],
    config: CaptureConfig, capture: Path,
) -> Refit:  # fmt: skip
    """Move the splats, and measure before and after."""
    kept = [number for number, is_kept in enumerate(placed.kept.tolist()) if is_kept]
    fitted = tuple(number for number in kept if names[number] not in config.hold_out)
    measured = (*fitted, *(number for number in kept if names[number] in config.hold_out))
    views = views_from_capture(persons, placed, fitted)
    better = run(vouched, run(reconstruct, avatar, views, config.refit), views)
    with run.step("measure_capture"):
        shown_names = tuple(names[number] for number in measured)
        every = views_from_capture(persons, placed, measured)
        before, after = shown(avatar, every), shown(better, every)
        scores = _scores(view_scores(every, shown_names, before, after), shown_names, config)
    better = _signed(better, avatar, config, len(fitted), capture)
    return Refit(better, scores, every, shown_names, before, after)


def shown(avatar: Avatar, views: Views) -> Shown:
    """Draw an avatar as each view sees it."""
    colors, alphas = [], []
    for view in range(len(views.images)):
        splats = pose_avatar(avatar, Pose(views.poses.local_quats[view], views.poses.root[view]))
        drawn = rasterize(splats, views.cameras[view], background=torch.ones(3), normals=False)
        colors.append(drawn.color[0].clamp(0, 1))
        alphas.append(drawn.alpha[0].clamp(0, 1))
    return Shown(torch.stack(colors), torch.stack(alphas))


def _scores(per_view: tuple[Score, ...], names: tuple[str, ...], config: CaptureConfig) -> Scores:
    summary = []
    groups = {
        "fitted": tuple(name for name in names if name not in config.hold_out),
        "held out": tuple(name for name in names if name in config.hold_out),
    }
    for group, members in groups.items():
        for when in ("before", "after"):
            if members:
                value = mean_score(per_view, f"PSNR {when}", members)
                told = f"Mean over {len(members)} pictures ({group}), inside the mask, on white."
                summary.append(Score(f"PSNR {when}, {group}", value, "dB", told))
    return Scores(per_view, tuple(summary), ())


def _signed(better: Avatar, avatar: Avatar, config: CaptureConfig, count: int, capture: Path) -> Avatar:
    """Write into an avatar that it was fitted again, beside where it came from."""
    told = {"before": json.loads(avatar.origin.config or "{}"), "capture": dataclasses.asdict(config)}
    origin = dataclasses.replace(
        avatar.origin,
        recipe=f"{avatar.origin.recipe} + capture",
        config=json.dumps(told, sort_keys=True, default=str),
        versions=package_versions(),
        notes=(*avatar.origin.notes, f"Fitted again to {count} pictures of {capture.name}."),
    )
    return dataclasses.replace(better, origin=origin)
