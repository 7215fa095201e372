"""A body among calibrated cameras: found again in any world, and refused where nothing agrees."""

import functools
from dataclasses import replace

import pytest
import torch
from tests.fit.captures import MadeCapture, make_avatar, seen_from_sides

from vivant.body import pose_verts
from vivant.core.cameras import project, transform
from vivant.core.errors import BadInputError, NoPersonError
from vivant.core.run import Context
from vivant.fit import StudioFitConfig, fit_studio
from vivant.fit.calibrated import SeenFrom, make_eye, meet, scale_between, scale_onto
from vivant.fit.terms import Reprojection
from vivant.records import Cameras, Person, Placed, Pose

QUICK = StudioFitConfig(rounds=2, steps=5)
SIDES = (0.0, 1.5, -2.4)


@functools.lru_cache(maxsize=1)
def capture() -> MadeCapture:
    return seen_from_sides(list(SIDES), scale=7.3)


def fitted(persons: tuple[Person, ...], cameras: tuple[Cameras, ...]) -> Placed:
    return fit_studio(Context(), make_avatar(capture().state), persons, cameras, QUICK)


def test_body_and_world_are_found_again_in_foreign_units() -> None:
    told: list[float] = []
    context = Context(listener=lambda event: told.append(getattr(event, "fraction", 0.0)))
    avatar = make_avatar(capture().state)
    placed = fit_studio(context, avatar, capture().persons, capture().cameras, QUICK)
    assert placed.metres_per_unit == pytest.approx(1 / 7.3, rel=0.02)
    assert bool(placed.kept.all()) and float(placed.error.max()) < 1.0
    found = pose_verts(avatar.rig, Pose(placed.poses.local_quats[0], placed.poses.root[0]))
    assert float(found[:, 1].min()) == pytest.approx(0.0, abs=1e-3)
    for matrix, true in zip(placed.cam_from_world, capture().verts_cam, strict=True):
        off = (transform(matrix, found) - true).norm(dim=1)
        # Points say nothing of turns about a limb's own axis, and little of the distance.
        assert float(off.mean()) < 0.03
    assert told == sorted(told)


def test_a_camera_that_is_wrong_is_left_out_and_many_are_refused() -> None:
    persons, cameras = list(capture().persons), list(capture().cameras)
    more = seen_from_sides([0.7], scale=7.3)
    strange = cameras[0].cam_from_world.clone()
    strange[0, :3, 3] += torch.tensor([3.0, 2.0, 0.0])
    wrong = replace(cameras[0], cam_from_world=strange)
    placed = fitted((*persons, more.persons[0]), (*cameras, wrong))
    assert placed.kept.tolist() == [True, True, True, False]
    mirrored = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0])).double()
    axes_mixed_up = tuple(replace(c, cam_from_world=mirrored @ c.cam_from_world) for c in cameras)
    with pytest.raises(BadInputError, match="do not agree"):
        fitted(tuple(persons), axes_mixed_up)


def test_who_is_known_by_a_mask_alone_tells_nothing_but_gets_a_camera() -> None:
    first, second, third = capture().persons
    blind = replace(third, confidence=torch.zeros(33), face=None)
    placed = fitted((first, second, blind), capture().cameras)
    assert bool(placed.error[2].isnan()) and bool(placed.kept[2])
    avatar = make_avatar(capture().state)
    found = pose_verts(avatar.rig, Pose(placed.poses.local_quats[2], placed.poses.root[2]))
    assert (
        float((transform(placed.cam_from_world[2], found) - capture().verts_cam[2]).norm(dim=1).mean()) < 0.06
    )


def test_too_little_is_refused_in_words() -> None:
    persons, cameras = capture().persons, capture().cameras
    with pytest.raises(NoPersonError, match="1 of 1 pictures"):
        fitted(persons[:1], cameras[:1])
    with pytest.raises(BadInputError, match="one place"):
        fitted(persons[:2], (cameras[0], cameras[0]))
    avatar = make_avatar(capture().state)
    other = replace(avatar, shape=replace(avatar.shape, model="smplx"))
    with pytest.raises(BadInputError, match="smplx"):
        fit_studio(Context(), other, persons, cameras, QUICK)


def test_rays_meet_where_the_points_are_and_one_that_misses_is_overruled() -> None:
    points = torch.randn(33, 3, generator=torch.Generator().manual_seed(0)) * 0.2
    eyes = []
    for person, camera in zip(capture().persons, capture().cameras, strict=True):
        near = replace(camera, cam_from_world=camera.cam_from_world.float().clone())
        near.cam_from_world[0, :3, 3] = torch.tensor([0.0, 0.0, 4.0])
        keypoints, _ = project(points, near)
        eyes.append(make_eye(replace(person, keypoints=keypoints, confidence=torch.ones(33)), near))
    torch.testing.assert_close(meet(eyes).points.float(), points, atol=1e-3, rtol=0)
    moved = eyes[0].person.keypoints.clone()
    moved[7] += torch.tensor([120.0, 0.0])
    eyes.append(replace(eyes[0], person=replace(eyes[0].person, keypoints=moved)))
    assert float((meet(eyes).points[7] - points[7]).norm()) < 0.02
    limbs = torch.tensor([[0, 1], [2, 3], [7, 9]])
    assert scale_between(3 * points + 1, points, torch.ones(33), limbs) == pytest.approx(3.0, rel=1e-5)
    assert scale_onto(3 * points + 1, points, torch.ones(33)) == pytest.approx(3.0, rel=1e-5)


def test_a_term_seen_from_a_camera_has_the_slopes_of_its_values() -> None:
    eye = make_eye(capture().persons[1], seen_from_sides([1.5]).cameras[0]).single()
    origin = eye.center
    eye = eye.moved(torch.eye(3), origin, 1.0)
    eye = replace(eye, shift=torch.tensor([0.0, 0.0, 3.0]))
    seen = Reprojection(eye.pinhole, torch.arange(2), torch.rand(2, 2) * 100, 10.0, torch.ones(2), 1e6)
    term, tilt = SeenFrom(seen, *eye.own_from_world), torch.zeros(())
    places = torch.tensor([[0.1, 0.3, -0.2], [-0.2, 0.1, 0.1]])
    rows = term.rows(places, tilt)
    step = 1e-2
    for axis in range(3):
        move = torch.zeros(3)
        move[axis] = step
        slope = (term.rows(places + move, tilt).values - term.rows(places - move, tilt).values) / (2 * step)
        torch.testing.assert_close(rows.directions[:, 0, axis], slope, atol=2e-2, rtol=1e-2)
