"""What imagined views are worth: `refine` and `gas` beside `quick` on people with known truth.

    python benchmarks/bench_imagined.py ../shared/data [--people 4] [--only refine] [--out FOLDER]

The person, the body and the coarse avatar are made once and shared. Prints a Markdown table: PSNR, SSIM and
FLIP of the sides and the back in one new pose, which is given, so that colours count and not how well the body
was found (box round both masks, aligned). Each is minus that of `quick` over the same people, with its 95 %
interval; then the front's PSNR likewise, and the seconds of what `quick` does without (where no stage of it was
shared with an earlier row). Also with parts left out. `--out` gets the pictures: truth, quick, variant.

A second table tells each variant by azimuth, and of the imagined views themselves: how much neighbours differ
(each warped onto the next by the avatar's depth; mean square, 1e-3), and how far the points that a detector
finds in four views lie from the pose that was told (% of the person's height).
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vivant.animate import pose_avatar
from vivant.core.cameras import Cameras
from vivant.core.errors import NoPersonError
from vivant.core.images import write_image
from vivant.core.run import Context, Run
from vivant.dataset.contenders import Splatted
from vivant.dataset.samples import PeopleConfig
from vivant.dataset.trial import Measured, Subject, measure_subject, subjects, write_photo
from vivant.evaluate import Row, flicker
from vivant.evaluate.benchmark import Interval, bootstrap
from vivant.fit import fit_quality
from vivant.imagine import MEAN_ESTIMATE, GenerateConfig, SamplerConfig
from vivant.imagine.plan import azimuths_from_front
from vivant.imagine.told import place_in_photo
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.recipes import load_recipe
from vivant.records import Avatar, Body, Person, Photo, Rendering, Views
from vivant.splat import rasterize

AWAY = ("left", "right", "back")
ADDED = ("stand_off", "shade", "imagine_views", "reshape", "recolor")
"""Stages that `quick` does without."""

STRENGTHS = (0.1, 0.4, 0.6, 0.8, 1.0)
"""Beside the recipe's own."""

SHOWN_DEG = (-80.0, -40.0, 40.0, 80.0)
"""From the front: where a detector is asked what it sees."""

GREY, ENLARGED = 0.6, 2
"""Behind the person, and how many times larger: views are small."""


@dataclass(frozen=True)
class Variant:
    """One recipe with one config."""

    name: str
    recipe: str
    config: Any


def variants() -> Iterator[Variant]:
    """The sweep of the strength, then both recipes without parts."""
    refine, gas = load_recipe("refine").Config(), load_recipe("gas").Config()

    def refined(**changed: Any) -> Any:
        return replace(refine, imagine=replace(refine.imagine, **changed))

    def imagined(**changed: Any) -> Any:
        return replace(gas, views=replace(gas.views, **changed))

    no_light = replace(refine.shade, amount=0.0)
    no_depth, no_outlines = replace(refine.stand_off, amount=0.0), replace(refine.reshape, rounds=0)
    yield Variant("refine", "refine", refine)
    yield Variant("refine, no learned depth", "refine", replace(refine, stand_off=no_depth))
    yield Variant("refine, no learned light", "refine", replace(refine, shade=no_light))
    yield Variant("refine, no imagined outlines", "refine", replace(refine, reshape=no_outlines))
    colors = replace(refine, stand_off=no_depth, shade=no_light, reshape=no_outlines)
    yield Variant("refine, imagined colours only", "refine", colors)
    yield Variant("refine, nothing imagined", "refine", refined(trust=0.0))
    yield Variant("refine, mean of all views in one step", "refine", refined(generate=MEAN_ESTIMATE))
    for strength in STRENGTHS:
        sampler = SamplerConfig(strength=strength)
        yield Variant(f"refine, strength {strength}", "refine", refined(generate=GenerateConfig(sampler)))
    yield Variant("refine, photo not told", "refine", refined(leave_out=("reference",)))
    yield Variant("gas", "gas", gas)
    yield Variant("gas, guides by the lifter", "gas", imagined(guide="lifter"))
    yield Variant("gas, guides by the NeRF", "gas", imagined(guide="nerf"))
    yield Variant("gas, normals only", "gas", imagined(guide="normals"))
    yield Variant("gas, no switcher", "gas", imagined(leave_out=("task",)))
    yield Variant("gas, triangular guidance 2", "gas", imagined(guidance_back=2.0))
    yield Variant("gas, fixed guidance 2", "gas", imagined(guidance="fixed", guidance_back=2.0))
    drawn = imagined(guidance_back=2.0, generate=GenerateConfig())
    yield Variant("gas, triangular guidance 2, 15 steps", "gas", drawn)


