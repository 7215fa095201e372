from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.networks.test_view_unet import TINY, network

from vivant.animate import builtin_motion
from vivant.body import rest_pose
from vivant.core.errors import BadFileError, BadInputError, MissingWeightsError
from vivant.core.progress import Advanced, Event, Noted
from vivant.core.run import Context
from vivant.engines import own_networks
from vivant.imagine import (
    GenerateConfig,
    ImagineConfig,
    PlanConfig,
    SamplerConfig,
    imagine_poses,
    imagine_views,
)
from vivant.networks import HumanNerf, Lifter, LifterConfig, ModelCard, NerfConfig, save_weights
from vivant.records import Avatar, Pose

NERF = NerfConfig(side=16, channels=(8, 16), width=16, layers=1, coarse=8, fine=4)
LIFTER = LifterConfig(width=24, layers=1, heads=2, anchors=256, splats=8, channels=(8, 16), detail=8)
KEEP = SamplerConfig(strength=0.0)


def card(score: float = 30.0, network: str = "view") -> ModelCard:
    return ModelCard(network, "", "Apache-2.0", 1, 1, score, "PSNR", 20.0, "")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_weights(network(), TINY, card(), folder / "view.safetensors")
    save_weights(HumanNerf(NERF), NERF, card(network="nerf"), folder / "nerf.safetensors")
    save_weights(Lifter(LIFTER), LIFTER, card(network="lifter"), folder / "lifter.safetensors")
    names = {"weights": "view", "nerf_weights": "nerf", "lifter_weights": "lifter"}
    return {option: str(folder / f"{name}.safetensors") for option, name in names.items()}


def config(weights: dict[str, str], sampler: SamplerConfig = KEEP, **more: object) -> ImagineConfig:
    plan = PlanConfig(views=4, kind="level")
    told = ImagineConfig(plan=plan, generate=GenerateConfig(sampler), detail=0, **weights)
    return replace(told, **more)


def test_nothing_repainted_are_the_avatars_own_pictures(weights: dict[str, str]) -> None:
    views = imagine_views(Context(), fakes.avatar(), fakes.person(), config(weights))
    assert views.images.shape == (4, TINY.size, TINY.size, 3)
    # The person fills much of each picture, and is the avatar's red.
    assert 0.05 < float((views.alphas > 0.5).float().mean()) < 0.5
    middle = views.images[views.alphas > 0.9].mean(0)
    torch.testing.assert_close(middle, torch.tensor([0.8, 0.2, 0.2]), atol=0.03, rtol=0)


def test_views_can_be_larger_than_the_generator_makes_them(weights: dict[str, str]) -> None:
    from vivant.imagine.guides import splat_guides

    avatar = fakes.avatar()
    views = imagine_views(Context(), avatar, fakes.person(), config(weights, detail=96))
    assert views.images.shape == (4, 96, 96, 3) and views.trust.shape == (4, 96, 96)
    assert (views.cameras.width, views.cameras.height) == (96, 96)
    # Nothing repainted is the avatar drawn that large.
    drawn, _ = splat_guides(avatar, views.cameras, views.poses)
    torch.testing.assert_close(views.alphas, drawn[:, 3], atol=0.02, rtol=0)


def test_what_the_photo_shows_is_not_learned_from_imagined_views(weights: dict[str, str]) -> None:
    views = imagine_views(Context(), fakes.avatar(), fakes.person(), config(weights, trust=0.4))
    solid = views.alphas > 0.9
    front, back = views.trust[0][solid[0]], views.trust[2][solid[2]]
    assert float(front.mean()) < 0.1 * float(back.mean())
    assert float(back.max()) <= 0.4 + 1e-6 and float(back.max()) > 0.35
    assert float(views.trust[views.alphas < 0.1].max()) == 0


def test_a_small_guide_covers_as_much_as_a_large_one() -> None:
    from vivant.imagine.guides import splat_guides

    # The rasteriser widens splats by a part of a pixel: drawn at once, few pixels would show a fatter person.
    avatar, areas = fakes.avatar(), []
    for size in (48, 512):
        drawn, _ = splat_guides(avatar, fakes.camera().resized(size, size), in_photo(avatar))
        areas.append(float(drawn[0, 3].mean()))
    assert areas[0] == pytest.approx(areas[1], rel=0.002)


def in_photo(avatar: Avatar) -> Pose:
    return Pose(avatar.photo_pose.local_quats[None], avatar.photo_pose.root[None])


def test_the_first_camera_stands_where_the_photo_was_taken(weights: dict[str, str]) -> None:
    views = imagine_views(Context(), fakes.avatar(), fakes.person(), config(weights))
    ways = [torch.nn.functional.normalize(c - torch.tensor([0, 0.85, 0]), dim=0)[[0, 2]] for c in
            (views.cameras.centers_world[0], fakes.camera().centers_world[0])]  # fmt: skip
    assert float((ways[0] - ways[1]).norm()) < 0.05


