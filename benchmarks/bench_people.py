"""Time the textured renderer: pictures of 512 x 512 with depth and normals, one process a core.

    python benchmarks/bench_people.py PEOPLE_FOLDER [PROCESSES] [--peer PYTHON] [--out FOLDER]

`--peer` names the Python of an environment with pyrender (see `peer_pyrender.py`): it draws the same person in
the same run, in turn with ours. Processor time is told beside the clock's: others may use the machine, too.
"""

import argparse
import json
import math
import multiprocessing
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from vivant.core.cameras import Cameras, orbit
from vivant.core.images import write_image
from vivant.dataset import Figure, PeopleFolder, pose_figure
from vivant.mesh import Lighting, draw_textured
from vivant.mesh.textured import smooth_normals

COUNT, SIZE, EXTENT = 40, 512, 1.9
PEER = Path(__file__).with_name("peer_pyrender.py")


def main() -> None:
    """Run as many processes as asked, at once; and the peer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("processes", type=int, nargs="?", default=2)
    parser.add_argument("--peer", help="Python of an environment with pyrender")
    parser.add_argument("--out", type=Path, help="folder for one picture of each")
    arguments = parser.parse_args()
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        times = pool.map(draw_many, [arguments.folder] * arguments.processes)
    rates = [1 / clock for clock, _ in times]
    each, cpu = ", ".join(f"{rate:.1f}" for rate in rates), sum(cpu for _, cpu in times) / len(times)
    print(
        f"{sum(rates):.1f} pictures a second in {len(rates)} processes ({each}); "
        f"{1e3 * cpu:.0f} ms of processor time a picture"
    )
    if arguments.peer:
        compare(arguments.folder, arguments.peer, arguments.out)


def scene(folder: str) -> tuple[Figure, Cameras]:
    """A person, and cameras on all sides."""
    people = PeopleFolder(Path(folder))
    sides = [360 / COUNT * i for i in range(COUNT)]
    cameras = orbit(torch.tensor([0, 0.9, 0]), sides, extent=EXTENT, width=SIZE, height=SIZE)
    return people.figure(people.names()[0]), cameras


def draw_many(folder: str) -> tuple[float, float]:
    """Pose and draw a figure from many sides; gives seconds and processor seconds a picture."""
    torch.set_num_threads(1)
    figure, cameras = scene(folder)
    draw_textured(figure.rig.verts, figure.mesh, cameras[0], Lighting.plain(), threads=1)
    clock, cpu = time.perf_counter(), time.process_time()
    for view in range(COUNT):
        verts = pose_figure(figure, figure.start)
        draw_textured(verts, figure.mesh, cameras[view], Lighting.plain(), threads=1)
    return (time.perf_counter() - clock) / COUNT, (time.process_time() - cpu) / COUNT


def compare(folder: str, python: str, out: Path | None) -> None:
    """Draw the same person with pyrender, in turn with ours on all processors; two turns, the better counts."""
    figure, cameras = scene(folder)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as temporary:
        goods, picture = Path(temporary) / "scene.npz", Path(temporary) / "picture"
        np.savez(goods, **packed(figure, cameras))
        for _ in range(2):
            ours.append(draw_many(folder))
            command = [python, str(PEER), str(goods), str(picture)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            theirs.append(json.loads(done.stdout))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            for name in ("without", "with"):
                image = np.load(picture.with_suffix(f".{name}.npy")).astype(np.float32) / 255
                write_image(torch.from_numpy(image[..., :3].copy()), out / f"pyrender_{name}.png")
            verts = pose_figure(figure, figure.start)
            seen = draw_textured(verts, figure.mesh, cameras[0], Lighting.plain())
            alpha = seen.alpha[0][..., None]
            write_image(seen.color[0] * alpha + 1 - alpha, out / "ours.png")
    clock, cpu = min(ours)
    print(f"ours, posed, one thread, soft shadow, depth, normals: {1e3 * clock:.0f} ms ({1e3 * cpu:.0f} cpu)")
    for name in theirs[0]:
        clock, spent = min(tuple(turn[name]) for turn in theirs)
        print(f"pyrender, {name}: {1e3 * clock:.0f} ms ({1e3 * spent:.0f} cpu, {spent / cpu:.1f} times ours)")


def packed(figure: Figure, cameras: Cameras) -> dict[str, np.ndarray]:
    """The posed person corner by corner, a part for each texture, in the axes of OpenGL."""
    mesh, verts = figure.mesh, pose_figure(figure, figure.start)
    normals = smooth_normals(mesh, verts)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    light = torch.eye(4)
    # A light shines along its -z.
    toward = Lighting.plain().key_direction
    side = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), toward), dim=0)
    light[:3, :3] = torch.stack([side, torch.linalg.cross(toward, side), toward], 1)
    light[:3, 3] = 3 * toward
    poses = torch.linalg.inv(cameras.cam_from_world) @ flip
    goods = {"size": SIZE, "parts": len(mesh.textures), "light": light}
    goods |= {"world_from_camera": poses, "fov": 2 * math.atan(SIZE / 2 / float(cameras.intrinsics[0, 1, 1]))}
    for number, texture in enumerate(mesh.textures):
        mine = mesh.face_texture == number
        corner = mesh.faces[mine].flatten()
        goods[f"places_{number}"], goods[f"normals_{number}"] = verts[corner], normals[corner]
        goods[f"uv_{number}"] = mesh.uv[mesh.uv_faces[mine].flatten()]
        goods[f"texture_{number}"] = texture.levels[0]
    return {name: np.asarray(value) for name, value in goods.items()}


if __name__ == "__main__":
    main()
