import dataclasses

import pytest
import torch
from torch import Tensor

from vivant.body import forward_kinematics, rest_pose
from vivant.core.cameras import Cameras, project
from vivant.core.errors import BadInputError
from vivant.core.rotations import quats_from_rotvecs
from vivant.core.run import Context
from vivant.reconstruct import PHOTO_REFIT, joined, mirrored, reconstruct, refine_photo, views_from_photo
from vivant.reconstruct.cloud import FIELDS
from vivant.reconstruct.photo import _thick, mirror_joints
from vivant.records import Avatar, Body, Person, Pose, Rig, Views
from vivant.splat import pose_splats, rasterize

from .figures import bent, make_avatar, make_cameras, make_rig, take_views

SHORT = dataclasses.replace(PHOTO_REFIT, threads=1)


def photographed(size: int = 48) -> tuple[Person, Body]:
    """A photo of the painted person from the front."""
    views = take_views(make_avatar(800), [0.0], [0.2], size)
    image, alpha = views.images[0], views.alphas[0]
    person = Person(
        image=image * alpha[..., None] + 0.3 * (1 - alpha[..., None]),
        foreground=image,
        alpha=alpha,
        intrinsics=views.cameras.intrinsics[0],
        photo_from_image=torch.eye(3),
        keypoints=torch.zeros(33, 2),
        keypoints_world=torch.zeros(33, 3),
        confidence=torch.ones(33),
        spread_px=torch.zeros(33),
        face=None,
        left_hand=None,
        right_hand=None,
        visible_parts=(),
        notes=(),
    )
    return person, Body(make_rig(), bent(0.2), views.cameras, make_avatar(1).shape)


def beheld(avatar: Avatar, body: Body) -> Avatar:
    """The avatar that knows how the photo was taken."""
    return dataclasses.replace(avatar, photo_pose=body.pose, photo_camera=body.camera)


def error(avatar: Avatar, person: Person, body: Body) -> float:
    rig = avatar.rig
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, body.pose)
    drawn = rasterize(pose_splats(avatar.splats, avatar.binding, transforms), body.camera)
    return float((drawn.color[0] - person.foreground * person.alpha[..., None]).square().mean())


def pale_avatar(body: Body) -> Avatar:
    """As `lift` leaves it: the right colours, but too weak."""
    start = beheld(make_avatar(800), body)
    return dataclasses.replace(start, splats=dataclasses.replace(start.splats, sh=0.6 * start.splats.sh))


def test_the_photo_is_met_and_the_back_left_alone() -> None:
    person, body = photographed()
    start = pale_avatar(body)
    found = refine_photo(Context(), start, person, SHORT)
    assert error(found, person, body) < 0.25 * error(start, person, body)
    place = start.splats.means
    behind = (place[:, 2] < -0.08) & (place[:, 0].abs() < 0.12) & ((place[:, 1] - 0.8).abs() < 0.6)
    assert int(behind.sum()) > 50
    for name in ("means", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(found.splats, name)[behind], getattr(start.splats, name)[behind])
    assert torch.equal(found.binding.face, start.binding.face)


def test_no_needles_and_no_splats_astray() -> None:
    person, body = photographed()
    start = beheld(make_avatar(800, grey=True), body)
    found = refine_photo(Context(), start, person, SHORT)
    _, middle, largest = found.splats.log_scales.sort(dim=1).values.unbind(1)
    assert float((largest - middle).exp().max()) < 3
    moved = (found.splats.means - start.splats.means).norm(dim=1)
    assert float(moved.max()) < 0.04
    assert float(moved.quantile(0.99)) < 0.02


def test_an_arm_that_lies_elsewhere_in_the_photo_is_neither_smeared_nor_faded() -> None:
    person, body = photographed(64)
    start = beheld(make_avatar(800), body)
    # The photo's upper half leans 0.2 to one side, the avatar's as much to the other.
    wrong = dataclasses.replace(start, photo_pose=bent(-0.2))
    found = refine_photo(Context(), wrong, person, SHORT)
    # 0.06 where that area counts, too.
    assert float((found.splats.means - start.splats.means).norm(dim=1).max()) < 0.045
    top = start.splats.means[:, 1] > 1.5
    assert float((found.splats.opacities - start.splats.opacities)[top].abs().max()) < 0.1


def test_areas_that_the_photo_does_not_show_are_no_evidence() -> None:
    person, body = photographed()
    start = beheld(make_avatar(800, grey=True), body)
    # A block of the chest is a hand that lies in a pocket in truth: the avatar draws it without trust.
    place = start.splats.means
    hand = (place[:, 1] > 0.5) & (place[:, 1] < 1.0) & (place[:, 0].abs() < 0.14) & (place[:, 2] > 0.05)
    trust = torch.ones(800)
    trust[hand] = 0
    found = refine_photo(Context(), dataclasses.replace(start, trust=trust), person, SHORT)
    middle = hand & (place[:, 1] > 0.6) & (place[:, 1] < 0.9) & (place[:, 0].abs() < 0.08)
    assert int(middle.sum()) > 10
    assert torch.equal(found.splats.sh[middle], start.splats.sh[middle])
    other = (place[:, 2] > 0.1) & (place[:, 1] > 1.2)
    assert bool((found.splats.sh[other] != start.splats.sh[other]).any())


