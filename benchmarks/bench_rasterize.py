"""What drawing splats costs: milliseconds forward and forward + backward, against the plain torch reference.

    python benchmarks/bench_rasterize.py [--threads 1 2] [--runs 15] [--accuracy] [--peers]

The scene is a person of capsules that covers about a quarter of the picture; colour, alpha and depth are drawn.
All measurements of a scene are taken in turn, and the least of each is told: other programs only add to it.
`cpu` is the time all threads together were busy, which tells more than the clock where processors are shared.
"""

import argparse
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.rotations import multiply_quats, normalize_quats
from vivant.records import Splats
from vivant.splat import rasterize, sh_from_colors

SCENES = ((256, 10_000), (512, 10_000), (512, 40_000), (512, 100_000), (512, 400_000), (1024, 40_000))
"""Pixels a side, and splats."""

NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh")
"""What gradients are taken to."""

CAPSULES = (
    ((0, 1.62, 0), (0, 1.70, 0), 0.167),
    ((0, 1.00, 0), (0, 1.42, 0), 0.239),
    ((0, 0.92, 0), (0, 1.00, 0), 0.247),
    ((0, 1.45, 0), (0, 1.58, 0), 0.087),
    ((-0.10, 0.90, 0), (-0.14, 0.50, 0), 0.123),
    ((-0.14, 0.50, 0), (-0.16, 0.08, 0), 0.087),
    ((0.10, 0.90, 0), (0.14, 0.50, 0), 0.123),
    ((0.14, 0.50, 0), (0.16, 0.08, 0), 0.087),
    ((-0.20, 1.40, 0), (-0.42, 1.15, 0), 0.080),
    ((-0.42, 1.15, 0), (-0.60, 0.92, 0), 0.065),
    ((0.20, 1.40, 0), (0.42, 1.15, 0), 0.080),
    ((0.42, 1.15, 0), (0.60, 0.92, 0), 0.065),
)
"""Two ends and a radius: head, chest, hips, neck, legs, arms."""


@dataclass(frozen=True)
class Times:
    """Least milliseconds, by the clock and of all threads together."""

    clock: float
    cpu: float


def main() -> None:
    """Print one line a scene and number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--peers", action="store_true", help="gsplat and mitsuba, too (see peer_*.py)")
    parser.add_argument("--gsplat-up-to", type=int, default=100_000, metavar="SPLATS")
    parser.add_argument("--scenes", type=int, nargs="+", help="their numbers, from 0; all if not given")
    parser.add_argument("--accuracy", action="store_true", help="errors against the reference in float64")
    parser.add_argument("--reference-up-to", type=int, default=40_000, metavar="SPLATS")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.accuracy:
        tell_errors()
        return
    print("pixels  splats threads | forward ms (cpu) | + backward ms (cpu) | reference ms, times as long")
    for size, count in SCENES if arguments.scenes is None else [SCENES[i] for i in arguments.scenes]:
        splats, camera, background = person(count, size)
        slow = None
        if count <= arguments.reference_up_to and size <= 512:
            (slow,) = measure([lambda: backward(splats, camera, background, "reference", 1)], 2)  # noqa: B023
        if arguments.peers:
            tell_peers(splats, camera, arguments.gsplat_up_to)
        for threads in arguments.threads:
            forward, both = measure(
                [
                    lambda: rasterize(splats, camera, background=background, normals=False, threads=threads),  # noqa: B023
                    lambda: backward(splats, camera, background, "numba", threads),  # noqa: B023
                ],
                arguments.runs,
            )
            ratio = f"{slow.clock:8.0f}, {slow.clock / both.clock:4.0f}" if slow else "       -"
            print(
                f"{size:5}² {count:7} {threads:7} | {forward.clock:7.1f} ({forward.cpu:6.1f}) | "
                f"{both.clock:10.1f} ({both.cpu:6.1f}) | {ratio}",
                flush=True,
            )


def tell_peers(splats: Splats, camera: Cameras, limit: int) -> None:
    """One line a peer: forward + backward against ours in one run, and how well pictures agree."""
    import peer_gsplat
    import peer_mitsuba

    ours = rasterize(splats, camera, background=torch.zeros(3), normals=False).color[0]
    black = torch.zeros(3)
    where = f"{camera.width:5}² {len(splats):7}       1 |"
    for name, reason in (
        ("gsplat's torch reference", "" if peer_gsplat.is_there() else "gsplat is not installed"),
        ("mitsuba's volprim_rf_basic", peer_mitsuba.why_not()),
    ):
        if len(splats) > limit and name.startswith("gsplat"):
            reason = "it would take tens of gigabytes"
        if reason:
            print(f"{where} {name}: not measured; {reason}.", flush=True)
            continue
        if name.startswith("gsplat"):
            work, picture = (lambda: gsplat_back(splats, camera)), peer_gsplat.draw(splats, camera)[..., :3]
        else:
            peer = peer_mitsuba.Peer(splats, camera)
            work, picture = peer.draw_and_back, peer.draw()
        mine, theirs = measure([lambda: backward(splats, camera, black, "numba", 1), work], 2)
        print(
            f"{where} {name}, forward + backward: {theirs.clock:.0f} ms ({theirs.cpu:.0f} of processors), "
            f"{theirs.cpu / mine.cpu:.0f} times ours; "
            f"colours differ by {float((picture - ours).abs().mean()):.1e} in the mean",
            flush=True,
        )


def gsplat_back(splats: Splats, camera: Cameras) -> list[Tensor]:
    """Gradients by gsplat's torch reference."""
    import peer_gsplat

    leaves = [getattr(splats, name).detach().requires_grad_() for name in NAMES]
    drawn = peer_gsplat.draw(Splats(*leaves), camera)[..., :3]
    return list(torch.autograd.grad(drawn, leaves, torch.ones_like(drawn)))


