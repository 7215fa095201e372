"""The recipes that imagine views: `refine` and `gas`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests import fakes
from tests.imagine.test_views import LIFTER, card
from tests.networks.test_view_unet import TINY, network

from vivant.core.errors import BadInputError
from vivant.core.progress import Event, Noted
from vivant.core.run import Run
from vivant.core.video import read_video
from vivant.imagine import GenerateConfig, PlanConfig, SamplerConfig, levels_from
from vivant.networks import Lifter, save_weights
from vivant.recipes import Files, build_and_deliver, create, film_paths, load_recipe
from vivant.reconstruct import RecolorConfig, ReshapeConfig, ShadeConfig, StandOffConfig
from vivant.records import Views


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_weights(network(), TINY, card(), folder / "view.safetensors")
    save_weights(Lifter(LIFTER), LIFTER, card(network="lifter"), folder / "lifter.safetensors")
    return {"weights": str(folder / "view.safetensors"), "lifter_weights": str(folder / "lifter.safetensors")}


def refine_config(weights: dict[str, str], **more: Any) -> Any:
    module = load_recipe("refine")
    config = module.Config()
    imagine = replace(config.imagine, plan=PlanConfig(views=3, kind="level"), **weights)
    imagine = replace(imagine, generate=GenerateConfig(SamplerConfig(steps=2, strength=0.5)))
    return replace(config, imagine=imagine, recolor=RecolorConfig(rounds=1), **more)


def gas_config(weights: dict[str, str], **more: Any) -> Any:
    config = load_recipe("gas").Config()
    few = {"generate": GenerateConfig(SamplerConfig(steps=1)), "plan": PlanConfig(views=3, kind="level")}
    return replace(
        config,
        views=replace(config.views, **few, **weights),
        poses=replace(config.poses, **few, **weights),
        recolor=RecolorConfig(rounds=1),
        **more,
    )


def test_without_outlines_refine_moves_colours_only_and_keeps_splats_one_for_one(
    weights: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.Stages().install(monkeypatch, "refine")
    coarse = fakes.avatar(2000)
    still = {
        "stand_off": StandOffConfig(amount=0.0),
        "shade": ShadeConfig(amount=0.0),
        "reshape": ReshapeConfig(rounds=0),
    }
    made = create(fakes.photo(), "refine", refine_config(weights, **still), keep=False)
    assert len(made.splats) == len(coarse.splats)
    torch.testing.assert_close(made.splats.means, coarse.splats.means, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.splats.log_scales, coarse.splats.log_scales)
    moved = (made.splats.sh - coarse.splats.sh).abs().amax((1, 2))
    back = coarse.trust == 0
    assert float(moved[back].max()) > 1e-3
    # What the photo shows stays but for the rim, where seen and guessed splats share pixels.
    assert float(moved[~back].mean()) < 0.3 * float(moved[back].mean())
    assert made.origin.recipe == "refine" and any("vivant-view" in line for line in made.origin.engines)


def test_outlines_move_splats_and_nothing_else_of_them(
    weights: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.Stages().install(monkeypatch, "refine")
    coarse = fakes.avatar(2000)
    made = create(fakes.photo(), "refine", refine_config(weights), keep=False)
    assert len(made.splats) == len(coarse.splats)
    moved = (made.splats.means - coarse.splats.means).norm(dim=1)
    # Twice, by learned depth and by imagined outlines, as far as each may go.
    assert 1e-3 < float(moved.max()) < 0.101
    torch.testing.assert_close(made.splats.log_scales, coarse.splats.log_scales)
    for line in ("vivant-standoff", "vivant-shading"):
        assert any(line in engine for engine in made.origin.engines)


@pytest.mark.parametrize(("guide", "named"), [("splats", ()), ("lifter", ("vivant-lifter",))])
def test_gas_names_the_networks_that_its_guide_needs(guide: str, named: tuple[str, ...]) -> None:
    module = load_recipe("gas")
    config = module.Config()
    found = module.engines(replace(config, views=replace(config.views, guide=guide)))
    assert found == ("mediapipe", "vivant-limbs", "vivant-standoff", "vivant-shading", *named, "vivant-view")


def test_one_guide_for_views_and_poses() -> None:
    config = load_recipe("gas").Config(guide="nerf", videos=True)
    assert [config.guided(one).guide for one in (config.views, config.poses)] == ["nerf", "nerf"]
    assert "vivant-nerf" in load_recipe("gas").engines(config)
    plain = load_recipe("gas").Config()
    assert plain.guided(plain.poses) is plain.poses


def test_refine_sends_its_pictures_part_of_the_way_to_noise_and_back() -> None:
    sampler = load_recipe("refine").Config().imagine.generate.sampler
    levels = levels_from(sampler, coarse=True)
    assert 0 < float(levels[0]) < 1
    assert len(levels) > 2
    assert sampler.temperature == 1


@pytest.mark.parametrize("name", ["refine", "gas"])
def test_the_weights_in_the_package_serve_the_recipes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.Stages().install(monkeypatch, name)
    config, run = load_recipe(name).Config(), Run()
    part = "imagine" if name == "refine" else "views"
    imagine = replace(getattr(config, part), plan=PlanConfig(views=3, kind="level"))
    made = load_recipe(name).build(run, fakes.photo(), replace(config, **{part: imagine}))
    (views,) = run.every(Views)
    coarse = fakes.avatar(2000)
    assert len(made.splats) == len(coarse.splats)
    # Somebody is there, as large as in the photo, and not of noise.
    assert 0.02 < float((views.alphas > 0.5).float().mean()) < 0.6
    assert float(views.images[views.alphas > 0.9].std(0).mean()) < 0.3
    assert all(
        bool(torch.isfinite(getattr(made.splats, table)).all()) for table in ("means", "sh", "log_scales")
    )


def test_each_round_imagines_anew(weights: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.Stages().install(monkeypatch, "refine")
    run = Run()
    load_recipe("refine").build(run, fakes.photo(), refine_config(weights, rounds=2))
    assert [timing.stage for timing in run.timings].count("imagine_views") == 2
    first, second = run.every(Views)
    assert not torch.equal(first.images, second.images)


def test_gas_writes_its_films_only_when_asked(
    weights: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from vivant.core.images import write_image

    fakes.Stages().install(monkeypatch, "gas")
    write_image(torch.rand(64, 48, 3), tmp_path / "me.png")
    files = Files.named(tmp_path, "me")
    plain, filmed = gas_config(weights), gas_config(weights, videos=True)
    assert film_paths("gas", plain, files) == ()
    build_and_deliver(Run(), tmp_path / "me.png", "gas", plain, files)
    assert not list(tmp_path.glob("*.mp4"))
    assert "Imagined views" in files.report.read_text()
    build_and_deliver(Run(), tmp_path / "me.png", "gas", filmed, files)
    paths = film_paths("gas", filmed, files)
    assert [path.name for path in paths] == ["me.views.mp4", "me.poses.mp4"]
    for path in paths:
        assert len(list(read_video(path, 10.0, 1024, 100))) == 3


def test_gas_refuses_a_motion_that_does_not_exist_before_any_work() -> None:
    with pytest.raises(BadInputError, match="no motion 'fly'"):
        load_recipe("gas").Config(videos=True, motion="fly")


def test_views_of_nobody_change_nothing(weights: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.Stages().install(monkeypatch, "refine")
    told: list[Event] = []
    config = refine_config(weights, shade=ShadeConfig(amount=0.0))
    blind = replace(config, imagine=replace(config.imagine, trust=0.0))
    made = create(fakes.photo(), "refine", blind, keep=False, listener=told.append)
    assert torch.equal(made.splats.sh, fakes.avatar(2000).splats.sh)
    assert any("nothing is taken" in event.text for event in told if isinstance(event, Noted))


def test_rounds_have_bounds() -> None:
    with pytest.raises(BadInputError, match="`rounds` is 0"):
        load_recipe("refine").Config(rounds=0)


@pytest.mark.parametrize("name", ["refine", "gas"])
def test_depth_that_may_not_move_anything_is_not_named(name: str) -> None:
    recipe = load_recipe(name)
    for still in (StandOffConfig(amount=0.0), StandOffConfig(limit=0.0)):
        assert "vivant-standoff" not in recipe.engines(replace(recipe.Config(), stand_off=still))
    assert "vivant-standoff" in recipe.engines(recipe.Config())
