"""The part of `vivant evaluate` that measures recipes on photographs, whose truth nobody knows."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from vivant.cli import terminal

if TYPE_CHECKING:
    from vivant.core.run import Context, Run
    from vivant.evaluate import Benchmark, Case, Row
    from vivant.records import Avatar, Body, Person

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

TURN_VIEWS = 36
TURN_SIZE = 256
"""Pixels a side."""


def photos_in(folder: Path) -> list[Path]:
    """Give the pictures of a folder.

    Raises:
        BadInputError: If there are none.
    """
    from vivant.core.errors import BadInputError

    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not found:
        raise BadInputError(f"{folder} holds no photos ({', '.join(SUFFIXES)}); name a folder with --photos.")
    return found


def measure_photos(
    context: "Context", folder: Path, recipe: str, facts: tuple[tuple[str, str], ...]
) -> "tuple[Benchmark, tuple[Case, ...]]":
    """Run a recipe on every photo of a folder, and compare each avatar with its photo and with itself.

    Raises:
        BadInputError: If there are no photos.
    """
    from dataclasses import replace

    from vivant.core.errors import VivantError
    from vivant.core.progress import ignore
    from vivant.core.run import Run
    from vivant.evaluate import Benchmark, Case
    from vivant.perceive import read_photo
    from vivant.recipes import load_recipe
    from vivant.recipes.table import build_signed

    rows: list[Row] = []
    cases: list[Case] = []
    failures: list[tuple[str, str]] = []
    timings: list[tuple[str, str, float]] = []
    paths = photos_in(folder)
    for number, path in enumerate(paths):
        run = Run(context=replace(context, listener=ignore))
        try:
            avatar = build_signed(run, recipe, read_photo(path), load_recipe(recipe).Config())
            found, case = measured(path.name, run, avatar)
        except VivantError as error:
            failures.append((path.name, str(error)))
        else:
            rows += found
            cases.append(case)
            timings += [(path.name, timing.stage, timing.seconds) for timing in run.timings]
        context.advance((number + 1) / len(paths), path.name)
    peak = terminal.peak_memory()
    told = (("photos", str(len(paths))), ("most memory", f"{peak / 1e9:.2f} GB" if peak else "unknown"), *facts)
    measures = {row.person: row.value for row in rows if row.metric == "photo_psnr"}
    cases.sort(key=lambda case: measures[case.person])
    return Benchmark(recipe, tuple(rows), tuple(failures), tuple(timings), told), tuple(cases)


def measured(name: str, run: "Run", avatar: "Avatar") -> "tuple[tuple[Row, ...], Case]":
    """Give an avatar's scores and pictures."""
    import torch

    from vivant.animate import pose_avatar
    from vivant.core.cameras import orbit
    from vivant.core.images import encode_image
    from vivant.evaluate import Case, flip, on_white, photograph_rows
    from vivant.records import Body, Person
    from vivant.splat import rasterize

    person, body = run.latest(Person), run.latest(Body)
    assert person is not None and body is not None, "a recipe finds a person and fits a body"
    splats = pose_avatar(avatar, avatar.photo_pose)
    drawn = rasterize(splats, avatar.photo_camera)
    low, high = splats.means.amin(0), splats.means.amax(0)
    azimuths = [360 * step / TURN_VIEWS for step in range(TURN_VIEWS)]
    extent = float((high - low).max())
    cameras = orbit((low + high) / 2, azimuths, extent=extent, width=TURN_SIZE, height=TURN_SIZE, fill=0.85)
    turn = rasterize(splats, cameras)
    rows = photograph_rows(name, person, drawn, turn, cameras, _reprojection(person, body))
    photo = person.foreground * person.alpha[..., None] + (1 - person.alpha[..., None])
    ours = on_white(drawn).color
    error = flip(photo, ours)[..., None].expand(-1, -1, 3)
    around = [on_white(turn, view).color for view in range(0, TURN_VIEWS, TURN_VIEWS // 4)]
    shown = [
        ("the photo, cut out", photo),
        ("photo, ours, error", torch.cat([photo, ours, error], 1)),
        ("from 0°, 90°, 180°, 270°", torch.cat(around, 1)),
    ]
    pictures = tuple((caption, encode_image(image.clamp(0, 1), "jpeg", 85)) for caption, image in shown)
    return rows, Case(name, f"PSNR in the mask {rows[0].value:.2f} dB", pictures)


def _reprojection(person: "Person", body: "Body") -> float:
    from vivant.fit import fit_quality

    found = [score.value for score in fit_quality(person, body) if score.name == "reprojection"]
    return found[0] if found else math.nan
