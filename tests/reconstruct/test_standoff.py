"""Learned depth carried to a coarse avatar."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import fakes
from tests.imagine.test_views import card
from tests.reconstruct.bodies import avatar

from vivant.body import forward_kinematics
from vivant.core.cameras import project
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.progress import Event, Noted
from vivant.core.run import Context
from vivant.networks import BodyMapConfig, Standoff, save_weights, standoff_features
from vivant.networks.standoff import BENDS, ZONES
from vivant.reconstruct import StandOffConfig, stand_off
from vivant.reconstruct.surface_field import field_over, over_places
from vivant.records import Avatar
from vivant.splat import pose_splats

PLACES = torch.arange(0, 13718, 60).int()
BUILD = 3 * len(ZONES) + 6
FEATURES = BUILD + 2 * len(PLACES) + 3 * len(BENDS)


def asking(features: int = FEATURES) -> Standoff:
    """A network that reads avatars at a few places, and says that nothing moves."""
    network = Standoff(BodyMapConfig(features=features, places=len(PLACES)))
    network.places[:] = PLACES
    return network


def knowing(backs_mm: float) -> Standoff:
    """A network that puts the backs of all trunks so far out."""
    network = asking()
    verts = fakes.rig().verts
    back = (verts[:, 1] > 0.9) & (verts[:, 1] < 1.4) & (verts[:, 2] < -0.02) & (verts[:, 0].abs() < 0.15)
    network.mean[back] = backs_mm
    return network


def leaning() -> Avatar:
    """Somebody who leans and raises an arm in the photo."""
    made = avatar()
    quats = made.photo_pose.local_quats.clone()
    quats[made.rig.joint("root")] = torch.tensor([0.96, 0.28, 0.0, 0.0])
    quats[made.rig.joint("upperarm01.L")] = torch.tensor([0.8, 0.0, 0.0, 0.6])
    return replace(made, photo_pose=replace(made.photo_pose, local_quats=quats))


def file_of(network: Standoff, folder: Path) -> str:
    path = folder / "standoff.safetensors"
    save_weights(network, network.config, card(network="standoff"), path)
    return str(path)


def test_the_back_stands_off_as_far_as_is_known(tmp_path: Path) -> None:
    before, weights = avatar(), file_of(knowing(15.0), tmp_path)
    means = before.splats.means
    middle = (means[:, 1] > 1.0) & (means[:, 1] < 1.3) & (means[:, 0].abs() < 0.08)
    for amount in (1.0, 0.5):
        config = StandOffConfig(weights=weights, amount=amount, sideways=1.0)
        move = stand_off(Context(), before, config).splats.means - means
        back, front = middle & (means[:, 2] < -0.05), middle & (means[:, 2] > 0.08)
        assert float(-move[back, 2].mean()) == pytest.approx(0.015 * amount, rel=0.2)
        assert float(move[front].norm(dim=1).mean()) < 1.5e-3


@pytest.mark.parametrize("orthographic", [False, True])
def test_along_the_photos_rays_depth_changes_and_the_photo_does_not(tmp_path: Path, orthographic: bool) -> None:
    network = asking()
    network.mean[:] = 8.0
    before, weights = leaning(), file_of(network, tmp_path)
    before = replace(before, photo_camera=replace(before.photo_camera, orthographic=orthographic))
    pixels, depth, moves = [], [], []
    for config in (StandOffConfig(amount=0.0), StandOffConfig(sideways=0.0), StandOffConfig(sideways=1.0)):
        after = stand_off(Context(), before, replace(config, weights=weights))
        joints = forward_kinematics(before.rig.joint_parents, before.rig.joints_world, before.photo_pose)
        there, far = project(pose_splats(after.splats, after.binding, joints).means, before.photo_camera)
        pixels.append(there)
        depth.append(far)
        moves.append((after.splats.means - before.splats.means).norm(dim=1))
    along, all_over = ((pixels[k] - pixels[0]).norm(dim=1) for k in (1, 2))
    assert float(along.quantile(0.95)) < 0.1 * float(all_over.quantile(0.95))
    height = before.splats.means[:, 1]
    torso = (height > 1.0) & (height < 1.3) & (before.splats.means[:, 0].abs() < 0.05)
    assert float((depth[1] - depth[0])[torso].abs().mean()) > 0.004
    assert float(moves[1].mean()) < float(moves[2].mean())


def test_nothing_but_places_changes_and_no_amount_is_no_change(tmp_path: Path) -> None:
    before, weights = avatar(), file_of(knowing(15.0), tmp_path)
    after = stand_off(Context(), before, StandOffConfig(weights=weights))
    for name in ("quats", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(after.splats, name), getattr(before.splats, name))
    assert stand_off(Context(), before, StandOffConfig(amount=0.0)) is before


def test_another_body_keeps_its_shape_and_is_told() -> None:
    told = list[Event]()
    other = replace(avatar(), shape=replace(avatar().shape, model="smplx"))
    assert stand_off(Context(listener=told.append), other, StandOffConfig()) is other
    assert any("anny body" in event.text for event in told if isinstance(event, Noted))


def test_features_are_millimetres_off_the_body_by_part_side_and_place() -> None:
    before = avatar()
    offset = before.binding.offset.clone()
    offset[:, 2] = 0.012
    build, off, trust, bends = standoff_features(
        replace(before, binding=replace(before.binding, offset=offset)), PLACES
    )
    assert (len(build), len(off), len(trust), len(bends)) == (BUILD, len(PLACES), len(PLACES), 3 * len(BENDS))
    measured = build[: 3 * len(ZONES)]
    assert bool(((measured - 12).abs() < 1e-3).logical_or(measured == 0).all())
    assert int((measured != 0).sum()) > 20
    torch.testing.assert_close(off, torch.full_like(off, 12.0), atol=1e-3, rtol=0)


def test_parts_are_those_that_move_a_splat_most_in_whatever_order_joints_are_listed() -> None:
    before = avatar()
    offset = before.binding.offset.clone()
    offset[:, 2] = before.splats.means[:, 1] / 100
    before = replace(before, binding=replace(before.binding, offset=offset))
    binding = before.binding
    turned = replace(
        binding, skin_joints=binding.skin_joints.flip(1), skin_weights=binding.skin_weights.flip(1)
    )
    build, again = (standoff_features(replace(before, binding=some), PLACES)[0] for some in (binding, turned))
    torch.testing.assert_close(again, build)
    shin = [joints[0] for joints in ZONES].index("lowerleg01.L")
    assert 1 < float(build[3 * shin]) < 6


def test_places_tell_what_lies_about_them_and_the_pose_which_joints_turn() -> None:
    before = avatar()
    offset, high = torch.zeros_like(before.binding.offset), before.splats.means[:, 1] > 1.0
    offset[high, 2] = 0.02
    quats = before.photo_pose.local_quats.clone()
    quats[before.rig.joint("lowerarm01.L")] = torch.tensor([0.8, 0.6, 0.0, 0.0])
    changed = replace(
        before,
        binding=replace(before.binding, offset=offset),
        trust=high.float(),
        photo_pose=replace(before.photo_pose, local_quats=quats),
    )
    _, off, trust, bends = standoff_features(changed, PLACES)
    above = before.rig.verts[PLACES.long(), 1]
    assert bool((off[above > 1.15] > 17).all() and (off[above < 0.85] < 3).all())
    torch.testing.assert_close(off / 20, trust, atol=1e-4, rtol=0)
    turned = bends.unflatten(0, (-1, 3))[BENDS.index("lowerarm01.L")]
    torch.testing.assert_close(turned, torch.tensor([2 * 0.643501, 0.0, 0.0]), atol=1e-4, rtol=0)


def test_wrong_files_and_numbers_are_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"no weights")
    with pytest.raises(BadFileError, match=r"wrong\.safetensors"):
        stand_off(Context(), avatar(), StandOffConfig(weights=str(wrong)))
    other = asking(features=FEATURES - 1)
    with pytest.raises(BadFileError, match=f"{FEATURES - 1} numbers"):
        stand_off(Context(), avatar(), StandOffConfig(weights=file_of(other, tmp_path)))
    elsewhere = asking()
    elsewhere.places[3] = 20000
    with pytest.raises(BadFileError, match="name no vertices"):
        stand_off(Context(), avatar(), StandOffConfig(weights=file_of(elsewhere, tmp_path)))
    spoilt = asking()
    spoilt.mean[:] = float("nan")
    with pytest.raises(BadFileError, match="weights for learned depth answer"):
        stand_off(Context(), avatar(), StandOffConfig(weights=file_of(spoilt, tmp_path)))
    for numbers in ({"amount": -1.0}, {"sideways": 1.5}, {"limit": 2.0}):
        with pytest.raises(BadInputError):
            StandOffConfig(**numbers)  # pyright: ignore


def test_moves_of_vertices_reach_the_splats_without_losing_their_peaks() -> None:
    before = avatar()
    field, rig = field_over(before), before.rig
    moves = 0.01 * torch.sin(12 * rig.verts[:, 1])
    found = field.mix(over_places(field, before, moves))
    free = field.mix.share.sum(1) > 0.99
    asked = (moves[rig.faces[before.binding.face]] * before.binding.barycentric).sum(1).double().numpy()
    # As means of means the moves would come out 2.3 mm wrong, and a tenth too small.
    assert float(np.sqrt(((found - asked)[free] ** 2).mean())) < 0.7e-3
    assert float(np.abs(found[free]).max()) == pytest.approx(0.01, rel=0.05)
