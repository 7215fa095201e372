from dataclasses import replace

import pytest
import torch
from tests.fit.figures import FOCAL, Figure, make_anatomy, make_figure, make_state

from vivant.body import forward_kinematics, pose_verts
from vivant.core.cameras import transform
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.fit import FitConfig, fit_body, fit_quality
from vivant.records import BODY_POINTS, Body, Person

LIMBS = ("upperarm01", "lowerarm01", "wrist", "upperleg01", "lowerleg01", "foot")
KNOWN_LENS = FitConfig(focal_px=FOCAL)

pytestmark = pytest.mark.usefixtures("detector_without_habits")


def fit(person: Person, config: FitConfig = KNOWN_LENS) -> Body:
    return fit_body(Context(), person, config)


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"focal_px": float("nan")}, {"focal_px": -1.0}, {"age": 1.5}, {"gender": float("nan")}],
)
def test_what_no_body_can_be_is_told_before_the_work(wrong: dict) -> None:
    with pytest.raises(BadInputError, match=str(next(iter(wrong.values())))):
        FitConfig(**wrong)


def joints_cam(body: Body) -> torch.Tensor:
    transforms = forward_kinematics(body.rig.joint_parents, body.rig.joints_world, body.pose)
    places = (transforms[:, :3, :3] @ body.rig.joints_world[..., None])[..., 0] + transforms[:, :3, 3]
    return transform(body.camera.cam_from_world[0], places)


def joint_error_m(body: Body, figure: Figure) -> float:
    """Mean over twelve joints after shift and scale (distance and size are one in a single picture)."""
    rows = [body.rig.joint(f"{limb}.{side}") for limb in LIMBS for side in "LR"]
    found, truth = joints_cam(body)[rows], figure.joints_cam[rows]
    found, truth = found - found.mean(0), truth - truth.mean(0)
    return float((found * (truth.norm() / found.norm()) - truth).norm(dim=1).mean())


def scores(person: Person, body: Body) -> dict[str, float]:
    return {score.name: score.value for score in fit_quality(person, body)}


@pytest.fixture(scope="module")
def walker() -> Figure:
    state = make_state(
        make_anatomy(),
        yaw=0.35,
        upperarm01__L=(0.0, 0.5, -0.1),
        lowerarm01__L=(0.0, 0.7, 0.0),
        upperarm01__R=(0.0, -0.4, -0.2),
        upperleg01__L=(0.0, 0.4, 0.05),
        upperleg01__R=(0.0, -0.25, 0.0),
        lowerleg01__R=(0.0, 0.5, 0.0),
        head=(-0.3, 0.1, 0.0),
    )
    return make_figure(state)


@pytest.fixture(scope="module")
def fitted(walker: Figure) -> Body:
    return fit(walker.person)


def test_a_known_body_is_found_again(walker: Figure, fitted: Body) -> None:
    found = scores(walker.person, fitted)
    # The points carry 0.5 px of noise and the walker is some 560 px tall.
    assert found["reprojection"] < 0.35
    assert found["face"] < 1.0
    assert found["body IoU"] > 0.95
    assert found["body outside the mask"] < 3.5
    assert joint_error_m(fitted, walker) < 0.012


def test_the_body_stands_on_the_floor_before_its_camera(fitted: Body) -> None:
    verts = pose_verts(fitted.rig, fitted.pose)
    assert float(verts[:, 1].min()) == pytest.approx(0.0, abs=1e-4)
    hips = fitted.pose.root + fitted.rig.joints_world[0]
    assert float(hips[[0, 2]].norm()) == pytest.approx(0.0, abs=1e-4)
    assert 0.5 < float(fitted.camera.centers_world[0, 2]) < 6.0
    assert 1.4 < float(verts[:, 1].max()) < 2.1


def test_the_same_person_gives_the_same_body(walker: Figure, fitted: Body) -> None:
    again = fit(walker.person)
    assert torch.equal(again.pose.local_quats, fitted.pose.local_quats)
    assert torch.equal(again.rig.verts, fitted.rig.verts)


def test_the_threads_of_torch_are_as_before(walker: Figure) -> None:
    before = torch.get_num_threads()
    fit(walker.person, replace(KNOWN_LENS, steps=1))
    assert torch.get_num_threads() == before


def test_a_crouching_body_is_found_again() -> None:
    state = make_state(
        make_anatomy(),
        yaw=0.5,
        upperleg01__L=(0.0, 1.5, 0.1),
        lowerleg01__L=(0.0, 1.8, 0.0),
        upperleg01__R=(0.0, 1.4, 0.1),
        lowerleg01__R=(0.0, 1.7, 0.0),
        spine04=(0.0, 0.3, 0.0),
    )
    figure = make_figure(state)
    body = fit(figure.person)
    assert scores(figure.person, body)["reprojection"] < 0.5
    assert joint_error_m(body, figure) < 0.05


