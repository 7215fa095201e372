"""What fitting splats to views costs and gives: parts of a step, and a person with truth fitted to 24 views.

    python benchmarks/bench_reconstruct.py [--parts] [--person ../shared/data/people/NAME.npz] [--out FOLDER]

Parts are the least milliseconds of several runs in turn; then what the parts of a whole step take within it, in
the quickest of fifty. The fit begins with 40,000 grey discs on a body that
is 1 cm wrong; six views from other sides, in other poses, tell how good it is: PSNR on white in the box round
the person.
"""

import argparse
import dataclasses
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

# Torch's workers would spin beside the kernels' threads.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
from bench_rasterize import measure
from dressed import grey_start, read_dressed, round_cameras, some_poses, take_views

from vivant.body import forward_kinematics, load_anny
from vivant.core.cameras import Cameras
from vivant.core.images import write_image
from vivant.core.run import Context
from vivant.mesh import interpolate, rasterize_mesh, vertex_normals
from vivant.reconstruct import ReconstructConfig, optimise, reconstruct
from vivant.reconstruct.adam import Adam
from vivant.reconstruct.losses import LossConfig, image_loss, make_target
from vivant.reconstruct.optimise import Fit
from vivant.records import Avatar, Pose, Rig, Views
from vivant.splat import pose_splats, rasterize
from vivant.splat.rasterizer import _numba
from vivant.splat.skinning import _numba as skinning

PERSON = Path("../shared/data/people/AIAN_F_1_Busi.npz")
SIZE, SPLATS, STEPS = 512, 40_000, 1000


