"""The stage on a dressed person whose truth is known from all sides."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.lift.conftest import posed, psnr
from tests.lift.synthetic import BACKGROUND, HAIR, LOGO, SHIRT, SKIN, TROUSERS, Truth, cropped

from vivant.body import forward_kinematics, skin_points
from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.core.rotations import quats_from_rotvecs, quats_identity
from vivant.core.run import Context
from vivant.core.threads import thread_count
from vivant.lift import LiftConfig, lift
from vivant.mesh import rasterize_mesh
from vivant.records import Avatar, Pose
from vivant.splat import colors_from_sh, rasterize, sh_from_colors

ALL_ROUND = [0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 315.0]


def orbiting(azimuths: list[float]) -> Cameras:
    return orbit(torch.tensor([0.0, 0.9, 0.0]), azimuths, extent=1.95, width=360, height=480)


def colors_of(avatar: Avatar) -> torch.Tensor:
    return colors_from_sh(avatar.splats.sh, torch.zeros_like(avatar.splats.means))


def body_mesh(avatar: Avatar, pose: Pose, cameras: Cameras) -> np.ndarray:
    """Pixels that the bare body covers."""
    rig = avatar.rig
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    verts = skin_points(rig.verts, rig.skin_joints, rig.skin_weights, transforms)
    return (rasterize_mesh(verts, rig.faces, cameras).face >= 0).numpy()


def distance_to(colors: torch.Tensor, other: tuple[float, float, float]) -> torch.Tensor:
    return (colors - torch.tensor(other)).norm(dim=-1)


def test_the_photo_is_reproduced(truth: Truth, avatar: Avatar) -> None:
    drawn = rasterize(posed(avatar), avatar.photo_camera, normals=False)
    mask = truth.person.alpha > 0.5
    error = (drawn.color[0] - truth.person.image * truth.person.alpha[..., None])[mask]
    # Flat colours with hard edges: what is lost lies on the edges. 28 dB is a mean error of 4 %.
    assert psnr(error) > 28


def test_the_outline_is_that_of_the_mask(truth: Truth, avatar: Avatar) -> None:
    drawn = rasterize(posed(avatar), avatar.photo_camera, normals=False).alpha[0] > 0.5
    mask = truth.person.alpha > 0.5
    assert float((drawn & mask).sum() / (drawn | mask).sum()) > 0.95


def test_no_splat_has_the_colour_of_the_background(avatar: Avatar, turned_avatar: Avatar) -> None:
    for made in (avatar, turned_avatar):
        green = distance_to(colors_of(made), BACKGROUND) < 0.45
        assert int(green.sum()) == 0


def test_unseen_sides_look_like_the_truth(truth: Truth, avatar: Avatar) -> None:
    """Measured in the pixels that both cover, from sides the photo never saw."""
    cameras = orbiting([90.0, 180.0, 270.0])
    drawn = rasterize(posed(avatar), cameras, normals=False)
    wanted, mask = truth.picture(cameras)
    for view in range(3):
        both = (drawn.alpha[view] > 0.9) & (mask[view] > 0.99)
        assert psnr((drawn.color[view] - wanted[view])[both]) > 19


def test_the_back_of_the_head_is_hair_and_has_no_face(avatar: Avatar) -> None:
    rest = avatar.splats.means
    top = float(avatar.rig.verts[:, 1].max())
    back = (rest[:, 1] > top - 0.16) & (rest[:, 2] < -0.01)
    colors = colors_of(avatar)[back]
    hair, skin = distance_to(colors, HAIR), distance_to(colors, SKIN)
    assert float((hair < 0.2).float().mean()) > 0.95
    assert float((skin < 0.2).float().mean()) < 0.02


def test_no_bright_face_shines_through_the_hair_at_the_back(avatar: Avatar) -> None:
    rest = avatar.splats.means
    top = float(avatar.rig.verts[:, 1].max())
    lit = (rest[:, 2] > 0.03).float()[:, None].expand(-1, 3)
    splats = replace(avatar.splats, sh=sh_from_colors(lit))
    head = torch.tensor([0.0, top - 0.09, 0.0])
    camera = orbit(head, [180.0], extent=0.1, width=96, height=96, fov_deg=8.0)
    drawn = rasterize(splats, camera, normals=False)
    assert float(drawn.alpha.min()) > 0.95
    # Without the face, all of it is black.
    assert float(drawn.color.max()) < 0.08


def test_a_logo_on_the_chest_is_not_on_the_back(avatar: Avatar) -> None:
    rest = avatar.splats.means
    colors = colors_of(avatar)
    chest, back = rest[:, 2] > 0.05, rest[:, 2] < -0.02
    assert int((distance_to(colors, LOGO) < 0.3)[chest].sum()) > 100
    # The neck's skin is 0.47 away from the logo's yellow.
    assert int((distance_to(colors, LOGO) < 0.4)[back].sum()) == 0


def test_garments_end_at_the_same_height_in_front_and_behind(truth: Truth, avatar: Avatar) -> None:
    rest, colors = avatar.splats.means, colors_of(avatar)
    behind = (rest[:, 2] < -0.03) & (rest[:, 0].abs() < 0.12)
    waist = 0.55 * float(avatar.rig.verts[:, 1].max())
    above = behind & (rest[:, 1] > waist + 0.06) & (rest[:, 1] < waist + 0.3)
    below = behind & (rest[:, 1] < waist - 0.06) & (rest[:, 1] > waist - 0.3)
    assert float((distance_to(colors[above], SHIRT) < 0.2).float().mean()) > 0.95
    assert float((distance_to(colors[below], TROUSERS) < 0.2).float().mean()) > 0.95


@pytest.mark.parametrize("count", [40_000, 60_000])
def test_there_are_about_as_many_splats_as_asked_for(truth: Truth, avatar: Avatar, count: int) -> None:
    made = avatar if count == 40_000 else lift(Context(), truth.person, truth.body, LiftConfig(splats=count))
    assert 0.85 * count < len(made.splats) < 1.15 * count


def test_the_binding_gives_back_the_means(avatar: Avatar) -> None:
    from vivant.lift.gaussians import face_frames

    corners = avatar.rig.verts[avatar.rig.faces[avatar.binding.face]].double().numpy()
    foot = np.einsum("sk,skd->sd", avatar.binding.barycentric.numpy(), corners)
    place = foot + np.einsum("sij,sj->si", face_frames(corners), avatar.binding.offset.numpy())
    # Metres in float32.
    np.testing.assert_allclose(place, avatar.splats.means.numpy(), atol=2e-6)


@pytest.mark.parametrize("arms", ["as in the photo", "raised"])
def test_the_surface_is_closed_from_all_sides(avatar: Avatar, arms: str) -> None:
    quats = quats_identity(len(avatar.rig.joint_names))
    if arms == "raised":
        for name, angle in (("upperarm01.L", 1.6), ("upperarm01.R", -1.6)):
            quats[avatar.rig.joint(name)] = quats_from_rotvecs(torch.tensor([0.0, 0.0, angle]))
    pose = avatar.photo_pose if arms != "raised" else Pose(quats, torch.zeros(3))
    drawn = rasterize(posed(avatar, pose), orbiting(ALL_ROUND), normals=False)
    body = body_mesh(avatar, pose, orbiting(ALL_ROUND))
    for alpha, covered in zip(drawn.alpha.numpy(), body, strict=True):
        # What the body covers, well inside its outline, lets nothing through; gaps between fingers are none.
        inside = ndimage.binary_erosion(covered, iterations=2)
        assert inside.sum() > 1000
        assert (alpha[inside] > 0.9).mean() > 0.998


def test_the_same_seed_gives_the_same_avatar_on_any_number_of_threads(
    truth: Truth, avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIVANT_THREADS", "3" if thread_count() == 1 else "1")
    again = lift(Context(), truth.person, truth.body, LiftConfig(splats=40_000))
    assert torch.equal(again.splats.means, avatar.splats.means)
    assert torch.equal(again.splats.sh, avatar.splats.sh)
    assert torch.equal(again.trust, avatar.trust)


def test_trust_tells_front_from_back(avatar: Avatar) -> None:
    trunk = (
        (avatar.splats.means[:, 1] > 1.1)
        & (avatar.splats.means[:, 1] < 1.35)
        & (avatar.splats.means[:, 0].abs() < 0.1)
    )
    front = avatar.trust[trunk & (avatar.splats.means[:, 2] > 0.05)]
    back = avatar.trust[trunk & (avatar.splats.means[:, 2] < -0.05)]
    assert float(front.median()) > 0.9
    assert float(back.max()) < 0.2


def test_the_hidden_half_of_a_turned_face_takes_after_the_other(turned_avatar: Avatar) -> None:
    rest, colors = turned_avatar.splats.means, colors_of(turned_avatar)
    top = float(turned_avatar.rig.verts[:, 1].max())
    cheeks = (rest[:, 1] > top - 0.2) & (rest[:, 1] < top - 0.13) & (rest[:, 2] > 0.05)
    hidden = cheeks & (rest[:, 0] < -0.04)
    assert int(hidden.sum()) > 30
    assert float((distance_to(colors[hidden], SKIN) < 0.2).float().mean()) > 0.9


def test_a_half_body_is_completed_and_told(truth: Truth) -> None:
    avatar = lift(Context(), *cropped(truth, 0.5), LiftConfig(splats=40_000))
    legs = avatar.splats.means[:, 1] < 0.6
    colors = colors_of(avatar)[legs]
    assert float(avatar.trust[legs].max()) < 0.2
    assert float((distance_to(colors, BACKGROUND) < 0.5).float().mean()) == 0
    # Trousers of some dark colour, no stretched shirt.
    assert float((distance_to(colors, SHIRT) < 0.3).float().mean()) < 0.05
    assert any("legs" in note for note in avatar.origin.notes)


def test_the_avatar_is_made_of_finite_numbers(avatar: Avatar) -> None:
    splats = avatar.splats
    for values in (
        splats.means,
        splats.quats,
        splats.log_scales,
        splats.sh,
        avatar.binding.offset,
        avatar.trust,
    ):
        assert bool(torch.isfinite(values).all())
    assert float(splats.scales.max()) < 0.05
    assert math.isclose(float(avatar.binding.skin_weights.sum(1).mean()), 1.0, abs_tol=1e-5)


@pytest.mark.parametrize("wrong", [{"splats": -5}, {"splats": 0}, {"hanging": float("nan")}, {"hanging": 1.5}])
def test_what_cannot_be_built_is_told_before_the_work(wrong: dict) -> None:
    with pytest.raises(BadInputError, match=str(next(iter(wrong.values())))):
        LiftConfig(**wrong)
