"""What a capture of real pictures adds to an avatar: rendered people, whom nothing was trained on.

    python benchmarks/bench_capture.py ../shared/data [--people 2] [--kinds film studio4 studio8]

The people of `vivant evaluate` are photographed as there. The photo's avatar (`quick`) is fitted again, by
`vivant refit` with its defaults, to a capture of the same person in the same light: calibrated cut-outs from 4
or 8 sides (`transforms.json`), or a film by one camera with an unknown lens, before which the person walks on
the spot and turns once in six seconds. First table: PSNR inside the mask, on white, of the pictures fitted to
and of eight others between them, held out. Second: the avatars beside the truth in four further poses, which
no capture shows, from four sides each (the numbers of `vivant evaluate`).
"""

import argparse
import itertools
import json
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vivant.core.cameras import Cameras
from vivant.core.images import write_image
from vivant.core.rotations import multiply_quats, quats_from_rotvecs
from vivant.core.run import Context, Run
from vivant.core.video import write_mp4
from vivant.dataset import PeopleConfig, PoseSource, observe, pose_figure
from vivant.dataset.contenders import Splatted
from vivant.dataset.scenes import framing_camera, random_background
from vivant.dataset.trial import Measured, Subject, measure_subject, subjects, write_photo
from vivant.perceive import read_photo
from vivant.recipes import load_recipe
from vivant.recipes.capture import CaptureConfig, refit_in
from vivant.records import Avatar, Person, Pose

WIDTH, HEIGHT, FILL = 576, 768, 0.85
FPS, SECONDS = 10.0, 6.0
WALK = "human-base-animations.glb:Walk_Formal_Loop"
HELD_OUT = 8
KINDS = ("film", "studio4", "studio8")
METRICS = ("psnr", "ssim", "flip", "iou")


@dataclass(frozen=True)
class Tried:
    """One avatar fitted again."""

    fitted: tuple[float, float]
    """PSNR before and after."""

    held_out: tuple[float, float]
    seconds: float
    measured: Measured


def main() -> None:
    """Try all people and captures, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with people/, makehuman/ and motion/")
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--keep", type=Path, help="keep captures, stages and avatars here")
    told = parser.parse_args()
    config = PeopleConfig(told.data / "people", told.data / "makehuman", told.data / "motion", "validation")
    rows: list[tuple[str, str, Tried]] = []
    firsts: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory() as temporary:
        kept = told.keep or Path(temporary)
        print(
            "| person | capture | fitted: before, after | held out: before, after | s |\n|---|---|---|---|---|"
        )
        for subject in subjects(config, told.people):
            folder = kept / subject.name
            folder.mkdir(parents=True, exist_ok=True)
            run = Run(folder / "results", Context())
            avatar, person = first_avatar(run, subject, folder)
            firsts[subject.name] = judged(subject, avatar, person)
            for kind in told.kinds:
                done = tried(run, subject, avatar, person, kind, folder, told.data / "motion")
                rows.append((subject.name, kind, done))
                print(
                    f"| {subject.name} | {kind} | {pair(done.fitted)} | {pair(done.held_out)} | "
                    f"{done.seconds:.0f} |",
                    flush=True,
                )
    print(f"\n| avatar | {' | '.join(METRICS)} |\n|---|{'---|' * len(METRICS)}")
    print(line("of the photo", list(firsts.values())))
    for kind in told.kinds:
        print(line(kind, [done.measured for _, k, done in rows if k == kind]))


def pair(values: tuple[float, float]) -> str:
    """Two numbers of a cell."""
    return ", ".join("–" if math.isnan(value) else f"{value:.1f}" for value in values)


def line(name: str, found: list[Measured]) -> str:
    """One kind of avatar's scores in other poses, mean over people."""
    every = [row for measured in found for row in measured.rows if row.aligned and row.pose != "photo"]
    cells = []
    for metric in METRICS:
        values = [row.value for row in every if (row.metric, row.region) == (metric, "frame")]
        cells.append(f"{statistics.fmean(values):.3f}")
    return f"| {name} | {' | '.join(cells)} |"


def first_avatar(run: Run, subject: Subject, folder: Path) -> tuple[Avatar, Person]:
    """Make the photo's avatar."""
    recipe = load_recipe("quick")
    avatar = recipe.build(run, read_photo(write_photo(subject.photo, folder, subject.name)), recipe.Config())
    person = run.latest(Person)
    assert person is not None
    return avatar, person


