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
from vivant.core.errors import BadInputError
from vivant.core.folders import results_folder
from vivant.core.progress import Listener, ignore
from vivant.core.run import Context, Run
from vivant.core.store import digest
from vivant.evaluate import Shown, mean_score, view_scores
from vivant.fit import FilmedFitConfig, StudioFitConfig, fit_filmed, fit_studio
from vivant.perceive import PerceiveConfig, read_photo
from vivant.perceive.captures import blindfold
from vivant.recipes.captured import is_film, look_at_film, look_at_folder
from vivant.recipes.provenance import package_versions
from vivant.recipes.table import build_signed, load_recipe
from vivant.reconstruct import (
    CAPTURE_REFIT,
    AlignConfig,
    ReconstructConfig,
    align_poses,
    reconstruct,
    views_from_capture,
    vouched,
    with_photo,
)
from vivant.records import (
    Avatar,
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
    film: FilmedFitConfig = field(default_factory=FilmedFitConfig)
    align: AlignConfig = field(default_factory=AlignConfig)
    refit: ReconstructConfig = CAPTURE_REFIT
    """Of a film these are the steps of all turns together."""

    film_turns: int = 3
    """How often splats are fitted to a film; after each turn the poses are aligned to its pictures. What is
    counted in steps, such as rounds of densifying, counts within a turn."""

    person: int | None = None
    """Of several people in the photo that an avatar is made of first, the one meant, counted from the left."""

    pictures: int = 48
    """Most pictures of a folder that are used; of more, so many are taken evenly."""

    film_pictures: int = 24
    """Most pictures of a film that are used, taken evenly."""

    hold_out: tuple[str, ...] = ()
    """Names of a folder's pictures that the avatar is not fitted to, only measured on."""

    film_held_out: int = 0
    """So many more pictures of a film, between the others, are only measured on. Their poses are found, too,
    for nobody knows them; the avatar learns nothing from them."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, pictures=(2, 1000), film_pictures=(2, 1000), film_held_out=(0, 1000))
        expect_within(self, film_turns=(1, 100))


@dataclass(frozen=True)
class Refit:
    """An avatar fitted to real pictures, and how well it shows them."""

    avatar: Avatar
    scores: Scores
    """PSNR and outline of each picture, before and after."""

    views: Views
    """The pictures, cut out; those held out come last."""

    names: tuple[str, ...]
    fitted: int
    """How many of them the avatar was fitted to; they come first."""

    before: Shown
    after: Shown
    """Of a film, each avatar in poses that were aligned to it."""


def refit(
    avatar: Avatar,
    capture: Path | str,
    config: CaptureConfig | None = None,
    *,
    seed: int = 0,
    keep: bool = True,
    listener: Listener = ignore,
) -> Refit:
    """Fit an avatar to a folder of calibrated pictures, or to a film (kinds: docs/reconstruct.md).

    Args:
        avatar: Where to start.
        capture: The folder, its cameras file, or the film.
        config: The defaults are what we recommend.
        seed: Of everything random.
        keep: Keep what each stage makes in the cache folder, so that the next run is quick.
        listener: Told about progress.

    Raises:
        VivantError: If the capture cannot be used; the message says why and what to do.
    """
    run = Run(results_folder() if keep else None, Context(seed=seed, listener=listener))
    return refit_in(run, avatar, Path(capture), config or CaptureConfig())


def avatar_of(run: Run, path: Path, person: int | None = None) -> tuple[Avatar, Person | None]:
    """Read an avatar, or make one of a photo; then the photo's person comes along.

    Args:
        run: Keeps what stages make.
        path: The avatar or the photo.
        person: Of several people in the photo, counted from the left.

    Raises:
        VivantError: If it is neither, or cannot be used.
    """
    if path.suffix.lower() == ".avatar" or path.is_dir() or not path.exists():
        return load_avatar(path), None
    with run.step("read_photo"):
        photo = read_photo(path)
    config = load_recipe("quick").Config()
    config = dataclasses.replace(config, perceive=dataclasses.replace(config.perceive, person=person))
    avatar = build_signed(run, "quick", photo, config)
    return avatar, run.latest(Person)


def refit_in(
    run: Run, avatar: Avatar, capture: Path, config: CaptureConfig, photo: Person | None = None
) -> Refit:
    """Fit an avatar to a capture within a run; a killed run goes on where it was.

    Raises:
        VivantError: If the capture cannot be used.
    """
    if is_film(capture):
        if config.hold_out:
            raise BadInputError(
                "Pictures of a film have no names; --hold-out is for folders of pictures. Give --film-held-out "
                "and how many."
            )
        looked = look_at_film(run, capture, config.perceive, config.film_pictures, config.film_held_out)
    else:
        looked = look_at_folder(run, capture, config.perceive, config.pictures, config.hold_out)
    names, persons = looked.names, looked.persons
    if looked.cameras is None:
        placed = run(fit_filmed, avatar, persons, config.film)
    else:
        # Pictures held out tell neither pose nor size of the world.
        telling = tuple(
            blindfold(p) if n in looked.held_out else p for n, p in zip(names, persons, strict=True)
        )
        placed = run(fit_studio, avatar, telling, looked.cameras, config.fit)
    _tell(run, placed, names)
    if photo is not None:
        placed, persons, names = with_photo(placed, avatar), (*persons, photo), (*names, PHOTO)
    return _fit(run, avatar, placed, persons, names, looked.held_out, config, capture)


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
    held_out: frozenset[str], config: CaptureConfig, capture: Path,
) -> Refit:  # fmt: skip
    """Move the splats, and measure before and after."""
    kept = [number for number, is_kept in enumerate(placed.kept.tolist()) if is_kept]
    fitted = tuple(number for number in kept if names[number] not in held_out)
    measured = (*fitted, *(number for number in kept if names[number] in held_out))
    given = placed
    if is_film(capture):
        better, placed = _fit_film(run, avatar, placed, persons, names, fitted, config, capture)
        # The avatar before is measured in poses that suit it, too: what better poses give is not the splats'.
        given = _aligned(run, avatar, given, persons, names, fitted, config)
    else:
        views = views_from_capture(persons, placed, fitted)
        better = _fit_splats(run, avatar, views, config.refit, (str(capture.resolve()), fitted))
    if config.refit.densify.mode == "off":
        better = run(vouched, avatar, better, views_from_capture(persons, placed, fitted))
    else:
        run.context.note("Splats were made or moved: trust and colours that no picture shows stay as they are.")
    with run.step("measure_capture"):
        shown_names = tuple(names[number] for number in measured)
        every = views_from_capture(persons, placed, measured)
        before = shown(avatar, views_from_capture(persons, given, measured))
        after = shown(better, every)
        scores = _scores(view_scores(every, shown_names, before, after), shown_names, held_out)
    count = sum(names[number] != PHOTO for number in fitted)
    better = _signed(better, avatar, config, count, capture)
    return Refit(better, scores, every, shown_names, len(fitted), before, after)


def _fit_film(
    run: Run, avatar: Avatar, placed: Placed, persons: tuple[Person, ...], names: tuple[str, ...],
    fitted: tuple[int, ...], config: CaptureConfig, capture: Path,
) -> tuple[Avatar, Placed]:  # fmt: skip
    """Fit splats to poses and poses to splats in turns."""
    given = placed.poses
    steps = max(1, round(config.refit.iterations / config.film_turns))
    better = avatar
    for turn in range(config.film_turns):
        views = views_from_capture(persons, placed, fitted)
        mine = f"{config.refit.checkpoint}.{turn + 1}" if config.refit.checkpoint else ""
        settings = dataclasses.replace(config.refit, iterations=steps, checkpoint=mine)
        better = _fit_splats(run, better, views, settings, (str(capture.resolve()), fitted, turn))
        placed = _aligned(run, better, placed, persons, names, fitted, config)
    index = list(_filmed(placed, names))
    moved = (placed.poses.root - given.root)[index].norm(dim=1)
    cosine = (placed.poses.local_quats * given.local_quats)[index].sum(-1).abs().clamp(max=1)
    most = torch.rad2deg(2 * cosine.acos()).amax(1).median()
    run.context.note(
        f"The poses found in {len(index)} pictures were aligned to them. In the middle one the body moved by "
        f"{100 * float(moved.median()):.1f} cm, and the joint that turned most by {float(most):.0f}°."
    )
    return better, placed


def _aligned(
    run: Run, avatar: Avatar, placed: Placed, persons: tuple[Person, ...], names: tuple[str, ...],
    fitted: tuple[int, ...], config: CaptureConfig,
) -> Placed:  # fmt: skip
    """Align a film's poses to an avatar.

    Those of pictures held out come after the others and may begin from theirs; no other learns from them.
    """
    filmed = _filmed(placed, names)
    learning = tuple(n for n in filmed if n in fitted)
    placed = _with_poses(placed, learning, run(
        align_poses, avatar, views_from_capture(persons, placed, learning), config.align
    ))  # fmt: skip
    if len(learning) == len(filmed):
        return placed
    still = tuple(place for place, n in enumerate(filmed) if n in fitted)
    views = views_from_capture(persons, placed, filmed)
    return _with_poses(placed, filmed, run(align_poses, avatar, views, config.align, still))


def _with_poses(placed: Placed, numbers: tuple[int, ...], poses: Pose) -> Placed:
    quats, root = placed.poses.local_quats.clone(), placed.poses.root.clone()
    quats[list(numbers)], root[list(numbers)] = poses.local_quats, poses.root
    return dataclasses.replace(placed, poses=Pose(quats, root))


def _filmed(placed: Placed, names: tuple[str, ...]) -> tuple[int, ...]:
    """Pictures of a film. The photo is none: its pose was fitted with care, and it is nobody's neighbour."""
    return tuple(n for n, kept in enumerate(placed.kept.tolist()) if kept and names[n] != PHOTO)


def _fit_splats(
    run: Run, avatar: Avatar, views: Views, config: ReconstructConfig, told: tuple[object, ...]
) -> Avatar:
    """Fit splats; `told` names the fit among others, so that its state on the way is found again."""
    settings = _resumable(run, config, told)
    better = run(reconstruct, avatar, views, settings)
    if settings.checkpoint and not config.checkpoint:
        Path(settings.checkpoint).unlink(missing_ok=True)
    return better


def _resumable(run: Run, config: ReconstructConfig, told: tuple[object, ...]) -> ReconstructConfig:
    """Keep the state of a fit on the way beside the results of stages, if the user names no file for it."""
    if config.checkpoint or run.folder is None:
        return config
    name = digest([*told, config, run.context.seed])[:16]
    return dataclasses.replace(config, checkpoint=str(run.folder / f"unfinished-{name}.safetensors"))


def shown(avatar: Avatar, views: Views) -> Shown:
    """Draw an avatar as each view sees it."""
    colors, alphas = [], []
    for view in range(len(views.images)):
        splats = pose_avatar(avatar, Pose(views.poses.local_quats[view], views.poses.root[view]))
        drawn = rasterize(splats, views.cameras[view], background=torch.ones(3), normals=False)
        colors.append(drawn.color[0].clamp(0, 1))
        alphas.append(drawn.alpha[0].clamp(0, 1))
    return Shown(torch.stack(colors), torch.stack(alphas))


def _scores(per_view: tuple[Score, ...], names: tuple[str, ...], held_out: frozenset[str]) -> Scores:
    summary = []
    groups = {
        "fitted": tuple(name for name in names if name not in held_out),
        "held out": tuple(name for name in names if name in held_out),
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
