"""Make tests/golden/flow.npz: what diffusers' flow-matching Euler scheduler does with a made-up model.

    pip install diffusers==0.42.0 && python tools/golden_flow.py

Only for those who change the sampler; the tests read the file.
"""

from pathlib import Path

import numpy as np
import torch

PATH = Path(__file__).parents[1] / "tests" / "golden" / "flow.npz"


def made_up_velocity(noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    """Any smooth function that is not linear; the test has the same one."""
    return (3 * noisy).sin() + sigma * noisy - 0.2


def main() -> None:
    """Run all cases and write the file."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(1, 2, 3, 4, 5, 6, generator=generator)
    start = torch.rand(1, 2, 3, 4, 5, 6, generator=generator) * 2 - 1
    stored = {"noise": noise.numpy(), "start": start.numpy()}
    for shift, steps, strength in (
        (1.0, 15, 1.0),
        (3.0, 15, 1.0),
        (3.0, 20, 0.5),
        (1.0, 10, 0.35),
        (5.0, 50, 0.8),
    ):
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        scheduler.set_timesteps(steps)
        # As WanVideoToVideoPipeline.get_timesteps begins part-way.
        begin = steps - min(int(steps * strength), steps)
        times = scheduler.timesteps[begin:]
        scheduler.set_begin_index(begin)
        sample = noise if strength == 1 else scheduler.scale_noise(start, times[:1], noise)
        for time, sigma in zip(times, scheduler.sigmas[begin:], strict=False):
            sample = scheduler.step(made_up_velocity(sample, float(sigma)), time, sample, return_dict=False)[0]
        name = f"shift{shift}_steps{steps}_strength{strength}"
        stored[f"{name}_sigmas"] = scheduler.sigmas[begin:].numpy()
        stored[f"{name}_result"] = sample.numpy()
    np.savez_compressed(PATH, **stored)


if __name__ == "__main__":
    main()
