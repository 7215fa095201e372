"""What a benchmark measured: rows of numbers, their means with intervals, and differences of runs."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.store import expect_file, writing

FORMAT = 1
"""Version of the JSON file."""

AS_PHOTOGRAPHED = "input, not aligned"
"""The view in the photo's pixels, seen by the camera that the recipe found; it is in no mean over views."""

RESAMPLES = 2000
"""Of the bootstrap."""

METRICS = {
    "psnr": ("PSNR", "dB", True, "peak signal to noise, at most 99"),
    "ssim": ("SSIM", "", True, "window of 11 px, sigma 1.5 (Wang 2004), zeros beyond the picture"),
    "ms_ssim": ("MS-SSIM", "", True, "five scales (Wang 2003)"),
    "flip": ("FLIP", "", False, "mean of LDR-FLIP at 67 pixels a degree (Andersson 2020)"),
    "gmsd": ("GMSD", "", False, "gradient magnitude similarity deviation (Xue 2014)"),
    "lpips": ("LPIPS", "", False, "on AlexNet, version 0.1 (Zhang 2018), by the user's file"),
    "clip": ("CLIP", "", True, "cosine of image features, by the user's network"),
    "fid": ("FID", "", False, "Fréchet distance of all views' features, by the user's network"),
    "fvd": ("FVD", "", False, "Fréchet distance of turns of 16 views, by the user's network"),
    "iou": ("mask IoU", "", True, "intersection over union of the masks, cut at one half"),
    "depth_mm": ("depth error", "mm", False, "mean distance along z where both masks are"),
    "normal_deg": ("normal error", "°", False, "mean angle where both masks are"),
    "joints_mm": ("joint error", "mm", False, "mean of the twelve main joints after similarity alignment"),
    "joints_raw_mm": ("joint error, as is", "mm", False, "mean of the twelve main joints, roots put together"),
}
"""Name, unit, whether more is better, definition."""

SETS = ("fid", "fvd")
"""Metrics of everybody's pictures together: one number a run, without an interval."""

EVERYBODY = "everybody"
"""The person of such a number's row."""

PHOTO_METRICS = {
    "photo_psnr": ("PSNR in the photo", "dB", True, "where the photo's mask is, on white"),
    "photo_ssim": ("SSIM in the photo", "", True, "where the photo's mask is, on white, window of 11 px"),
    "photo_iou": ("mask IoU in the photo", "", True, "intersection over union of the masks, cut at one half"),
    "reprojection": ("reprojection", "%", False, "mean distance of body points, of the person's height"),
    "flicker": (
        "flicker", "1e-3", False, "mean squared difference of 36 neighbouring views, warped by depth",
    ),
}  # fmt: skip
"""The same for photographs, of which nothing else is known."""


@dataclass(frozen=True)
class Row:
    """One number."""

    person: str
    pose: str
    """`photo` for the pose of the photo, else the clip."""

    view: str
    azimuth_deg: float
    aligned: bool
    """True: after the similarity of the twelve main joints. False: roots put together, nothing else."""

    region: str
    """`frame` for the whole picture, `crop` for the box round both masks, `pose` for what has no picture,
    `photo` for a photograph measured against itself, `set` for all pictures of a run."""

    metric: str
    value: float


@dataclass(frozen=True)
class Benchmark:
    """All that one run measured."""

    recipe: str
    rows: tuple[Row, ...]
    failures: tuple[tuple[str, str], ...]
    """Person, and why no avatar came out."""

    timings: tuple[tuple[str, str, float], ...]
    """Person, stage, seconds."""

    facts: tuple[tuple[str, str], ...]
    """Machine, versions, memory, number of people, splats, what could not be measured."""

    format: int = field(default=FORMAT)


@dataclass(frozen=True)
class Interval:
    """A mean, and where it lies with 95 % confidence."""

    mean: float
    low: float
    high: float
    count: int


def bootstrap(values: dict[str, list[float]], seed: int = 0) -> Interval:
    """Mean over people of each one's mean, and its percentile interval: people are drawn anew, not pictures.

    Raises:
        BadInputError: If there is nobody.
    """
    if not values:
        raise BadInputError("An interval needs at least one person's numbers.")
    means = np.array([np.mean(values[person]) for person in sorted(values)])
    draws = np.random.default_rng(seed).integers(0, len(means), (RESAMPLES, len(means)))
    low, high = np.percentile(means[draws].mean(1), [2.5, 97.5])
    return Interval(float(means.mean()), float(low), float(high), len(means))


def select(
    benchmark: Benchmark, metric: str, *, view: str | None = None, pose: str | None = None,
    aligned: bool = True, region: str = "frame",
) -> dict[str, list[float]]:  # fmt: skip
    """Numbers by person.

    Args:
        benchmark: Where from.
        metric: One of `METRICS`.
        view: Only this one; None for all that everybody has.
        pose: `photo`, or `new` for all others; None for all.
        aligned: After alignment or before.
        region: Of the picture.
    """
    found: dict[str, list[float]] = {}
    for row in benchmark.rows:
        if row.metric != metric or row.aligned != aligned or row.region != region:
            continue
        if row.view != view and (view is not None or row.view == AS_PHOTOGRAPHED):
            continue
        if pose is not None and (row.pose == "photo") != (pose == "photo"):
            continue
        if math.isfinite(row.value):
            found.setdefault(row.person, []).append(row.value)
    return found


def difference(a: dict[str, list[float]], b: dict[str, list[float]], seed: int = 0) -> Interval | None:
    """Second minus first over the people that both have, with its interval; None if they share nobody."""
    both = sorted(set(a) & set(b))
    if not both:
        return None
    return bootstrap({person: [float(np.mean(b[person]) - np.mean(a[person]))] for person in both}, seed)


def save_benchmark(benchmark: Benchmark, path: Path) -> None:
    """Write as JSON.

    Raises:
        OutputError: If the file cannot be written.
    """
    told = {
        **asdict(benchmark),
        "definitions": {k: f"{v[0]} ({v[1]}): {v[3]}" for k, v in (METRICS | PHOTO_METRICS).items()},
    }
    with writing(path) as temporary:
        temporary.write_text(json.dumps(told, indent=0) + "\n", encoding="utf-8")


def load_benchmark(path: Path) -> Benchmark:
    """Read what `save_benchmark` wrote.

    Raises:
        BadFileError: If the file is missing, damaged or of another version.
    """
    expect_file(path)
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            raise BadFileError(f"{path} is of format {told['format']}; this vivant reads format {FORMAT}.")
        return Benchmark(
            recipe=str(told["recipe"]),
            rows=tuple(Row(**row) for row in told["rows"]),
            failures=tuple((str(a), str(b)) for a, b in told["failures"]),
            timings=tuple((str(a), str(b), float(c)) for a, b, c in told["timings"]),
            facts=tuple((str(a), str(b)) for a, b in told["facts"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadFileError(
            f"{path} cannot be read as a result of `vivant evaluate`: {error!r}. Measure again, or name "
            "another file."
        ) from error
