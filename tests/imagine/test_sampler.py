from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vivant.core.errors import BadInputError, CancelledError, NumericalError
from vivant.imagine import (
    SamplerConfig,
    levels_from,
    sample,
    triangular_guidance,
    windows,
)

SHAPE = (1, 2, 3, 4, 5, 6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cases() -> list[str]:
    with np.load(Path(__file__).parents[1] / "golden" / "flow.npz") as file:
        return sorted(name.removesuffix("_result") for name in file.files if name.endswith("_result"))


@pytest.mark.parametrize("case", cases())
def test_euler_is_that_of_diffusers(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with np.load(Path(__file__).parents[1] / "golden" / "flow.npz") as file:
        stored = {name: torch.from_numpy(file[name]) for name in file.files}
    shift, steps, strength = (float(part.lstrip("abcdefghijklmnopqrstuvwxyz")) for part in case.split("_"))
    config = SamplerConfig(steps=int(steps), shift=shift, strength=strength)
    coarse = strength < 1
    torch.testing.assert_close(levels_from(config, coarse=coarse), stored[f"{case}_sigmas"], atol=1e-6, rtol=0)

    def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
        return noisy - sigma * ((3 * noisy).sin() + sigma * noisy - 0.2)

    monkeypatch.setattr(torch, "randn", lambda *shape, **named: stored["noise"])
    made = sample(denoise, SHAPE, config, generator(), start=stored["start"] if coarse else None)
    # The same float32 operations in another order, up to 50 times.
    torch.testing.assert_close(made, stored[f"{case}_result"], atol=1e-5, rtol=0)


def wan_cases() -> list[str]:
    with np.load(Path(__file__).parents[1] / "golden" / "wan.npz") as file:
        return sorted(name.removesuffix("_result") for name in file.files if name.endswith("_result"))


@pytest.mark.parametrize("case", wan_cases())
def test_repainting_is_that_of_wans_video_to_video_pipeline(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by tools/golden_flow.py. Wan has people, channels, frames, rows, columns; here a frame is a view."""
    with np.load(Path(__file__).parents[1] / "golden" / "wan.npz") as file:
        stored = {
            name: torch.from_numpy(file[f"{case}_{name}"]).transpose(-3, -4)
            for name in ("start", "noise", "asked", "said", "result")
        }
    shift, steps, strength, guidance = (
        float(part.lstrip("abcdefghijklmnopqrstuvwxyz")) for part in case.split("_")
    )
    config = SamplerConfig(steps=int(steps), shift=shift, strength=strength)
    calls: list[bool] = []

    def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
        number = len(calls)
        calls.append(guided)
        torch.testing.assert_close(noisy[:, 0], stored["asked"][number], atol=1e-5, rtol=0)
        return noisy - sigma * stored["said"][number][:, None]

    start, count = stored["start"][:, None], stored["start"].shape[1]
    monkeypatch.setattr(torch, "randn", lambda *shape, **named: stored["noise"][:, None])
    weights = None if guidance == 1 else torch.full((count,), guidance)
    made = sample(denoise, tuple(start.shape), config, generator(), start=start, guidance=weights)
    torch.testing.assert_close(made[:, 0], stored["result"], atol=1e-5, rtol=0)
    assert len(calls) == len(stored["asked"]) == int(steps * strength) * (1 if guidance == 1 else 2)
    assert float((stored["result"] - stored["start"]).abs().mean()) > 0.05


def knows(truth: Tensor):
    def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
        return truth[:, :, views]

    return denoise


@pytest.mark.parametrize("solver", ["euler", "heun"])
@pytest.mark.parametrize("steps", [1, 7])
def test_a_denoiser_that_knows_the_truth_gets_it(solver: str, steps: int) -> None:
    truth = torch.rand(SHAPE)
    made = sample(knows(truth), SHAPE, SamplerConfig(steps=steps, solver=solver), generator())
    torch.testing.assert_close(made, truth, atol=1e-5, rtol=0)


def gaussian(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
    """The best estimate if clean values are normal around 0.3 with deviation 0.5."""
    mean, variance = 0.3, 0.25
    gain = variance * (1 - sigma) / ((1 - sigma) ** 2 * variance + sigma**2)
    return mean + gain * (noisy - (1 - sigma) * mean)


def test_heun_errs_less_than_euler_with_as_many_questions() -> None:
    noise = torch.randn(SHAPE, generator=generator(3))
    # The road of a normal variable is known: it keeps its quantile.
    exact = 0.3 + 0.5 * noise
    errors = {}
    for solver, steps in (("euler", 20), ("heun", 10)):
        made = sample(gaussian, SHAPE, SamplerConfig(steps=steps, solver=solver), generator(3))
        errors[solver] = float((made - exact).abs().max())
    assert errors["heun"] < 0.4 * errors["euler"] < 0.1


def test_strength_nothing_keeps_the_start_and_all_forgets_it() -> None:
    start = torch.rand(SHAPE)
    kept = sample(gaussian, SHAPE, SamplerConfig(strength=0.0), generator(), start=start)
    torch.testing.assert_close(kept, start)
    forgotten = sample(gaussian, SHAPE, SamplerConfig(strength=1.0), generator(), start=start)
    torch.testing.assert_close(forgotten, sample(gaussian, SHAPE, SamplerConfig(), generator()))


def test_a_start_at_a_noise_level_goes_on_from_exactly_there() -> None:
    levels = levels_from(SamplerConfig(steps=10, start_sigma=0.47), coarse=True)
    assert float(levels[0]) == pytest.approx(0.47)
    assert bool((levels.diff() < 0).all())
    assert float(levels[-1]) == 0


def test_more_strength_moves_further_from_the_start() -> None:
    start = torch.full(SHAPE, 0.9)
    moved = [
        float(
            (sample(gaussian, SHAPE, SamplerConfig(strength=s), generator(), start=start) - start).abs().mean()
        )
        for s in (0.2, 0.5, 0.9)
    ]
    assert moved == sorted(moved)


def test_windows_cover_all_views_and_share_as_told() -> None:
    for count in (5, 16, 17, 40, 61):
        runs = windows(count, SamplerConfig(window=16, overlap=4))
        assert set(torch.cat(runs).tolist()) == set(range(count))
        for one, other in zip(runs, runs[1:], strict=False):
            assert len(set(one.tolist()) & set(other.tolist())) >= 4
    looped = windows(24, SamplerConfig(window=16, overlap=4, looped=True))
    assert any({23, 0} <= set(run.tolist()) for run in looped)


def test_windows_do_not_show_when_views_are_made_alone() -> None:
    shape = (1, 1, 23, 4, 2, 2)
    whole = sample(gaussian, shape, SamplerConfig(window=23), generator())
    parts = sample(gaussian, shape, SamplerConfig(window=8, overlap=3), generator())
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)


def test_each_view_is_guided_by_its_own_weight() -> None:
    def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
        return torch.full_like(noisy, 0.5 if guided else 0.2)

    weights = torch.tensor([1.0, 2.0, 0.0])
    made = sample(denoise, SHAPE, SamplerConfig(), generator(), guidance=weights)
    torch.testing.assert_close(made[0, 0, :, 0, 0, 0], torch.tensor([0.5, 0.8, 0.2]), atol=1e-5, rtol=0)


def test_guidance_of_one_never_asks_without_conditions() -> None:
    asked = []

    def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
        asked.append(guided)
        return noisy

    sample(denoise, SHAPE, SamplerConfig(steps=3), generator(), guidance=torch.ones(3))
    assert asked == [True] * 3


def test_triangular_guidance_is_weak_in_front_and_strong_behind() -> None:
    made = triangular_guidance(torch.tensor([0.0, 90.0, 180.0, 270.0, 360.0, -90.0]))
    torch.testing.assert_close(made, torch.tensor([1.0, 1.5, 2.0, 1.5, 1.0, 1.5]))


def test_seeds_decide() -> None:
    one, again, other = (sample(gaussian, SHAPE, SamplerConfig(), generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_at_temperature_nothing_one_step_gives_the_mean_whatever_the_seed() -> None:
    cold = SamplerConfig(steps=1, temperature=0.0)
    one, other = (sample(gaussian, SHAPE, cold, generator(seed)) for seed in (1, 2))
    assert torch.equal(one, other)
    torch.testing.assert_close(one, gaussian(torch.zeros(SHAPE), 1.0, torch.arange(SHAPE[2]), True))


def test_progress_is_told_and_cancelling_stops() -> None:
    told: list[float] = []
    sample(gaussian, SHAPE, SamplerConfig(steps=4), generator(), advance=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
    with pytest.raises(CancelledError):
        sample(gaussian, SHAPE, SamplerConfig(steps=4), generator(), cancelled=lambda: len(told) >= 4)


def test_bad_numbers_are_refused() -> None:
    for name, bad in (("strength", 1.5), ("start_sigma", -1.0), ("steps", 0), ("shift", 0.0), ("window", 0),
                      ("temperature", -1.0)):  # fmt: skip
        with pytest.raises(BadInputError, match=f"`{name}` is {bad:g}"):
            SamplerConfig(**{name: bad})
    with pytest.raises(BadInputError, match="`overlap` is 4"):
        SamplerConfig(window=4, overlap=4)
    with pytest.raises(BadInputError, match="2 weights"):
        sample(gaussian, SHAPE, SamplerConfig(), generator(), guidance=torch.ones(2))
    with pytest.raises(NumericalError):
        sample(knows(torch.full(SHAPE, torch.nan)), SHAPE, SamplerConfig(), generator())
