"""What our own networks cost: seconds for views with normals, for the lifter and for the human NeRF.

    python benchmarks/bench_networks.py [--size full] [--views 16] [--steps 15] [--threads 2] [--dtype auto]
        [--quick]

Weights do not matter for speed: random ones are taken. Each network is asked once before the clock runs.
bfloat16 is taken where the processor multiplies it; `--dtype` forces a type. `--quick` times three steps and
tells the rest; `--size reduced` takes networks as large as those in the package.
"""

import argparse
import time
from typing import Any

import torch

from vivant.body import load_anny
from vivant.core.cameras import orbit
from vivant.imagine import SamplerConfig, sample
from vivant.networks import (
    KINDS,
    HumanNerf,
    Lifter,
    LifterConfig,
    NerfConfig,
    Photographed,
    ViewConditions,
    ViewUNet,
    ViewUNetConfig,
    anny_anchors,
    count_parameters,
    flat_colors,
    lifter_input,
    nerf_scene,
    working_dtype,
)
from vivant.training import find_training


def main() -> None:
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", choices=("full", "reduced"), default="full")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    dtype = working_dtype("cpu") if told.dtype == "auto" else getattr(torch, told.dtype)
    print(
        f"torch {torch.__version__}, {told.threads} threads, {torch.backends.cpu.get_cpu_capability()}, {dtype}"
    )
    with torch.inference_mode():
        bench_machine(dtype)
        bench_views(_config("view", told.size), told.views, told.steps, dtype, quick=told.quick)
        bench_lifter_and_nerf(_config("lifter", told.size), _config("nerf", told.size))


def _config(network: str, size: str) -> Any:
    """As it is trained."""
    return find_training(network, size=size).objective.config  # pyright: ignore


def bench_machine(dtype: torch.dtype, side: int = 1024) -> None:
    """Say how fast the machine multiplies just now: shared ones differ by half from hour to hour."""
    matrix = torch.randn(side, side, dtype=dtype)
    seconds = _least(lambda: matrix @ matrix, runs=20)
    print(f"machine {2 * side**3 / seconds / 1e9:.0f} billion operations a second in a product of matrices")


def bench_views(config: ViewUNetConfig, views: int, steps: int, dtype: torch.dtype, *, quick: bool) -> None:
    """Time the generator with its sampler."""
    network = ViewUNet(config).eval().to(dtype).to(memory_format=torch.channels_last)
    size, places = config.size, config.size // config.patch
    conditions = ViewConditions(
        torch.rand(1, 7, size, size),
        torch.rand(1, views, 4, size, size),
        torch.rand(1, views, 3, size, size),
        torch.rand(1, views, 3, size, size),
        torch.rand(1, views, 6, places, places),
        torch.ones(1, len(KINDS)),
        torch.zeros(1, dtype=torch.long),
    )
    encoded = network.encode(conditions)
    shape = (1, 2, views, 4, size, size)
    network(torch.randn(shape), torch.tensor([0.5]), encoded)
    timed = min(steps, 3) if quick else steps

    def denoise(noisy: torch.Tensor, sigma: float, index: torch.Tensor, guided: bool) -> torch.Tensor:
        return network(noisy, torch.tensor([sigma]), encoded)

    begun = time.perf_counter()
    sample(denoise, shape, SamplerConfig(steps=timed, window=views), torch.Generator().manual_seed(0))
    seconds = (time.perf_counter() - begun) * steps / timed
    millions = count_parameters(network) / 1e6
    note = f" (from {timed} steps)" if timed < steps else ""
    print(
        f"view    {millions:5.2f} M  {views} views + normals, {steps} steps: {seconds:6.2f} s{note}", flush=True
    )


def bench_lifter_and_nerf(lifter_config: LifterConfig, nerf_config: NerfConfig) -> None:
    """Time one pass from a photo to splats, and one picture of the radiance field."""
    model = load_anny()
    rig = model.rig(model.default_shape())
    cameras = orbit(torch.tensor([0.0, 0.9, 0.0]), [0.0], extent=2.0, width=256, height=256)
    joints = torch.eye(4).repeat(1, len(rig.joint_names), 1, 1)
    photo = flat_colors(torch.rand(1, 4, 256, 256))
    people = Photographed(photo, cameras.cam_from_world, cameras.intrinsics, joints, rig.verts[None], rig.faces)
    lifter = Lifter(lifter_config).eval()
    told = lifter_input(
        people, torch.full((1, 256, 256), 4.0), anny_anchors(lifter_config.anchors, lifter_config.splats)
    )
    splats, seconds = lifter_config.anchors * lifter_config.splats, _least(lambda: lifter(told))
    print(f"lifter  {count_parameters(lifter) / 1e6:5.2f} M  {splats:,} splats: {seconds:6.2f} s")
    nerf = HumanNerf(nerf_config).eval()
    scene = nerf_scene(people, joints, anny_anchors(2048, 4))
    small = cameras.resized(nerf_config.side, nerf_config.side)
    seconds = _least(lambda: nerf(scene, small.cam_from_world, small.intrinsics))
    print(f"nerf    {count_parameters(nerf) / 1e6:5.2f} M  one picture: {seconds:6.2f} s")


def _least(work, runs: int = 3) -> float:  # noqa: ANN001
    work()
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


if __name__ == "__main__":
    main()
