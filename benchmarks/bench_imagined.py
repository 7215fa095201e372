"""What imagined views are worth: `refine` and `gas` beside `quick` on people with known truth.

    python benchmarks/bench_imagined.py ../shared/data [--people 4] [--only refine] [--out FOLDER]

The person, the body and the coarse avatar are made once and shared. Prints a Markdown table: PSNR, SSIM and
FLIP of the sides and the back in one new pose, which is given, so that colours count and not how well the body
was found (box round both masks, aligned). Each is minus that of `quick` over the same people, with its 95 %
interval; then the front's PSNR likewise, and the seconds of what `quick` does without (where no stage of it was
shared with an earlier row). Also with parts left out. `--out` gets the pictures: truth, quick, variant.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vivant.core.images import write_image
from vivant.core.run import Context, Run
from vivant.dataset.contenders import Splatted
from vivant.dataset.samples import PeopleConfig
from vivant.dataset.trial import Measured, Subject, measure_subject, subjects, write_photo
from vivant.evaluate import Row
from vivant.evaluate.benchmark import Interval, bootstrap
from vivant.imagine import MEAN_ESTIMATE, GenerateConfig, SamplerConfig
from vivant.perceive import read_photo
from vivant.recipes import load_recipe
from vivant.records import Person

AWAY = ("left", "right", "back")
ADDED = ("stand_off", "shade", "imagine_views", "reshape", "recolor")
"""Stages that `quick` does without."""

STRENGTHS = (0.1, 0.4, 0.6, 0.8, 1.0)
"""Beside the recipe's own."""


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
    found: dict[str, dict[str, tuple[Measured, float]]] = {v.name: {} for v in (quick, *chosen)}
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


def measured(subject: Subject, variant: Variant, kept: Path) -> tuple[Measured, float]:
    """One avatar's scores, and the seconds of what `quick` does without."""
    run = Run(kept / "results", Context())
    photo = read_photo(write_photo(subject.photo, kept, subject.name))
    avatar = load_recipe(variant.recipe).build(run, photo, variant.config)
    person = run.latest(Person)
    assert person is not None
    added = [timing for timing in run.timings if timing.stage in ADDED]
    seconds = math.nan if any(t.reused for t in added) else sum(t.seconds for t in added)
    return measure_subject(Context(), subject, Splatted(avatar, person.photo_from_image)), seconds


def line(name: str, found: dict[str, dict[str, tuple[Measured, float]]]) -> str:
    """A row of the table: `quick` as it is, all others as differences from it."""
    cells = []
    for views, metric in ((AWAY, "psnr"), (AWAY, "ssim"), (AWAY, "flip"), (("front",), "psnr")):
        differences = {}
        for person, (made, _) in found[name].items():
            value = mean(made.rows, views, metric)
            base = 0.0 if name == "quick" else mean(found["quick"][person][0].rows, views, metric)
            differences[person] = [value - base]
        cells.append(told(bootstrap(differences), metric, signed=name != "quick"))
    seconds = sum(s for _, s in found[name].values()) / len(found[name])
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


def show(
    found: dict[str, dict[str, tuple[Measured, float]]], person: str, variant: Variant, folder: Path
) -> None:
    """Truth, quick and variant from four sides."""
    rows = []
    quick, own = found["quick"][person][0].sights, found[variant.name][person][0].sights
    for view in ("front", *AWAY):
        a = next(s for s in quick if s.view == view and s.pose != "photo")
        b = next(s for s in own if s.view == view and s.pose != "photo")
        rows.append(torch.cat([a.truth, a.ours, b.ours], dim=0))
    folder.mkdir(parents=True, exist_ok=True)
    name = variant.name.replace(", ", "-").replace(" ", "-")
    write_image(torch.cat(rows, dim=1).clamp(0, 1), folder / f"{person}-{name}.png")


if __name__ == "__main__":
    main()
