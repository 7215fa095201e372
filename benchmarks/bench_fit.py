"""How well and how fast bodies are fitted: photographs, and photos of rendered people of the validation split.

    python benchmarks/bench_fit.py PHOTO... [--data ../shared/data] [--people 16]

Prints a Markdown table: reprojection in % of the person's extent, face landmarks in pixels, the part of the
body outside the mask in %, and seconds of the fit; then the medians.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from vivant.core.errors import VivantError
from vivant.core.run import Context
from vivant.dataset.samples import PeopleConfig
from vivant.dataset.trial import subjects, write_photo
from vivant.fit import FitConfig, fit_body, fit_quality
from vivant.perceive import PerceiveConfig, perceive, read_photo

COLUMNS = ("reprojection", "face", "body outside the mask", "seconds")


def main() -> None:
    """Fit everybody once; the first fit, which compiles, is not counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--data", type=Path, help="folder with people/ and makehuman/")
    parser.add_argument("--people", type=int, default=16)
    told = parser.parse_args()
    found: list[dict[str, float]] = []
    print(f"| photo | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder:
        for number, photo in enumerate(photos(told.photos, told.data, told.people, Path(folder))):
            try:
                if number == 0:
                    measure(photo)
                found.append(measure(photo))
            except VivantError as error:
                print(f"| {photo.stem} | {error} |")
                continue
            print(row(photo.stem, found[-1]), flush=True)
    medians = {name: statistics.median(f[name] for f in found if name in f) for name in COLUMNS}
    print(row(f"*median of {len(found)}*", medians))


def photos(given: list[Path], data: Path | None, people: int, folder: Path) -> Iterator[Path]:
    """Those that are named, then rendered ones."""
    yield from given
    if data is not None:
        config = PeopleConfig(data / "people", data / "makehuman", split="validation")
        for subject in subjects(config, people):
            yield write_photo(subject.photo, folder, subject.name)


def measure(photo: Path) -> dict[str, float]:
    """One fit's scores, and its seconds."""
    person = perceive(Context(), read_photo(photo), PerceiveConfig())
    begun = time.perf_counter()
    body = fit_body(Context(), person, FitConfig())
    seconds = time.perf_counter() - begun
    return {score.name: score.value for score in fit_quality(person, body)} | {"seconds": seconds}


def row(name: str, scores: dict[str, float]) -> str:
    """A line of the table."""
    cells = (f"{scores[column]:.2f}" if column in scores else "–" for column in COLUMNS)
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