def main() -> None:
    """Measure everybody in every way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with people/ and makehuman/")
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--only", default="", help="variants whose names begin so, or several with | between")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    config = PeopleConfig(told.data / "people", told.data / "makehuman", split="validation")
    chosen = [variant for variant in variants() if variant.name.startswith(tuple(told.only.split("|")))]
    quick = Variant("quick", "quick", load_recipe("quick").Config())
    found: dict[str, dict[str, Made]] = {v.name: {} for v in (quick, *chosen)}
    with tempfile.TemporaryDirectory() as kept:
        for subject in subjects(config, told.people):
            for variant in (quick, *chosen):
                made = measured(replace(subject, others=subject.others[:1]), variant, Path(kept))
                found[variant.name][subject.name] = made
                print(f"{subject.name}, {variant.name}", flush=True)
                if told.out is not None:
                    show(found, subject.name, variant, told.out)
    print("| variant | sides and back: PSNR, dB | SSIM | FLIP | front: PSNR, dB | more than quick, s |")
    print("|---|---|---|---|---|---|")
    for name in found:
        print(line(name, found))
    print("\n| variant | front: PSNR, dB | sides | back | neighbours differ | pose, % |")
    print("|---|---|---|---|---|---|")
    for name in found:
        print(second_line(name, found))


@dataclass(frozen=True)
class Made:
    """One avatar, measured."""

    scores: Measured
    seconds: float
    """Of what `quick` does without; NaN if some of it had been done before."""

    views: dict[str, float]
    """How the imagined views do."""


def measured(subject: Subject, variant: Variant, kept: Path) -> Made:
    """Make one avatar and measure it."""
    run = Run(kept / "results", Context())
    photo = read_photo(write_photo(subject.photo, kept, subject.name))
    avatar = load_recipe(variant.recipe).build(run, photo, variant.config)
    person = run.latest(Person)
    assert person is not None
    added = [timing for timing in run.timings if timing.stage in ADDED]
    seconds = math.nan if any(t.reused for t in added) else sum(t.seconds for t in added)
    scores = measure_subject(Context(), subject, Splatted(avatar, person.photo_from_image))
    views = run.latest(Views)
    return Made(scores, seconds, {} if views is None else judged(views, avatar))


def judged(views: Views, avatar: Avatar) -> dict[str, float]:
    """Whether imagined views agree with each other, and with the pose they were told."""
    splats = pose_avatar(avatar, avatar.photo_pose)
    drawn = rasterize(splats, views.cameras)
    color = views.images * views.alphas[..., None]
    turn = Rendering(color, views.alphas, drawn.depth / drawn.alpha.clamp(min=1e-6), drawn.normal)
    place = place_in_photo(avatar)
    azimuths = azimuths_from_front(views.cameras, place.middle, place.front_deg)
    errors = []
    for wanted in SHOWN_DEG:
        away = (azimuths - wanted + 180).remainder(360) - 180
        errors.append(pose_error(views, int(away.abs().argmin()), avatar))
    told = [error for error in errors if not math.isnan(error)]
    return {
        "consistency": flicker(turn, views.cameras),
        "pose": math.fsum(told) / len(told) if told else math.nan,
    }


def pose_error(views: Views, view: int, avatar: Avatar) -> float:
    """Of one view, in percent of the person's height; NaN if the detector finds nobody."""
    alpha = views.alphas[view][..., None]
    picture = torch.nn.functional.interpolate(
        (views.images[view] * alpha + GREY * (1 - alpha)).permute(2, 0, 1)[None],
        scale_factor=ENLARGED,
        mode="bilinear",
    )[0].permute(1, 2, 0)
    height, width = picture.shape[:2]
    photo = Photo(picture.clamp(0, 1), None, None, f"view {view}", "view", (width, height))
    try:
        person = Run(None, Context())(perceive, photo, PerceiveConfig())
    except NoPersonError:
        return math.nan
    camera = views.cameras[view].resized(width, height)
    height, width = person.alpha.shape
    seen = Cameras(camera.cam_from_world, person.photo_from_image.inverse() @ camera.intrinsics, width, height)
    found = fit_quality(person, Body(avatar.rig, avatar.photo_pose, seen, avatar.shape))
    return next((score.value for score in found if score.name == "reprojection"), math.nan)


