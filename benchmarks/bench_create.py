"""Photo to avatar with `quick`: seconds, memory and quality of each photo, against what is aimed at.

    python benchmarks/bench_create.py [photo.jpg ...] [--runs 3]

Each run is a process of its own with nothing kept from before; the first one is warm-up and not counted.
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
from pathlib import Path

AIMS = {"seconds": 15.0, "GB": 2.0, "PSNR": 26.0, "IoU": 0.95}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.photos[0])))
        return
    from vivant.recipes import sample_photo

    photos = arguments.photos or [sample_photo()]
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print("aims:", ", ".join(f"{name} {value:g}" for name, value in AIMS.items()))
    once(photos[0])
    for photo in photos:
        runs = [once(photo) for _ in range(arguments.runs)]
        middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        stages = ", ".join(
            f"{name} {value:.1f}" for name, value in middle.items() if name not in (*AIMS, "whole")
        )
        print(
            f"{photo.name:24} {middle['whole']:5.1f} s whole, {middle['seconds']:5.1f} s avatar ({stages}), "
            f"{middle['GB']:.2f} GB, {middle['PSNR']:.1f} dB, IoU {middle['IoU']:.3f}"
        )


def once(photo: Path) -> dict[str, float]:
    """Run in a process of its own; `whole` is what a user waits for."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--one", str(photo)]
    told = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )
    return {**told, "whole": time.perf_counter() - begun}


def measure(photo: Path) -> dict[str, float]:
    """Make everything once. `seconds` is photo to avatar: reading, perceive, fit, lift."""
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    from vivant.animate import pose_avatar
    from vivant.cli.terminal import peak_memory
    from vivant.core.run import Run
    from vivant.evaluate import compare_with_photo
    from vivant.recipes import Files, build_and_deliver, load_recipe
    from vivant.records import Person
    from vivant.splat import rasterize

    run = Run()
    with tempfile.TemporaryDirectory() as folder:
        files = Files.named(Path(folder), photo.stem)
        avatar = build_and_deliver(run, photo, "quick", load_recipe("quick").Config(), files)
    peak = peak_memory() or 0
    person = run.latest(Person)
    assert person is not None
    rendering = rasterize(pose_avatar(avatar, avatar.photo_pose), avatar.photo_camera, normals=False)
    scores = {score.name: score.value for score in compare_with_photo(avatar, person, rendering).per_view}
    stages = {timing.stage: timing.seconds for timing in run.timings}
    made = sum(stages[name] for name in ("read_photo", "perceive", "fit_body", "lift"))
    return {
        **stages,
        "seconds": made,
        "GB": peak / 1e9,
        "PSNR": scores["PSNR in the photo's view"],
        "IoU": scores["silhouette overlap"],
    }


if __name__ == "__main__":
    main()
