"""Photo to avatar with `quick`: seconds, memory and quality of each photo, against what is aimed at.

    python benchmarks/bench_create.py [photo.jpg ...] [--runs 1]

Without photos: the clean ones of `../shared/photos`, where that exists, and the bundled sample. Each run is a
process of its own with nothing kept from before; the first one is warm-up and not counted. Prints a Markdown
table, of medians where there are several runs. "Coarse" is the avatar before its refit to the photo.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vivant.records import Avatar, Person

CLEAN = ("suit_waterfall", "polo_street", "skier", "yoga_lunge")

COLUMNS = (
    # Heading, name in the measurements, how it is written, what is aimed at.
    ("read, s", "read_photo", ".1f", ""),
    ("perceive, s", "perceive", ".1f", ""),
    ("fit, s", "fit_body", ".1f", ""),
    ("lift, s", "lift", ".1f", "6"),
    ("refit, s", "refine_photo", ".1f", ""),
    ("photo to avatar, s", "seconds", ".1f", "15"),
    ("another lift, s", "again", ".1f", ""),
    ("whole command, s", "whole", ".1f", ""),
    ("peak memory, GB", "GB", ".2f", "2"),
    ("coarse PSNR, dB", "coarse PSNR", ".1f", ""),
    ("coarse IoU", "coarse IoU", ".3f", ""),
    ("PSNR, dB", "PSNR", ".1f", "26"),
    ("IoU", "IoU", ".3f", "0.95"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.photos[0])))
        return
    photos = arguments.photos or default_photos()
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}\n")
    print("| photo | " + " | ".join(heading for heading, *_ in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    print("| *aim* | " + " | ".join(aim for *_, aim in COLUMNS) + " |")
    once(photos[0])
    for photo in photos:
        runs = [once(photo) for _ in range(arguments.runs)]
        middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        cells = [format(middle[name], written) for _, name, written, _ in COLUMNS]
        print(f"| {photo.stem} | " + " | ".join(cells) + " |", flush=True)


def default_photos() -> list[Path]:
    from vivant.recipes import sample_photo

    folder = Path(__file__).resolve().parents[2] / "shared" / "photos"
    clean = [folder / f"{name}.jpg" for name in CLEAN]
    return [photo for photo in clean if photo.is_file()] + [sample_photo()]


def once(photo: Path) -> dict[str, float]:
    """Run in a process of its own; `whole` is what a user waits for."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--one", str(photo)]
    told = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )
    return {**told, "whole": time.perf_counter() - begun - told["again"]}


def measure(photo: Path) -> dict[str, float]:
    """Make everything once, then the avatar again with another option of `lift`.

    `seconds` is photo to avatar: reading, perceive, fit, lift, refit. `again` is the second avatar, refit and
    all, which reuses person and body.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    from vivant.cli.terminal import peak_memory
    from vivant.core.run import Run
    from vivant.lift import lift
    from vivant.perceive import read_photo
    from vivant.recipes import Files, build_and_deliver, load_recipe
    from vivant.records import Body, Person

    config = load_recipe("quick").Config()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "kept")
        files = Files.named(Path(folder), photo.stem)
        avatar = build_and_deliver(run, photo, "quick", config, files)
        peak = peak_memory() or 0
        second = Run(Path(folder) / "kept")
        begun = time.perf_counter()
        load_recipe("quick").build(
            second, read_photo(photo), replace(config, lift=replace(config.lift, hanging=0.3))
        )
        again = time.perf_counter() - begun
        person, body = run.latest(Person), run.latest(Body)
        assert person is not None and body is not None
        # Kept from before: only read again.
        coarse = run(lift, person, body, config.lift)
    reused = {timing.stage for timing in second.timings if timing.reused}
    if reused != {"perceive", "fit_body"}:
        raise SystemExit(f"The second run reused {sorted(reused)}; perceive and fit_body are wanted.")
    if not run.timings[-1].reused:
        raise SystemExit("The coarse avatar was not kept.")
    stages = {timing.stage: timing.seconds for timing in run.timings[:-1]}
    made = sum(stages[name] for name in ("read_photo", "perceive", "fit_body", "lift", "refine_photo"))
    return {
        **stages,
        "seconds": made,
        "again": again,
        "GB": peak / 1e9,
        **{f"coarse {name}": value for name, value in likeness(coarse, person).items()},
        **likeness(avatar, person),
    }


def likeness(avatar: "Avatar", person: "Person") -> dict[str, float]:
    """How like the photo an avatar is, seen as the photo saw the person."""
    from vivant.animate import pose_avatar
    from vivant.evaluate import compare_with_photo
    from vivant.splat import rasterize

    rendering = rasterize(pose_avatar(avatar, avatar.photo_pose), avatar.photo_camera, normals=False)
    scores = {score.name: score.value for score in compare_with_photo(avatar, person, rendering).per_view}
    return {"PSNR": scores["PSNR in the photo's view"], "IoU": scores["silhouette overlap"]}


if __name__ == "__main__":
    main()