def second_line(name: str, found: dict[str, dict[str, Made]]) -> str:
    """A row of the second table."""
    cells = []
    for views in (("front",), ("left", "right"), ("back",)):
        differences = {}
        for person, made in found[name].items():
            base = 0.0 if name == "quick" else mean(found["quick"][person].scores.rows, views, "psnr")
            differences[person] = [mean(made.scores.rows, views, "psnr") - base]
        cells.append(told(bootstrap(differences), "psnr", signed=name != "quick"))
    for what in ("consistency", "pose"):
        values = {p: [made.views[what]] for p, made in found[name].items() if what in made.views}
        values = {person: value for person, value in values.items() if not math.isnan(value[0])}
        cells.append(told(bootstrap(values), "psnr", signed=False) if values else "")
    return f"| {name} | {' | '.join(cells)} |"


def line(name: str, found: dict[str, dict[str, Made]]) -> str:
    """A row of the table: `quick` as it is, all others as differences from it."""
    cells = []
    for views, metric in ((AWAY, "psnr"), (AWAY, "ssim"), (AWAY, "flip"), (("front",), "psnr")):
        differences = {}
        for person, made in found[name].items():
            value = mean(made.scores.rows, views, metric)
            base = 0.0 if name == "quick" else mean(found["quick"][person].scores.rows, views, metric)
            differences[person] = [value - base]
        cells.append(told(bootstrap(differences), metric, signed=name != "quick"))
    seconds = sum(made.seconds for made in found[name].values()) / len(found[name])
    return f"| {name} | {' | '.join(cells)} | {'' if math.isnan(seconds) else f'{seconds:.0f}'} |"


def mean(rows: tuple[Row, ...], views: tuple[str, ...], metric: str) -> float:
    """Mean of one aligned score over some views."""
    values = [
        row.value
        for row in rows
        if row.pose != "photo"
        and row.view in views
        and (row.region, row.metric, row.aligned) == ("crop", metric, True)
    ]
    assert values, f"no {metric} for {views}"
    return math.fsum(values) / len(values)


def told(interval: Interval, metric: str, *, signed: bool) -> str:
    """A mean with its interval."""
    digits = 2 if metric == "psnr" else 4
    sign = "+" if signed else ""
    return (
        f"{interval.mean:{sign}.{digits}f} [{interval.low:{sign}.{digits}f}, {interval.high:{sign}.{digits}f}]"
    )


def show(found: dict[str, dict[str, Made]], person: str, variant: Variant, folder: Path) -> None:
    """Truth, quick and variant from four sides."""
    rows = []
    quick, own = found["quick"][person].scores.sights, found[variant.name][person].scores.sights
    for view in ("front", *AWAY):
        a = next(s for s in quick if s.view == view and s.pose != "photo")
        b = next(s for s in own if s.view == view and s.pose != "photo")
        rows.append(torch.cat([a.truth, a.ours, b.ours], dim=0))
    folder.mkdir(parents=True, exist_ok=True)
    name = variant.name.replace(", ", "-").replace(" ", "-")
    write_image(torch.cat(rows, dim=1).clamp(0, 1), folder / f"{person}-{name}.png")


if __name__ == "__main__":
    main()