def main() -> None:
    """Print parts and fits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--person", type=Path, default=PERSON)
    parser.add_argument("--parts", action="store_true", help="only the parts of a step")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--views", type=int, default=24, help="to fit to; 4 is a small studio")
    parser.add_argument("--out", type=Path, help="folder for pictures of held-out views: truth, fit")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    person = read_dressed(arguments.person)
    start = grey_start(person, SPLATS, 0.01)
    count = 1 if arguments.parts else arguments.views
    elevations = [[0.0, 20.0, -8.0, 35.0][view % 4] if count > 4 else 5.0 for view in range(count)]
    cameras = round_cameras([360 * view / count for view in range(count)], elevations, SIZE)
    views = take_views(person, cameras, some_poses(person.rig, count, 1))
    if arguments.parts:
        tell_parts(start, views)
        return
    others = round_cameras([7.5 + 60 * view for view in range(6)], [8.0] * 6, SIZE)
    held_out = take_views(person, others, some_poses(person.rig, 6, 2))
    config = ReconstructConfig(iterations=arguments.steps)
    reconstruct(Context(), start, views, dataclasses.replace(config, iterations=2))  # Kernels are loaded now.
    clock, cpu = time.perf_counter(), time.process_time()
    found = reconstruct(Context(), start, views, config)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    decibels = compare(found, held_out, arguments.out)
    print(
        f"{arguments.person.stem}: {arguments.steps} steps, {SPLATS} splats, {count} views of {SIZE}²: "
        f"{clock:.1f} s (cpu {cpu:.1f}), held out {sum(decibels) / len(decibels):.2f} dB "
        f"({min(decibels):.2f} to {max(decibels):.2f})"
    )


def tell_parts(start: Avatar, views: Views) -> None:
    """Milliseconds of what a step does."""
    fit = Fit(Context(), start, views, ReconstructConfig(iterations=10_000))
    frame, rig = fit.frames[0], start.rig
    transforms = fit.corrections.transforms(0)
    posed = pose_splats(start.splats, start.binding, transforms)
    model = load_anny()
    body = model.rig(model.default_shape())
    coloured = dataclasses.replace(start.splats, sh=torch.rand(SPLATS, 16, 3))
    generator = torch.Generator().manual_seed(0)
    # SSIM is measured on a picture that is full of person: nothing of it can be left out.
    full = torch.rand(SIZE, SIZE, 3, generator=generator).requires_grad_()
    ones = torch.ones(SIZE, SIZE)
    target = make_target(torch.rand(SIZE, SIZE, 3, generator=generator), ones, ones, torch.zeros(3))

    def loss(backend: str) -> None:
        cost = image_loss(full, ones, target, LossConfig(), backend=backend)  # type: ignore[arg-type]
        torch.autograd.grad(cost.total, full)

    works = {
        "skinning": lambda: pose_splats(start.splats, start.binding, transforms),
        "skinning, harmonics of degree 3": lambda: pose_splats(coloured, start.binding, transforms),
        "skinning, dual quaternions": lambda: pose_splats(
            start.splats, start.binding, transforms, blend="dual_quaternion"
        ),
        "rasteriser, forward": lambda: rasterize(posed, frame.camera, normals=False),
        "L1 + SSIM + mask with gradient, 512² full": lambda: loss("numba"),
        "the same in plain torch": lambda: loss("reference"),
        "mesh rasteriser, the dressed person": lambda: rasterize_mesh(rig.verts, rig.faces, views.cameras),
        "the same with the corners' normals": lambda: normals_of(rig, views.cameras),
        "mesh rasteriser, the body": lambda: rasterize_mesh(body.verts, body.faces, views.cameras),
        "the body with the corners' normals": lambda: normals_of(body, views.cameras),
        "a whole step": fit._step,
    }
    print(f"{SPLATS} splats, crop of {frame.camera.width} x {frame.camera.height}; ms (cpu)")
    for name, times in zip(works, measure(list(works.values()), 15), strict=True):
        print(f"{name:44} {times.clock:7.2f} ({times.cpu:7.2f})", flush=True)
    for name, mesh in (("dressed person", rig), ("body", body)):
        print(f"({name}: {len(mesh.verts)} vertices, {len(mesh.faces)} faces, {SIZE}²)")
    print("\nwithin a whole step, ms")
    for name, milliseconds in within_step(fit).items():
        print(f"{name:44} {milliseconds:7.2f}")


def normals_of(rig: Rig, cameras: Cameras) -> torch.Tensor:
    """Depth, faces and barycentrics, and the normals that they carry over the picture."""
    normals = vertex_normals(rig.verts, rig.faces)
    return interpolate(rasterize_mesh(rig.verts, rig.faces, cameras), rig.faces, normals)


STAGES = {
    "rasteriser: project, sort, list": (_numba, "_sort_view"),
    "rasteriser: blend": (_numba, "_blend_view"),
    "rasteriser: blend backward": (_numba, "_blend_view_backward"),
    "rasteriser: project backward": (_numba, "_project_view_backward"),
    "L1 + SSIM + mask": (optimise, "image_loss"),
    "skinning": (optimise, "pose_splats"),
    "skinning backward": (skinning._Pose, "backward"),
    "regulariser": (optimise, "pull_together"),
    "Adam": (Adam, "step"),
}
"""Parts of a step, and the functions that do them."""


def within_step(fit: Fit) -> dict[str, float]:
    """What each part of a step takes, in the quickest of fifty."""
    spent = dict.fromkeys(STAGES, 0.0)
    kept = {name: owner.__dict__[function] for name, (owner, function) in STAGES.items()}

    def timed(name: str, work: Callable[..., object]) -> Callable[..., object]:
        def timed_work(*goods: object, **named: object) -> object:
            begun = time.perf_counter()
            result = work(*goods, **named)
            spent[name] += 1e3 * (time.perf_counter() - begun)
            return result

        return timed_work

    quickest: dict[str, float] = {}
    try:
        for name, (owner, function) in STAGES.items():
            work = timed(name, getattr(owner, function))
            setattr(owner, function, staticmethod(work) if isinstance(kept[name], staticmethod) else work)
        for _ in range(50):
            spent.update(dict.fromkeys(STAGES, 0.0))
            begun = time.perf_counter()
            fit._step()
            whole = 1e3 * (time.perf_counter() - begun)
            if whole < quickest.get("together", math.inf):
                rest = whole - sum(spent.values())
                quickest = {**spent, "on one thread: checks, autograd, Python": rest, "together": whole}
    finally:
        for name, (owner, function) in STAGES.items():
            setattr(owner, function, kept[name])
    return quickest


def compare(avatar: Avatar, views: Views, folder: Path | None) -> list[float]:
    """PSNR of each view on white, in the box round the person."""
    decibels = []
    for view in range(len(views.images)):
        pose = Pose(views.poses.local_quats[view], views.poses.root[view])
        transforms = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, pose)
        posed = pose_splats(avatar.splats, avatar.binding, transforms)
        drawn = rasterize(posed, views.cameras[view], background=torch.ones(3), normals=False)
        alpha = views.alphas[view]
        truth = views.images[view] * alpha[..., None] + 1 - alpha[..., None]
        found = drawn.color[0].clamp(0, 1)
        shown = ((alpha > 0.5) | (drawn.alpha[0] > 0.5)).nonzero()
        (top, left), (bottom, right) = shown.amin(0).tolist(), (shown.amax(0) + 1).tolist()
        box = (slice(top, bottom), slice(left, right))
        decibels.append(float(-10 * torch.log10((found - truth)[box].square().mean())))
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_image(torch.cat([truth[box], found[box]], 1), folder / f"{view}.png")
    return decibels


if __name__ == "__main__":
    main()