def test_points_in_space_that_are_nonsense_do_not_ruin_the_body(walker: Figure) -> None:
    generator = torch.Generator().manual_seed(1)
    wild = walker.person.keypoints_world + 0.5 * torch.randn(33, 3, generator=generator) * torch.tensor(
        [0, 0, 1.0]
    )
    body = fit(replace(walker.person, keypoints_world=wild))
    assert scores(walker.person, body)["reprojection"] < 0.6


def test_who_shows_no_legs_stands_naturally() -> None:
    figure = make_figure(make_state(make_anatomy(), yaw=-0.3), height=330)
    body = fit(figure.person)
    joints = joints_cam(body)
    hips, feet = (
        torch.stack([joints[body.rig.joint(f"{name}.{side}")] for side in "LR"])
        for name in ("upperleg01", "foot")
    )
    down = feet - hips
    # Camera y points down: legs hang within 15 degrees of the vertical.
    assert bool((down[:, 1] / down.norm(dim=1) > 0.966).all())
    assert any("legs that the picture does not show" in note for note in body.notes)
    assert scores(figure.person, body)["reprojection"] < 0.5


def test_hands_and_face_that_were_not_seen_stay_natural(walker: Figure) -> None:
    assert walker.person.left_hand is not None
    unsure = replace(walker.person.left_hand, confidence=0.1)
    body = fit(replace(walker.person, face=None, left_hand=unsure, right_hand=None))
    assert any("left hand was seen too unsurely" in note for note in body.notes)
    assert float(body.shape.actions.abs().max()) == 0.0
    freedoms = make_anatomy().freedoms
    fingers = [*freedoms.rows("finger")]
    for row, bend in bends_of(body, *fingers).items():
        torch.testing.assert_close(bend, freedoms.natural[row], atol=1e-3, rtol=0)


def test_limits_of_the_joints_are_kept_whatever_the_points_say(walker: Figure) -> None:
    keypoints = walker.person.keypoints.clone()
    wrist, shoulder = BODY_POINTS.index("left_wrist"), BODY_POINTS.index("left_shoulder")
    knee, ankle = BODY_POINTS.index("right_knee"), BODY_POINTS.index("right_ankle")
    keypoints[wrist], keypoints[ankle] = keypoints[shoulder] + 2.0, keypoints[knee] - torch.tensor([60.0, 80.0])
    body = fit(replace(walker.person, keypoints=keypoints, left_hand=None, right_hand=None))
    anatomy = make_anatomy()
    bends = bends_of(
        body, anatomy.freedoms.names.index("lowerleg01.R"), anatomy.freedoms.names.index("lowerarm01.L")
    )
    for row, bend in bends.items():
        assert bool((bend > anatomy.freedoms.low[row] - 1e-3).all())
        assert bool((bend < anatomy.freedoms.high[row] + 1e-3).all())


def bends_of(body: Body, *rows: int) -> dict[int, torch.Tensor]:
    from vivant.core.rotations import rotvecs_from_quats

    freedoms = make_anatomy().freedoms
    return {
        row: freedoms.axes[row] @ rotvecs_from_quats(body.pose.local_quats[freedoms.joints[row]])
        for row in rows
    }


@pytest.mark.parametrize("missing", ["all points", "legs", "mask", "everything"])
def test_missing_evidence_gives_a_finite_body(walker: Figure, missing: str) -> None:
    person = walker.person
    if missing in ("all points", "everything"):
        person = replace(person, confidence=torch.zeros(33))
    if missing == "legs":
        person = replace(person, confidence=person.confidence * (torch.arange(33) < 23))
    if missing in ("mask", "everything"):
        person = replace(person, alpha=torch.zeros_like(person.alpha))
    if missing == "everything":
        person = replace(person, face=None, left_hand=None, right_hand=None)
    body = fit(person, replace(KNOWN_LENS, steps=3))
    assert bool(torch.isfinite(pose_verts(body.rig, body.pose)).all())
    assert bool(torch.isfinite(body.camera.cam_from_world).all())


def test_a_longer_lens_puts_the_person_farther_away(walker: Figure) -> None:
    near, far = (fit(walker.person, FitConfig(focal_px=f, steps=5)) for f in (700.0, 1400.0))
    assert float(far.camera.intrinsics[0, 0, 0]) == 1400.0
    ratio = float(far.camera.centers_world[0, 2] / near.camera.centers_world[0, 2])
    assert 1.7 < ratio < 2.3


def test_a_wrong_focal_length_is_noticed() -> None:
    figure = make_figure(make_state(make_anatomy(), yaw=0.2))
    intrinsics = figure.person.intrinsics.clone()
    intrinsics[0, 0] = intrinsics[1, 1] = FOCAL / 2
    body = fit(replace(figure.person, intrinsics=intrinsics), FitConfig(steps=10))
    assert float(body.camera.intrinsics[0, 0, 0]) > 0.7 * FOCAL
    assert any("focal length" in note for note in body.notes)
