"""Time the textured renderer: pictures of 512 x 512 with depth and normals, one process a core.

python benchmarks/bench_people.py PEOPLE_FOLDER [PROCESSES]
"""

import multiprocessing
import sys
import time
from pathlib import Path

import torch

from vivant.core.cameras import orbit
from vivant.dataset import PeopleFolder, pose_figure
from vivant.mesh import Lighting, draw_textured

COUNT = 40


def draw_many(folder: str) -> float:
    """Draw a posed figure from many sides; gives pictures a second."""
    torch.set_num_threads(1)
    people = PeopleFolder(Path(folder))
    figure = people.figure(people.names()[0])
    cameras = orbit(
        torch.tensor([0, 0.9, 0]), [9.0 * i for i in range(COUNT)], extent=1.9, width=512, height=512
    )
    draw_textured(figure.rig.verts, figure.mesh, cameras[0], Lighting.plain(), threads=1)
    begun = time.perf_counter()
    for view in range(COUNT):
        verts = pose_figure(figure, figure.start)
        draw_textured(verts, figure.mesh, cameras[view], Lighting.plain(), threads=1)
    return COUNT / (time.perf_counter() - begun)


def main() -> None:
    """Run as many processes as asked, at once."""
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        rates = pool.map(draw_many, [sys.argv[1]] * processes)
    print(
        f"{sum(rates):.1f} pictures a second in {processes} processes ({', '.join(f'{r:.1f}' for r in rates)})"
    )


if __name__ == "__main__":
    main()