def measure(works: list[Callable[[], object]], runs: int) -> list[Times]:
    """Do all in turn, again and again; the first time is warm-up."""
    least = [Times(math.inf, math.inf)] * len(works)
    for run in range(runs + 1):
        for i, work in enumerate(works):
            clock, cpu = time.perf_counter(), time.process_time()
            work()
            taken = 1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - cpu)
            if run:
                least[i] = Times(min(least[i].clock, taken[0]), min(least[i].cpu, taken[1]))
    return least


def backward(splats: Splats, camera: Cameras, background: Tensor, backend: str, threads: int) -> list[Tensor]:
    """Gradients of all parameters by a picture's worth of random weights."""
    leaves = [getattr(splats, name).detach().requires_grad_() for name in NAMES]
    drawn = rasterize(
        Splats(*leaves), camera, background=background, normals=False, backend=backend, threads=threads  # type: ignore[arg-type]
    )  # fmt: skip
    weights = random_weights(*drawn.color.shape).to(drawn.color)
    return list(torch.autograd.grad(drawn.color, leaves, weights))


@functools.lru_cache(maxsize=1)
def random_weights(*shape: int) -> Tensor:
    """Made once for all measurements: 786,432 random numbers take 5 ms."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def person(count: int, size: int) -> tuple[Splats, Cameras, Tensor]:
    """Flat splats on the surface of a person of capsules, as wide as their distance from each other."""
    generator = torch.Generator().manual_seed(0)
    ends, radii = torch.tensor([capsule[:2] for capsule in CAPSULES]), torch.tensor([c[2] for c in CAPSULES])
    length = (ends[:, 1] - ends[:, 0]).norm(dim=-1)
    areas = 2 * math.pi * radii * (length + 2 * radii)
    which = torch.multinomial(areas, count, replacement=True, generator=generator)
    way = torch.nn.functional.normalize(ends[:, 1] - ends[:, 0], dim=-1)[which]
    ball = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    along = (ball * way).sum(-1, keepdim=True)
    on_side = torch.rand(count, 1, generator=generator) < (length / (length + 2 * radii))[which, None]
    place = torch.rand(count, 1, generator=generator) * length[which, None] * way
    side = torch.nn.functional.normalize(ball - along * way, dim=-1)
    normals = torch.where(on_side, side, ball)
    cap = torch.where(along > 0, ends[which, 1], ends[which, 0])
    means = torch.where(on_side, ends[which, 0] + place, cap) + radii[which, None] * normals
    means = means - torch.tensor([0, 0.9, 0])

    z = torch.tensor([0.0, 0.0, 1.0]).expand(count, 3)
    lean = torch.cat([1 + normals[:, 2:], torch.linalg.cross(z, normals)], dim=1)
    spin = torch.rand(count, generator=generator) * math.pi
    turn = torch.stack([spin.cos(), 0 * spin, 0 * spin, spin.sin()], dim=1)
    wide = 0.7 * math.sqrt(float(areas.sum()) / count) * (0.7 + 0.6 * torch.rand(count, 2, generator=generator))
    scales = torch.cat([wide, 0.2 * wide.mean(1, keepdim=True)], dim=1)
    opacities = (0.9 + 0.05 * torch.randn(count, generator=generator)).clamp(0.05, 0.99)
    colors = (
        0.5 + 0.4 * torch.sin(9 * means + torch.arange(3)) + 0.1 * torch.randn(count, 3, generator=generator)
    )
    splats = Splats(
        means,
        multiply_quats(normalize_quats(lean), turn),
        scales.log(),
        opacities.logit(),
        sh_from_colors(colors),
    )
    pose = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    pose[2, 3] = 3.0
    intrinsics = torch.tensor([[1.5 * size, 0, size / 2], [0, 1.5 * size, size / 2], [0, 0, 1]])
    return splats, Cameras(pose[None], intrinsics[None], size, size), torch.tensor([0.1, 0.2, 0.3])


def tell_errors() -> None:
    """Greatest difference of colour, and relative errors of gradients, from the reference in float64."""
    for size, count in ((256, 10_000), (512, 40_000)):
        splats, camera, background = person(count, size)
        exact = [value.double() for value in (splats.means, splats.quats, splats.log_scales)]
        exact = Splats(*exact, splats.opacity_logits.double(), splats.sh.double())
        wide = Cameras(camera.cam_from_world.double(), camera.intrinsics.double(), size, size)
        mine = rasterize(splats, camera, background=background)
        truth = rasterize(exact, wide, background=background.double(), backend="reference")
        off = (mine.color - truth.color).abs()
        print(f"{size}² {count}: colour off by {float(off.mean()):.1e} (mean), {float(off.max()):.1e} (most)")
        found = backward(splats, camera, background, "numba", 1)
        expected = backward(exact, wide, background.double(), "reference", 1)
        names = ("means", "quats", "log_scales", "opacity_logits", "sh")
        for name, a, b in zip(names, found, expected, strict=True):
            print(f"    gradient of {name:15} off by {float((a - b).norm() / b.norm()):.1e} of its length")


if __name__ == "__main__":
    main()
