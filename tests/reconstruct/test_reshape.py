"""Imagined outlines carried back to the surface."""

from dataclasses import replace

import pytest
import torch
from tests.reconstruct.bodies import avatar, person

from vivant.body import forward_kinematics, tangent_frames
from vivant.core.cameras import orbit
from vivant.core.errors import BadInputError, NumericalError
from vivant.core.progress import Advanced, Event
from vivant.core.run import Context
from vivant.reconstruct import ReshapeConfig, reshape
from vivant.records import Avatar, Pose, Views
from vivant.splat import pose_splats, rasterize_averaged

BLIND = ReshapeConfig(evidence=0.0)
"""Imagined outlines alone."""


def padded(of: Avatar, thicker: float) -> Avatar:
    """The trunk stands out in front and behind, and nowhere else."""
    means = of.splats.means.clone()
    trunk = (means[:, 1] > 0.85) & (means[:, 1] < 1.35) & (means[:, 0].abs() < 0.13)
    means[trunk, 2] += thicker * means[trunk, 2].sign()
    return replace(of, splats=replace(of.splats, means=means))


def turned(of: Avatar, views: int = 8) -> Views:
    """Its masks from all round."""
    cameras = orbit(torch.tensor([0.0, 0.85, 0.0]), [360.0 * v / views for v in range(views)], extent=2.1,
                    width=128, height=128, fov_deg=30.0)  # fmt: skip
    pose = of.photo_pose
    poses = Pose(pose.local_quats.expand(views, -1, -1), pose.root.expand(views, -1))
    joints = forward_kinematics(of.rig.joint_parents, of.rig.joints_world, pose)
    alphas = rasterize_averaged(pose_splats(of.splats, of.binding, joints), cameras, normals=False).alpha
    return Views(torch.zeros(*alphas.shape, 3), alphas, None, torch.full_like(alphas, 0.4), cameras, poses)


def trunk_depth(of: Avatar) -> float:
    """How far its front stands before its back, in millimetres."""
    means = of.splats.means
    at = (means[:, 1] > 1.0) & (means[:, 1] < 1.2) & (means[:, 0].abs() < 0.05)
    return 1000 * float(means[at, 2].quantile(0.9) - means[at, 2].quantile(0.1))


def test_the_views_own_avatar_stays_as_it_is() -> None:
    before = avatar()
    after = reshape(Context(), before, person(before), turned(before), BLIND)
    assert float((after.splats.means - before.splats.means).norm(dim=1).max()) < 1e-3


def test_a_deeper_trunk_is_taken_over_from_masks_of_128_pixels() -> None:
    before = avatar()
    true = padded(before, 0.015)
    after = reshape(Context(), before, person(before), turned(true), replace(BLIND, rounds=3))
    asked = trunk_depth(true) - trunk_depth(before)
    assert asked > 25
    assert trunk_depth(after) - trunk_depth(before) == pytest.approx(asked, rel=0.25)
    # Feet and head are not in it.
    still = (before.splats.means[:, 1] < 0.5) | (before.splats.means[:, 1] > 1.55)
    assert float((after.splats.means - before.splats.means)[still].norm(dim=1).mean()) < 1.5e-3


def test_only_places_change() -> None:
    before = avatar()
    after = reshape(Context(), before, person(before), turned(padded(before, 0.02)), BLIND)
    assert not torch.equal(after.splats.means, before.splats.means)
    for name in ("quats", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(after.splats, name), getattr(before.splats, name))
    for name in ("face", "barycentric", "skin_joints", "skin_weights"):
        assert torch.equal(getattr(after.binding, name), getattr(before.binding, name))
    assert torch.equal(after.trust, before.trust)


def test_the_bindings_offsets_follow_the_splats() -> None:
    before = avatar()
    after = reshape(Context(), before, person(before), turned(padded(before, 0.02)), BLIND)
    rig, binding = after.rig, after.binding
    feet = (rig.verts[rig.faces[binding.face]] * binding.barycentric[..., None]).sum(1)
    offsets = tangent_frames(rig.verts, rig.faces)[binding.face] @ binding.offset[..., None]
    assert torch.allclose(feet + offsets[..., 0], after.splats.means, atol=1e-6)
    assert not torch.allclose(binding.offset, before.binding.offset, atol=1e-3)


def test_the_photos_outline_counts_more_than_imagined_ones() -> None:
    before = avatar()
    # Everything but the photo says that the person is thinner.
    normals = torch.nn.functional.normalize(before.splats.means * torch.tensor([1.0, 0.0, 1.0]), dim=1)
    thin = replace(before, splats=replace(before.splats, means=before.splats.means - 0.008 * normals))
    moves = []
    for evidence in (0.0, 50.0):
        after = reshape(Context(), before, person(before), turned(thin, 3), replace(BLIND, evidence=evidence))
        side = before.splats.means[:, 0].abs() > 0.13
        moves.append(float((after.splats.means - before.splats.means)[side].norm(dim=1).mean()))
    assert moves[1] < 0.7 * moves[0]


def test_no_move_is_longer_than_the_limit_and_nobody_moves_nothing() -> None:
    before = avatar()
    wide = turned(padded(before, 0.03))
    after = reshape(Context(), before, person(before), wide, replace(BLIND, limit=0.004))
    assert float((after.splats.means - before.splats.means).norm(dim=1).max()) <= 0.00401
    nobody = replace(wide, alphas=torch.zeros_like(wide.alphas))
    after = reshape(Context(), before, person(before), nobody, BLIND)
    assert float((after.splats.means - before.splats.means).norm(dim=1).max()) < 1e-3
    assert reshape(Context(), before, person(before), wide, replace(BLIND, rounds=0)) is before


def test_masks_that_are_no_numbers_are_refused_and_progress_is_told() -> None:
    before, told = avatar(), list[Event]()
    views = turned(before, 2)
    reshape(Context(listener=told.append), before, person(before), views, BLIND)
    shares = [event.fraction for event in told if isinstance(event, Advanced)]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1.0)
    views.alphas[0, 3, 3] = float("nan")
    with pytest.raises(NumericalError, match="reshape"):
        reshape(Context(), before, person(before), views, BLIND)


def test_numbers_out_of_range_are_refused() -> None:
    for wrong in ({"rounds": -1}, {"steady": 0.0}, {"limit": -0.1}, {"evidence": -1.0}):
        with pytest.raises(BadInputError):
            ReshapeConfig(**wrong)  # pyright: ignore


def test_a_gap_between_the_legs_is_not_webbed() -> None:
    before = avatar()
    views = turned(before)
    # Masks that fill all between the legs.
    closed = views.alphas.clone()
    rows = slice(70, 115)
    for view in range(len(closed)):
        for row in range(rows.start, rows.stop):
            covered = torch.nonzero(closed[view, row] > 0.5)[:, 0]
            if len(covered):
                closed[view, row, int(covered.min()) : int(covered.max()) + 1] = 1.0
    assert not torch.equal(closed, views.alphas)
    after = reshape(Context(), before, person(before), replace(views, alphas=closed), BLIND)
    inner = (before.splats.means[:, 0].abs() < 0.06) & (before.splats.means[:, 1].sub(0.55).abs() < 0.2)
    assert int(inner.sum()) > 50
    assert float((after.splats.means - before.splats.means)[inner].norm(dim=1).mean()) < 2e-3