def judged(subject: Subject, avatar: Avatar, person: Person) -> Measured:
    """Compare an avatar with the truth."""
    return measure_subject(Context(), subject, Splatted(avatar, person.photo_from_image))


def tried(
    run: Run, subject: Subject, avatar: Avatar, person: Person, kind: str, folder: Path, motions: Path
) -> Tried:
    """Take a capture, fit the avatar to it, and measure it."""
    if kind == "film":
        capture, config = folder / "film.mp4", CaptureConfig(film_held_out=HELD_OUT)
        write_film(subject, capture, motions)
    else:
        capture = folder / kind
        config = CaptureConfig(hold_out=write_studio(subject, capture, int(kind.removeprefix("studio"))))
    begun = time.perf_counter()
    done = refit_in(run, avatar, capture, config)
    seconds = time.perf_counter() - begun
    told = {score.name: score.value for score in done.scores.summary}
    fitted, held_out = (
        tuple(told.get(f"PSNR {when}, {group}", math.nan) for when in ("before", "after"))
        for group in ("fitted", "held out")
    )
    return Tried(fitted, held_out, seconds, judged(subject, done.avatar, person))  # pyright: ignore


def write_film(subject: Subject, path: Path, motions: Path) -> None:
    """Film somebody who walks on the spot and turns round once, before one camera that stands still."""
    source, random = PoseSource(motions), np.random.default_rng(7)
    count = round(FPS * SECONDS)
    figure, poses = subject.figure, []
    for number in range(count):
        step = source.pose(str(motions / WALK), number / FPS / 1.1 % 1.0, figure.body)
        turn = quats_from_rotvecs(torch.tensor([0.0, 2 * math.pi * number / count, 0.0]))
        quats = step.local_quats.clone()
        quats[0] = multiply_quats(turn, quats[0])
        poses.append(Pose(quats, step.root))
    reached = torch.cat([pose_figure(figure, pose) for pose in poses[::4]])
    camera = framing_camera(reached, WIDTH, HEIGHT, 0.0, 4.0, 35.0, FILL)
    behind = random_background(random, WIDTH, HEIGHT)

    def pictures():
        for pose in poses:
            seen = observe(figure, pose, camera, subject.lighting).pictures  # pyright: ignore
            alpha = seen.alpha[0][..., None]
            yield (seen.color[0] * alpha + behind * (1 - alpha)).clamp(0, 1)

    write_mp4(pictures(), path, FPS)


def write_studio(subject: Subject, folder: Path, count: int) -> tuple[str, ...]:
    """Photograph somebody in one pose from all round, and between; gives the names of those between."""
    folder.mkdir(parents=True, exist_ok=True)
    verts = pose_figure(subject.figure, subject.pose)
    fitted = [360 * number / count for number in range(count)]
    between = [360 * (number + 0.5) / HELD_OUT + 11 for number in range(HELD_OUT)]
    frames, held_out = [], []
    sides = [(f"side{number}.png", side) for number, side in enumerate(fitted)]
    others = [(f"between{number}.png", side) for number, side in enumerate(between)]
    for (name, azimuth), elevation in zip(sides + others, itertools.cycle((0.0, 12.0, 4.0)), strict=False):
        camera = framing_camera(verts, WIDTH, HEIGHT, azimuth, elevation, 50.0, FILL)
        seen = observe(subject.figure, subject.pose, camera, subject.lighting).pictures  # pyright: ignore
        write_image(torch.cat([seen.color[0], seen.alpha[0][..., None]], -1).clamp(0, 1), folder / name)
        frames.append(frame(name, camera))
        if (name, azimuth) in others:
            held_out.append(name)
    (folder / "transforms.json").write_text(json.dumps({"frames": frames}))
    return tuple(held_out)


def frame(name: str, camera: Cameras) -> dict[str, object]:
    """One picture of a transforms.json: OpenGL axes, camera to world."""
    pose = torch.linalg.inv(camera.cam_from_world[0]) @ torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    lens = camera.intrinsics[0]
    return {
        "file_path": name,
        "transform_matrix": pose.tolist(),
        "fl_x": float(lens[0, 0]),
        "fl_y": float(lens[1, 1]),
        "cx": float(lens[0, 2]),
        "cy": float(lens[1, 2]),
        "w": camera.width,
        "h": camera.height,
    }


if __name__ == "__main__":
    main()