def test_a_turned_person_is_told_to_the_generator_as_one_before_the_camera(weights: dict[str, str]) -> None:
    """Conditions do not depend on which way the world's axes point."""
    from vivant.imagine.guides import splat_guides
    from vivant.imagine.plan import turntable
    from vivant.imagine.told import conditions_of, frame_photo, place_in_photo

    def told(turn: float) -> torch.Tensor:
        avatar = fakes.avatar()
        quats = rest_pose(len(avatar.rig.joint_names)).local_quats.clone()
        half = torch.tensor(turn / 2)
        quats[0] = torch.tensor([float(half.cos()), 0.0, float(half.sin()), 0.0])
        spin = torch.eye(4)
        spin[0, 0] = spin[2, 2] = float(torch.tensor(turn).cos())
        spin[0, 2] = float(torch.tensor(turn).sin())
        spin[2, 0] = -spin[0, 2]
        root = avatar.rig.joints_world[0]
        about = torch.eye(4)
        about[:3, 3] = root - spin[:3, :3] @ root
        camera = replace(
            avatar.photo_camera,
            cam_from_world=avatar.photo_camera.cam_from_world @ torch.linalg.inv(about @ spin),
        )
        avatar = replace(avatar, photo_pose=Pose(quats, torch.zeros(3)), photo_camera=camera)
        place = place_in_photo(avatar)
        plan = PlanConfig(views=3, kind="level")
        cameras = turntable(
            place.middle, float(place.height), place.front_deg, plan, torch.Generator(), TINY.size
        )
        poses = Pose(quats.expand(3, -1, -1), torch.zeros(3, 3))
        guide, _ = splat_guides(avatar, cameras, poses)
        photo = frame_photo(fakes.person(), avatar, TINY.size)
        made = conditions_of(avatar, photo, guide, cameras, poses, place, "view", TINY)
        return made.rays

    torch.testing.assert_close(told(0.0), told(0.8), atol=2e-2, rtol=0)


def test_a_clip_follows_the_motion_before_one_camera(weights: dict[str, str]) -> None:
    motion = builtin_motion("wave", fakes.rig(), fps=4.0)
    views = imagine_poses(Context(), fakes.avatar(), fakes.person(), motion, config(weights))
    assert len(views.images) == 4
    assert float((views.cameras.cam_from_world - views.cameras.cam_from_world[:1]).abs().max()) == 0
    torch.testing.assert_close(views.poses.local_quats[0], motion.pose.local_quats[0])
    torch.testing.assert_close(views.poses.local_quats[-1], motion.pose.local_quats[-1])
    assert float((views.alphas[0] - views.alphas[2]).abs().max()) > 0.3


def test_a_new_lifters_guides_show_the_photos_colours_on_the_body(weights: dict[str, str]) -> None:
    told = config(weights, guide="lifter")
    views = imagine_views(Context(), fakes.avatar(), fakes.person(), told)
    solid = views.alphas > 0.9
    assert 0.05 < float(solid.float().mean()) < 0.5
    photo = fakes.person()
    shown = photo.foreground[photo.alpha > 0.9].mean(0)
    # From the back, too: the rules complete what the photo hides.
    for view in (0, 2):
        torch.testing.assert_close(views.images[view][solid[view]].mean(0), shown, atol=0.1, rtol=0)


@pytest.mark.parametrize("guide", ["nerf", "lifter", "normals", "splats"])
def test_guides_matter_to_what_is_made(weights: dict[str, str], guide: str) -> None:
    few = SamplerConfig(steps=2)
    told = config(weights, few, begin="noise", guide=guide, guidance="triangular", guidance_back=2.0)
    views = imagine_views(Context(), fakes.avatar(), fakes.person(), told)
    assert bool(torch.isfinite(views.images).all())
    other = replace(told, guide="splats" if guide != "splats" else "normals")
    assert not torch.equal(views.images, imagine_views(Context(), fakes.avatar(), fakes.person(), other).images)


def test_a_condition_can_be_left_out(weights: dict[str, str]) -> None:
    noisy = config(weights, SamplerConfig(steps=1), begin="noise")
    all_told = imagine_views(Context(), fakes.avatar(), fakes.person(), noisy)
    blind = imagine_views(Context(), fakes.avatar(), fakes.person(), replace(noisy, leave_out=("reference",)))
    assert not torch.equal(all_told.images, blind.images)


def test_the_same_seed_imagines_the_same(weights: dict[str, str]) -> None:
    noisy = config(weights, SamplerConfig(steps=2), begin="noise")
    made = [imagine_views(Context(seed=s), fakes.avatar(), fakes.person(), noisy).images for s in (0, 0, 1)]
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_progress_is_told_and_weak_weights_are_owned_up_to(weights: dict[str, str], tmp_path: Path) -> None:
    save_weights(network(), TINY, card(score=12.0), tmp_path / "weak.safetensors")
    events: list[Event] = []
    weak = {**weights, "weights": str(tmp_path / "weak.safetensors")}
    half = config(weak, SamplerConfig(steps=4, strength=0.5))
    imagine_views(Context(listener=events.append), fakes.avatar(), fakes.person(), half)
    assert [e.fraction for e in events if isinstance(e, Advanced)] == [0.5, 1.0]
    assert any("12.0 dB" in e.text and "20.0 dB" in e.text for e in events if isinstance(e, Noted))


def test_absent_weights_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(own_networks.resources, "files", lambda _: tmp_path)
    with pytest.raises(MissingWeightsError, match="vivant train view"):
        imagine_views(Context(), fakes.avatar(), fakes.person(), ImagineConfig())
    with pytest.raises(BadFileError, match="nothing.safetensors"):
        imagine_views(
            Context(),
            fakes.avatar(),
            fakes.person(),
            ImagineConfig(weights=str(tmp_path / "nothing.safetensors")),
        )


def test_another_rig_is_refused(weights: dict[str, str]) -> None:
    avatar = fakes.avatar()
    names = tuple(f"bone{number}" for number in range(len(avatar.rig.joint_names)))
    other = replace(avatar, rig=replace(avatar.rig, joint_names=names))
    with pytest.raises(BadInputError, match="anny body only"):
        imagine_views(Context(), other, fakes.person(), config(weights))


def test_impossible_settings_are_refused() -> None:
    for name, bad in (("trust", 1.5), ("guidance_front", -1.0), ("guidance_back", float("nan"))):
        with pytest.raises(BadInputError, match=f"`{name}` is"):
            ImagineConfig(**{name: bad})
    with pytest.raises(BadInputError, match="smell"):
        ImagineConfig(leave_out=("smell",))
