import dataclasses
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from vivant.body import forward_kinematics
from vivant.core.errors import BadInputError, CancelledError, NumericalError
from vivant.core.progress import Advanced, Event, Noted
from vivant.core.run import Context
from vivant.reconstruct import ReconstructConfig, ReconstructionCancelledError, reconstruct
from vivant.reconstruct.adam import Adam, Rates
from vivant.reconstruct.cloud import FIELDS
from vivant.reconstruct.densify import DensifyConfig
from vivant.reconstruct.optimise import Fit
from vivant.reconstruct.refine import RefineConfig
from vivant.records import Avatar, Pose, Views
from vivant.splat import pose_splats, rasterize

from .figures import bent, make_avatar, make_cameras, take_views

AZIMUTHS = [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
ANGLES = [0.0, 0.2, -0.2, 0.4, 0.0, 0.1]
SHORT = ReconstructConfig(iterations=12, threads=1)
"""One thread: pictures are small, and handing work over costs more than doing it."""

LONG = dataclasses.replace(SHORT, iterations=60)


def true_views(size: int = 48) -> Views:
    return take_views(make_avatar(800), AZIMUTHS, ANGLES, size)


def psnr(avatar: Avatar, azimuth: float, angle: float) -> float:
    """Against the truth, from one side in one pose, on white."""
    pictures = []
    for shown in (avatar, make_avatar(800)):
        rig = shown.rig
        transforms = forward_kinematics(rig.joint_parents, rig.joints_world, bent(angle))
        posed = pose_splats(shown.splats, shown.binding, transforms)
        pictures.append(rasterize(posed, make_cameras([azimuth]), background=torch.ones(3)).color)
    return -10 * math.log10(float((pictures[0] - pictures[1]).square().mean()))


def same(a: Avatar, b: Avatar) -> bool:
    return all(torch.equal(getattr(a.splats, name), getattr(b.splats, name)) for name in FIELDS)


def test_a_grey_avatar_becomes_the_person_also_from_sides_and_in_poses_not_shown() -> None:
    start = make_avatar(800, grey=True, seed=3)
    found = reconstruct(Context(), start, true_views(), LONG)
    for azimuth, angle in ((30.0, 0.3), (200.0, -0.3)):
        assert psnr(found, azimuth, angle) > psnr(start, azimuth, angle) + 6
        assert psnr(found, azimuth, angle) > 24


def test_the_same_splats_come_out_in_the_same_order() -> None:
    start = make_avatar(300, grey=True)
    found = reconstruct(Context(), start, true_views(), SHORT)
    assert torch.equal(found.binding.face, start.binding.face)
    assert torch.equal(found.binding.skin_weights, start.binding.skin_weights)
    assert float((found.splats.means - start.splats.means).norm(dim=1).max()) < 0.05
    assert not same(found, start)
    torch.testing.assert_close(found.splats.quats.norm(dim=1), torch.ones(300))


def test_the_binding_says_where_the_splats_are() -> None:
    from vivant.body import tangent_frames

    found = reconstruct(Context(), make_avatar(300, grey=True), true_views(), SHORT)
    rig, binding = found.rig, found.binding
    below = (rig.verts[rig.faces[binding.face]] * binding.barycentric[..., None]).sum(1)
    frames = tangent_frames(rig.verts, rig.faces)[binding.face]
    torch.testing.assert_close(below + (frames @ binding.offset[..., None])[..., 0], found.splats.means)
    assert float(binding.offset.abs().max()) > 1e-4


def test_the_given_records_are_left_alone() -> None:
    start, views = make_avatar(300, grey=True), true_views()
    before = [getattr(start.splats, name).clone() for name in FIELDS]
    reconstruct(Context(), start, views, SHORT)
    assert all(torch.equal(getattr(start.splats, name), b) for name, b in zip(FIELDS, before, strict=True))
    assert not any(getattr(start.splats, name).requires_grad for name in FIELDS)


@pytest.mark.parametrize("mode", ["off", "adaptive", "relocate"])
def test_seed_and_goods_decide_every_bit_and_threads_none(mode: str) -> None:
    densify = DensifyConfig(mode=mode, every=5, begin=0.0, end=1.0)  # type: ignore[arg-type]
    config = dataclasses.replace(SHORT, densify=densify)
    start, views = make_avatar(300, grey=True), true_views()
    runs = [
        reconstruct(Context(seed=seed), start, views, dataclasses.replace(config, threads=threads))
        for seed, threads in ((1, 1), (1, 3), (2, 1))
    ]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_a_killed_fit_goes_on_and_ends_where_it_would_have(tmp_path: Path) -> None:
    start, views = make_avatar(300, grey=True), true_views()
    densify = DensifyConfig(mode="adaptive", every=4, begin=0.0, end=1.0)
    config = ReconstructConfig(
        iterations=14, densify=densify, checkpoint=str(tmp_path / "state"), checkpoint_every=5, threads=1,
        refine=RefineConfig(poses=True, cameras=True), unseen="still",
    )  # fmt: skip
    whole = reconstruct(Context(), start, views, dataclasses.replace(config, checkpoint=""))

    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if isinstance(event, Advanced):
            raise Killed

    with pytest.raises(Killed):
        reconstruct(Context(listener=kill), start, views, config)
    heard: list[Event] = []
    resumed = reconstruct(Context(listener=heard.append), start, views, config)
    assert any(isinstance(event, Noted) and "after step 10" in event.text for event in heard)
    assert len(resumed.splats) > 300
    assert same(whole, resumed)


@pytest.mark.parametrize("how", ["one signal", "two signals", "an exception"])
def test_a_step_that_is_broken_off_is_not_kept(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, views = make_avatar(300, grey=True), true_views()
    config = ReconstructConfig(iterations=14, checkpoint=str(tmp_path / "state"), checkpoint_every=5, threads=1)
    whole = reconstruct(Context(), start, views, dataclasses.replace(config, checkpoint=""))
    real, calls = Adam.step, []

    def step(self: Adam, *told: Any, **named: Any) -> None:
        real(self, *told, **named)
        calls.append(0)
        if len(calls) == 8:
            if how == "an exception":
                raise KeyboardInterrupt
            for _ in range(1 if how == "one signal" else 2):
                os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(ReconstructionCancelledError) as caught:
        patch.setattr(Adam, "step", step)
        reconstruct(Context(), start, views, config)
    assert ("keeps the state" in str(caught.value)) == (how == "one signal")
    heard: list[Event] = []
    resumed = reconstruct(Context(listener=heard.append), start, views, config)
    after = 8 if how == "one signal" else 5
    assert any(isinstance(event, Noted) and f"after step {after}," in event.text for event in heard)
    assert same(whole, resumed)


def test_another_number_of_threads_goes_on_from_the_same_state(tmp_path: Path) -> None:
    start, views = make_avatar(200, grey=True), true_views()
    config = dataclasses.replace(SHORT, checkpoint=str(tmp_path / "state"), checkpoint_every=5, threads=1)
    reconstruct(Context(), start, views, config)
    heard: list[Event] = []
    reconstruct(Context(listener=heard.append), start, views, dataclasses.replace(config, threads=2))
    assert any(isinstance(event, Noted) and "goes on after" in event.text for event in heard)


def test_all_harmonics_that_an_avatar_came_with_are_fitted() -> None:
    start = make_avatar(200, bands=9)
    start.splats.sh[:, 1:] = 0.3 * torch.randn(200, 8, 3, generator=torch.Generator().manual_seed(4))
    views = take_views(make_avatar(200), [60.0 * k for k in range(6)], [0.0] * 6, 32)

    def error(avatar: Avatar) -> float:
        drawn = take_views(avatar, [60.0 * k for k in range(6)], [0.0] * 6, 32)
        return float(
            (drawn.images * drawn.alphas[..., None] - views.images * views.alphas[..., None]).square().mean()
        )

    for degree in (0, 1):
        found = reconstruct(Context(), start, views, dataclasses.replace(LONG, iterations=90, sh_degree=degree))
        assert error(found) < 0.25 * error(start)


def test_every_degree_gets_its_turn_in_a_short_fit() -> None:
    views = take_views(make_avatar(100), [0.0, 90.0], [0.0, 0.0], 32)
    config = ReconstructConfig(iterations=12, sh_degree=3, threads=1)
    found = reconstruct(Context(), make_avatar(100), views, config)
    assert found.splats.sh.shape[1] == 16
    assert bool(found.splats.sh[:, 9:].any())


def test_relocation_moves_faint_splats_and_is_the_same_for_any_threads() -> None:
    start, views = make_avatar(300, grey=True), true_views()
    faint = start.splats.opacity_logits.clone()
    faint[::5] = -6.0
    start = dataclasses.replace(start, splats=dataclasses.replace(start.splats, opacity_logits=faint))
    densify = DensifyConfig(mode="relocate", every=5, begin=0.0, end=1.0)
    config = dataclasses.replace(SHORT, iterations=12, densify=densify)
    one, other = (
        reconstruct(Context(), start, views, dataclasses.replace(config, threads=threads)) for threads in (1, 3)
    )
    assert same(one, other)
    far = (one.splats.means - start.splats.means).norm(dim=1) > 0.05
    assert len(one.splats) == 300
    assert float(far[::5].float().mean()) > 0.8
    assert float(one.splats.opacities[::5].median()) > 0.1


def test_opacities_are_reset_in_a_fit_and_it_goes_on_from_there(tmp_path: Path) -> None:
    start, views = make_avatar(300, grey=True), true_views()
    densify = DensifyConfig(mode="adaptive", every=50, begin=0.0, end=1.0, reset_every=6)
    config = dataclasses.replace(SHORT, iterations=7, densify=densify, threads=1)
    reset = reconstruct(Context(), start, views, config)
    plain = reconstruct(Context(), start, views, dataclasses.replace(config, densify=DensifyConfig()))
    assert float(reset.splats.opacities.max()) < 0.1 < 0.5 < float(plain.splats.opacities.median())
    whole = dataclasses.replace(config, iterations=14)
    kept = dataclasses.replace(whole, checkpoint=str(tmp_path / "state"), checkpoint_every=8)

    def stop(event: Event) -> None:
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    with pytest.raises(ReconstructionCancelledError):
        reconstruct(Context(listener=stop), start, views, kept)
    assert same(reconstruct(Context(), start, views, whole), reconstruct(Context(), start, views, kept))


def test_a_wrong_camera_is_found() -> None:
    views = take_views(make_avatar(800), [0.0, 60.0], [0.0, 0.0], 64)
    moved = views.cameras.cam_from_world.clone()
    moved[1, :3, 3] += torch.tensor([0.03, -0.02, 0.0])
    wrong = dataclasses.replace(views, cameras=dataclasses.replace(views.cameras, cam_from_world=moved))
    refine = RefineConfig(cameras=True, shifts=2e-3, camera_turns=0.0)
    still = Rates(1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9)
    config = ReconstructConfig(iterations=80, refine=refine, rates=still, threads=1)
    fit = Fit(Context(), make_avatar(800), wrong, config)
    fit.run()
    corrected = fit.corrections.camera(1, wrong.cameras[1]).cam_from_world[0].detach()
    true = views.cameras.cam_from_world[1]
    assert float((moved[1] - true).norm()) > 0.03
    assert float((corrected - true).norm()) < 0.006


def test_another_fits_checkpoint_is_not_taken(tmp_path: Path) -> None:
    start, views = make_avatar(200, grey=True), true_views()
    config = dataclasses.replace(SHORT, checkpoint=str(tmp_path / "state"), checkpoint_every=5)
    reconstruct(Context(seed=1), start, views, config)
    heard: list[Event] = []
    reconstruct(Context(seed=2, listener=heard.append), start, views, config)
    (note,) = (event.text for event in heard if isinstance(event, Noted))
    assert "another fit, or damaged" in note
    (tmp_path / "state").write_bytes(b"damaged")
    reconstruct(Context(seed=1), start, views, config)


def test_an_interrupt_keeps_what_there_is(tmp_path: Path) -> None:
    start, views = make_avatar(300, grey=True), true_views()

    def interrupt(event: Event) -> None:
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    config = ReconstructConfig(iterations=40, checkpoint=str(tmp_path / "state"), threads=1)
    with pytest.raises(ReconstructionCancelledError, match="10 of 40") as caught:
        reconstruct(Context(listener=interrupt), start, views, config)
    assert isinstance(caught.value, CancelledError)
    kept = caught.value.avatar
    assert len(kept.splats) == 300 and not same(kept, start)
    assert (tmp_path / "state").is_file()


def test_progress_tells_loss_and_psnr() -> None:
    heard: list[Event] = []
    reconstruct(Context(listener=heard.append), make_avatar(200), true_views(), SHORT)
    told = [event for event in heard if isinstance(event, Advanced)]
    assert told[-1].fraction == 1
    assert "loss" in told[-1].note and "dB" in told[-1].note


@pytest.mark.parametrize(("orthographic", "times"), [(False, 1.5), (True, 1.5), (False, 9.0), (True, 0.5)])
def test_coarse_pixels_get_more_steps_but_no_more_than_twice(orthographic: bool, times: float) -> None:
    views = true_views()
    cameras = dataclasses.replace(views.cameras, orthographic=orthographic)
    # The people stand in the origin. An orthographic camera's focal length is pixels a metre wherever they are.
    depth = 1.0 if orthographic else float(cameras.cam_from_world[0, 2, 3])
    config = dataclasses.replace(SHORT, coarse=depth / float(cameras.intrinsics[0, 0, 0]) / times)
    told: list[Event] = []
    views = dataclasses.replace(views, cameras=cameras)
    reconstruct(Context(listener=told.append), make_avatar(50, grey=True), views, config)
    steps = {1.5: 18, 9.0: 24, 0.5: 12}[times]
    heard = [event.fraction for event in told if isinstance(event, Advanced)]
    assert heard == [*(step / steps for step in range(10, steps, 10)), 1.0]


def test_it_stops_when_nothing_gets_better() -> None:
    heard: list[Event] = []
    still = Rates(1e-12, 1e-12, 0.0, 0.0, 0.0, 0.0)
    config = ReconstructConfig(iterations=1000, rates=still, plateau=0.01, threads=1)
    start = make_avatar(200, grey=True)
    reconstruct(Context(listener=heard.append), start, true_views(), config)
    assert any(isinstance(event, Noted) and "of 1000 steps" in event.text for event in heard)
    assert sum(isinstance(event, Advanced) for event in heard) < 20


def test_pixels_without_trust_teach_nothing() -> None:
    views = true_views()
    blind = dataclasses.replace(views, trust=views.trust.clone())
    blind.trust[1:] = 0
    changed = dataclasses.replace(blind, images=blind.images.clone())
    changed.images[1:] = 1 - changed.images[1:]
    start = make_avatar(200, grey=True)
    assert same(reconstruct(Context(), start, blind, SHORT), reconstruct(Context(), start, changed, SHORT))
    assert not same(reconstruct(Context(), start, blind, SHORT), reconstruct(Context(), start, views, SHORT))


def test_splats_that_no_view_shows_stay_if_they_shall() -> None:
    start = make_avatar(800, grey=True)
    front = take_views(make_avatar(800), [0.0], [0.0])
    config = ReconstructConfig(iterations=20, unseen="still", threads=1)
    found = reconstruct(Context(), start, front, config)
    behind = start.splats.means[:, 2] < -0.05
    covered = behind & (start.splats.means[:, 0].abs() < 0.15) & ((start.splats.means[:, 1] - 0.8).abs() < 0.6)
    before = start.splats.means[:, 2] > 0.12
    assert torch.equal(found.splats.sh[behind], start.splats.sh[behind])
    assert int(covered.sum()) > 50
    assert torch.equal(found.splats.means[covered], start.splats.means[covered])
    assert (found.splats.sh[before] != start.splats.sh[before]).flatten(1).any(1).float().mean() > 0.9


def test_splats_that_stick_out_shrink_back_but_neither_fade_nor_change_colour() -> None:
    true = make_avatar(800)
    front = take_views(true, [0.0], [0.0])
    wide = dataclasses.replace(true.splats, means=true.splats.means * torch.tensor([1.15, 1.0, 1.0]))
    start = dataclasses.replace(true, splats=wide)
    config = ReconstructConfig(iterations=40, unseen="still", threads=1)
    found = reconstruct(Context(), start, front, config)

    def beside(avatar: Avatar) -> float:
        return float(take_views(avatar, [0.0], [0.0]).alphas[front.alphas < 0.02].sum())

    assert beside(found) < 0.3 * beside(start)
    hidden = start.splats.means[:, 2] < -0.05
    assert (found.splats.means[hidden] != start.splats.means[hidden]).any()
    assert torch.equal(found.splats.opacity_logits[hidden], start.splats.opacity_logits[hidden])
    assert torch.equal(found.splats.sh[hidden], start.splats.sh[hidden])


def test_wrong_poses_and_cameras_are_found() -> None:
    views = take_views(make_avatar(800), [0.0, 60.0], [0.0, 0.2], 64)
    turned = views.poses.local_quats.clone()
    turned[1] = bent(0.26).local_quats
    wrong = dataclasses.replace(views, poses=Pose(turned, views.poses.root))
    start = make_avatar(800)
    refine = RefineConfig(poses=True, turns=1.2e-2, shifts=0.0, hold=0.0)
    still = Rates(1e-9, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9)
    fit = Fit(Context(), start, wrong, ReconstructConfig(iterations=66, refine=refine, rates=still, threads=1))
    fit.run()
    angle = fit.corrections.tables["turns"].detach()
    # About z, against the wrong turn of 0.06: the bend leans by -angle.
    assert float(angle[1, 1, 2]) == pytest.approx(0.06, abs=0.015)
    assert float(angle[0].abs().max()) < 0.02


def test_harmonics_rise_and_catch_what_changes_with_the_view() -> None:
    shiny = make_avatar(200, bands=4)
    shiny.splats.sh[:, 1:] = 0.3 * torch.randn(200, 3, 3, generator=torch.Generator().manual_seed(4))
    views = take_views(shiny, [60.0 * k for k in range(6)], [0.0] * 6, 32)
    losses = {}
    for degree in (0, 1):
        heard: list[Event] = []
        rates = dataclasses.replace(Rates(), sh_higher=1.0)
        config = dataclasses.replace(LONG, iterations=80, sh_degree=degree, sh_every=5, rates=rates)
        found = reconstruct(Context(listener=heard.append), make_avatar(200), views, config)
        assert found.splats.sh.shape[1] == (degree + 1) ** 2
        told = [event for event in heard if isinstance(event, Advanced)][-1].note
        losses[degree] = float(told.removeprefix("loss ").split(",")[0])
    assert losses[1] < 0.6 * losses[0]


def test_adaptive_densifying_adds_splats_where_there_is_detail() -> None:
    start = make_avatar(60, grey=True)
    views = take_views(make_avatar(800), [0.0, 120.0, 240.0], [0.0, 0.2, -0.2])
    densify = DensifyConfig(mode="adaptive", every=10, begin=0.1, end=0.6, growth=0.3)
    grown = reconstruct(Context(), start, views, dataclasses.replace(LONG, iterations=80, densify=densify))
    plain = reconstruct(Context(), start, views, dataclasses.replace(LONG, iterations=80))
    assert len(grown.splats) > 100 and len(plain.splats) == 60
    assert psnr(grown, 30.0, 0.0) > psnr(plain, 30.0, 0.0) + 0.3


def test_a_bad_view_stops_with_the_name_of_what_broke() -> None:
    views = true_views()
    images = views.images.clone()
    images[:, 20:24, 20:24] = math.nan
    with pytest.raises(NumericalError, match="`"):
        reconstruct(Context(), make_avatar(200), dataclasses.replace(views, images=images), SHORT)


@pytest.mark.parametrize("empty", ["views", "alphas"])
def test_views_of_nobody_are_refused(empty: str) -> None:
    views = true_views()
    if empty == "views":
        none = torch.zeros(0, 48, 48, 3)
        poses = Pose(views.poses.local_quats[:0], views.poses.root[:0])
        views = Views(none, none[..., 0], None, none[..., 0], views.cameras[0:0], poses)
    else:
        views = dataclasses.replace(views, alphas=torch.zeros_like(views.alphas))
    with pytest.raises(BadInputError, match="view"):
        reconstruct(Context(), make_avatar(50), views, SHORT)


def test_views_of_another_rig_are_refused() -> None:
    views = true_views()
    poses = Pose(views.poses.local_quats[:, :1], views.poses.root)
    with pytest.raises(BadInputError, match="rig"):
        reconstruct(Context(), make_avatar(50), dataclasses.replace(views, poses=poses), SHORT)


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"sh_degree": 4}, {"max_side": 3}])
def test_a_config_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInputError, match="needed"):
        ReconstructConfig(**wrong)  # type: ignore[arg-type]


def test_torch_keeps_its_threads_afterwards() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        reconstruct(Context(), make_avatar(50), true_views(), dataclasses.replace(SHORT, iterations=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
