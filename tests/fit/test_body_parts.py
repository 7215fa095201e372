"""What the fit knows about the body: its freedoms, landmarks and balls."""

from dataclasses import replace

import pytest
import torch
from tests.fit.figures import make_anatomy, make_state

from vivant.body import pose_verts
from vivant.fit.collision import make_balls
from vivant.fit.face import find_head, warp_face
from vivant.fit.freedoms import Freedoms
from vivant.fit.landmarks import anny_landmarks
from vivant.fit.placement import pose_of
from vivant.fit.reduced import place_points
from vivant.fit.silhouette import sample_skin
from vivant.fit.terms import Pinhole
from vivant.records import BODY_POINTS, Shape


@pytest.fixture(scope="module")
def freedoms() -> Freedoms:
    return make_anatomy().freedoms


def test_axes_are_orthonormal_and_natural_poses_within_limits(freedoms: Freedoms) -> None:
    square = freedoms.axes @ freedoms.axes.transpose(1, 2)
    torch.testing.assert_close(square, torch.eye(3).expand_as(square), atol=1e-5, rtol=0)
    assert bool((freedoms.natural >= freedoms.low).all())
    assert bool((freedoms.natural <= freedoms.high).all())


def test_knees_bend_backwards_elbows_forwards_and_fingers_into_the_palm() -> None:
    anatomy = make_anatomy()
    straight = anatomy.pose(make_state(anatomy))
    bent = anatomy.pose(
        make_state(
            anatomy,
            lowerleg01__L=(0.0, 1.0, 0.0),
            lowerarm01__R=(0.0, 1.0, 0.0),
            finger2_1__L=(0.0, 0.8, 0.0),
        )
    )
    moved = bent.places - straight.places
    names = anatomy.model.joint_names
    assert float(moved[names.index("foot.L"), 2]) < -0.2
    assert float(moved[names.index("wrist.R"), 2]) > 0.1
    # The left hand hangs beside the thigh, its palm towards it.
    assert float(moved[names.index("finger2-3.L"), 0]) < -0.01


def test_who_stands_naturally_has_hands_beside_the_thighs_and_feet_under_the_hips() -> None:
    anatomy = make_anatomy()
    posed = anatomy.pose(make_state(anatomy))
    at = {
        name: posed.places[anatomy.model.joint_names.index(name)]
        for name in ("wrist.L", "foot.L", "upperleg01.L")
    }
    assert 0.2 < float(at["wrist.L"][0]) < 0.45
    assert abs(float(at["foot.L"][0] - at["upperleg01.L"][0])) < 0.06


def test_landmarks_lie_on_the_side_their_names_say() -> None:
    landmarks, anatomy = anny_landmarks(), make_anatomy()
    places = place_points(landmarks.body, anatomy.pose(make_state(anatomy)))
    for place, number in zip(places, landmarks.body_index, strict=True):
        name = BODY_POINTS[int(number)]
        side = 1 if name.startswith("left") else -1 if name.startswith("right") else 0
        assert float(place[0]) * side > 0 or side == 0, name


def test_the_face_points_are_where_a_face_has_them() -> None:
    landmarks, anatomy = anny_landmarks(), make_anatomy()
    places = place_points(landmarks.face, anatomy.pose(make_state(anatomy)))
    row = {int(number): place for place, number in zip(places, landmarks.face_index, strict=True)}
    forehead, nose, chin = row[10], row[1], row[152]
    assert float(forehead[1]) > float(nose[1]) > float(chin[1])
    assert float(nose[2]) > max(float(forehead[2]), float(chin[2]))
    assert float(row[263][0]) > 0.02 > -0.02 > float(row[33][0])


def test_balls_lie_inside_the_skin_and_do_not_meet_at_ease() -> None:
    anatomy = make_anatomy()
    state = make_state(anatomy)
    balls = make_balls(anatomy.model, state.phenotypes)
    places = place_points(balls.points, anatomy.pose(state))
    a, b = balls.pairs.unbind(1)
    depth = balls.radii[a] + balls.radii[b] - (places[a] - places[b]).norm(dim=1)
    assert float(depth.max()) < 0.012
    assert float(balls.radii.min()) > 0.005
    assert float(balls.radii.max()) < 0.2


def test_skin_samples_are_spread_by_area_without_fingers() -> None:
    model = make_anatomy().model
    skin = sample_skin(model, 1000)
    assert len(skin.verts.unique()) == 1000
    owners = model.skin_joints[skin.verts].gather(1, model.skin_weights[skin.verts].argmax(1, keepdim=True))[
        :, 0
    ]
    names = [model.joint_names[int(owner)] for owner in owners]
    assert not [name for name in names if name.startswith("finger")]
    # The head has a third of the mesh's vertices, but a twelfth of its area.
    assert 0.03 < float(skin.is_head.float().mean()) < 0.2


def test_a_face_that_was_warped_is_found_again_and_the_body_stays() -> None:
    anatomy, landmarks = make_anatomy(), anny_landmarks()
    state = replace(make_state(anatomy), root=torch.tensor([0.0, -0.6, -1.2]))
    rig = anatomy.model.rig(Shape("anny", state.phenotypes, state.actions))
    pose = pose_of(anatomy, state, rig)
    camera = Pinhole(torch.tensor([3000.0, 3000.0]), torch.tensor([320.0, 240.0]))
    shown = camera.project(place_points(landmarks.face, anatomy.pose(state)))
    middle = shown.mean(0)
    # A broader jaw: below the middle, points go outwards by up to 15 %.
    lower = ((shown[:, 1:] - middle[1]) / 200).clamp(0, 1)
    seen = middle + (shown - middle) * (1 + 0.15 * lower * torch.tensor([1.0, 0.0]))
    face = torch.zeros(478, 3)
    face[landmarks.face_index, :2] = seen
    warped = warp_face(rig, pose, camera, anatomy, landmarks, face, state)
    verts = pose_verts(warped, pose)[landmarks.face_corners]
    pixels = camera.project((verts * landmarks.face_barycentric[..., None]).sum(1))
    before, after = (seen - shown).norm(dim=1).mean(), (seen - pixels).norm(dim=1).median()
    assert float(after) < 0.2 * float(before)
    elsewhere = find_head(rig).share == 0
    assert torch.equal(warped.verts[elsewhere], rig.verts[elsewhere])


def test_a_face_turned_away_keeps_its_hidden_side_like_the_seen_one() -> None:
    anatomy, landmarks = make_anatomy(), anny_landmarks()
    state = replace(make_state(anatomy, yaw=1.1), root=torch.tensor([0.0, -0.6, -1.2]))
    rig = anatomy.model.rig(Shape("anny", state.phenotypes, state.actions))
    pose = pose_of(anatomy, state, rig)
    camera = Pinhole(torch.tensor([900.0, 900.0]), torch.tensor([320.0, 240.0]))
    shown = camera.project(place_points(landmarks.face, anatomy.pose(state)))
    generator = torch.Generator().manual_seed(0)
    wild = shown + 2 * torch.randn(shown.shape, generator=generator)
    face = torch.zeros(478, 3)
    face[landmarks.face_index, :2] = wild
    moved = warp_face(rig, pose, camera, anatomy, landmarks, face, state).verts - rig.verts
    mirrored = moved[anatomy.model.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    hidden = landmarks.face_corners[landmarks.face.mean[:, 0] > 0.03].flatten().unique()
    torch.testing.assert_close(moved[hidden], mirrored[hidden], atol=1.5e-3, rtol=0)
