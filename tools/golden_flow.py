"""Make tests/golden/flow.npz and wan.npz: what diffusers makes of the same noise.

The first is of its flow-matching Euler scheduler with a made-up model, the second of Wan's video-to-video
pipeline with a tiny transformer of random weights.

    pip install diffusers==0.42.0 transformers ftfy && python tools/golden_flow.py

Only for those who change the sampler; the tests read the files.
"""

from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


def made_up_velocity(noisy: torch.Tensor, sigma: float) -> torch.Tensor:
    """Any smooth function that is not linear; the test has the same one."""
    return (3 * noisy).sin() + sigma * noisy - 0.2


def main() -> None:
    """Run all cases and write the files."""
    np.savez_compressed(GOLDEN / "flow.npz", **scheduler_runs())
    np.savez_compressed(GOLDEN / "wan.npz", **pipeline_runs())


def scheduler_runs() -> dict[str, np.ndarray]:
    """Levels and results of the scheduler alone."""
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
    return stored


def pipeline_runs() -> dict[str, np.ndarray]:
    """Of `WanVideoToVideoPipeline`: start, noise, what its transformer is asked and says, and the result."""
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanTransformer3DModel,
        WanVideoToVideoPipeline,
    )
    from PIL import Image

    torch.manual_seed(0)
    coder = AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=32, freq_dim=256, ffn_dim=32, num_layers=2, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    words = torch.randn(1, 8, 32), torch.randn(1, 8, 32)
    random = np.random.default_rng(0)
    video = [Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)) for _ in range(9)]
    stored: dict[str, np.ndarray] = {}
    for shift, steps, strength, guidance in ((3.0, 20, 0.3, 1.0), (3.0, 12, 0.8, 1.0), (5.0, 10, 0.7, 4.0)):
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        pipeline = WanVideoToVideoPipeline(
            tokenizer=None,
            text_encoder=None,
            transformer=transformer.eval(),
            vae=coder.eval(),
            scheduler=scheduler,
        )
        pipeline.set_progress_bar_config(disable=True)
        asked: list[torch.Tensor] = []
        said: list[torch.Tensor] = []
        begun: list[torch.Tensor] = []

        def listen(model: object, told: tuple, named: dict, made: tuple, asked=asked, said=said) -> None:
            asked.append(named["hidden_states"].clone())
            said.append(made[0].clone())

        for name in ("scale_noise", "add_noise"):
            real = getattr(scheduler, name, None)
            if real is not None:

                def mix(start, time, noise, real=real, begun=begun):  # noqa: ANN001, ANN202
                    begun[:] = [start.clone(), noise.clone()]
                    return real(start, time, noise)

                setattr(scheduler, name, mix)
        hook = transformer.register_forward_hook(listen, with_kwargs=True)
        made = pipeline(
            video=video, prompt_embeds=words[0], negative_prompt_embeds=words[1], height=16, width=16,
            num_inference_steps=steps, strength=strength, guidance_scale=guidance,
            generator=torch.Generator().manual_seed(0), output_type="latent",
        ).frames  # fmt: skip
        hook.remove()
        case = f"shift{shift}_steps{steps}_strength{strength}_guidance{guidance}"
        start, noise = begun
        parts = {"start": start, "noise": noise, "asked": torch.stack(asked), "said": torch.stack(said)}
        stored |= {f"{case}_{name}": part.float().numpy() for name, part in {**parts, "result": made}.items()}
    return stored


if __name__ == "__main__":
    main()