def test_thick_areas_keep_their_shape_with_a_rim_and_thin_lines_vanish() -> None:
    mask = torch.zeros(1, 40, 50, dtype=torch.bool)
    mask[0, 10:20, 12:25] = True
    mask[0, 30:34, :] = True  # Four pixels: thinner than a square of five.
    expected = torch.zeros_like(mask)
    expected[0, 8:22, 10:27] = True
    assert torch.equal(_thick(mask, 2), expected)
    mask[0, :10, 12:25] = True
    expected[0, :22, 10:27] = True
    assert torch.equal(_thick(mask, 2), expected)


def test_a_body_of_another_picture_is_refused() -> None:
    person, body = photographed()
    _, other = photographed(40)
    with pytest.raises(BadInputError, match="40 x 40"):
        views_from_photo(person, other)


def paired_rig() -> Rig:
    """The test rig with a left and a right joint instead of its two."""
    rig = make_rig()
    frames = torch.eye(4).repeat(3, 1, 1)
    frames[1, :3, 3] = torch.tensor([0.1, 0.8, 0.0])
    frames[2, :3, 3] = torch.tensor([-0.1, 0.8, 0.0])
    side = (rig.verts[:, 0] > 0).long()
    return dataclasses.replace(
        rig,
        joint_names=("root", "arm.L", "arm.R"),
        joint_parents=(-1, 0, 0),
        world_from_joint=frames,
        skin_joints=torch.stack([torch.zeros_like(side), 2 - side], dim=1),
        skin_weights=torch.tensor([[0.3, 0.7]]).repeat(len(rig.verts), 1),
    )


def placed(point: Tensor, joint: int, rig: Rig, views: Views) -> Tensor:
    pose = Pose(views.poses.local_quats[0], views.poses.root[0])
    transform = forward_kinematics(rig.joint_parents, rig.joints_world, pose)[joint]
    pixel, _ = project(transform[:3, :3] @ point + transform[:3, 3], views.cameras)
    return pixel


def test_a_mirrored_view_shows_the_other_side_in_the_mirrored_place() -> None:
    rig = paired_rig()
    quats = rest_pose(3).local_quats
    quats[0] = quats_from_rotvecs(torch.tensor([0.1, 0.4, -0.2]))
    quats[1] = quats_from_rotvecs(torch.tensor([0.5, 0.2, 0.3]))
    cameras = make_cameras([25.0], 64)
    off = cameras.intrinsics.clone()
    off[:, 0, 2] += 5
    image = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    views = Views(
        images=image,
        alphas=image[..., 0],
        normals=None,
        trust=torch.ones(1, 64, 64),
        cameras=Cameras(cameras.cam_from_world, off, 64, 64),
        poses=Pose(quats[None], torch.tensor([[0.03, 0.01, 0.02]])),
    )
    other = mirrored(views, rig, 0.1)
    point = torch.tensor([0.2, 0.9, 0.1])
    opposite = point * torch.tensor([-1.0, 1.0, 1.0])
    left, right = placed(point, 1, rig, views), placed(opposite, 2, rig, other)
    assert abs(float(left[0]) - 32) > 1
    torch.testing.assert_close(right, torch.stack([64 - left[0], left[1]]), atol=1e-4, rtol=0)
    assert float(other.trust.max()) == pytest.approx(0.1)
    assert torch.equal(mirrored(other, rig, 1.0).images, views.images)
    torch.testing.assert_close(mirrored(other, rig, 1.0).poses.local_quats, views.poses.local_quats)


def test_joints_find_their_counterparts_by_name() -> None:
    names = ("root", "spine.L", "spine.R", "LeftArm", "RightArm", "left_hip", "right_hip", "lower")
    assert mirror_joints(names).tolist() == [0, 2, 1, 4, 3, 6, 5, 7]
    with pytest.raises(BadInputError, match=r"arm\.L"):
        mirror_joints(("root", "arm.L"))


def test_sources_of_views_mix() -> None:
    person, body = photographed()
    photo = views_from_photo(person, body)
    others = take_views(make_avatar(800), [120.0, 240.0], [0.0, 0.1])
    mixed = joined(photo, others)
    assert len(mixed.images) == 3
    start = make_avatar(300, grey=True)
    config = dataclasses.replace(SHORT, unseen="free", iterations=6)
    found = reconstruct(Context(), start, mixed, config)
    assert any(not torch.equal(getattr(found.splats, n), getattr(start.splats, n)) for n in FIELDS)
    with pytest.raises(BadInputError, match="sizes"):
        joined(photo, take_views(make_avatar(100), [0.0], [0.0], 32))
    with pytest.raises(BadInputError, match="No views"):
        joined()
