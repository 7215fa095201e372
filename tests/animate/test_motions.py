import math

import pytest
import torch
from tests import fakes

from vivant.animate import MOTIONS, builtin_motion, standing
from vivant.body import forward_kinematics, load_anny, pose_verts
from vivant.core.errors import BadInputError
from vivant.core.rotations import rotvecs_from_quats
from vivant.records import Motion, Pose, Rig

NAMES = tuple(MOTIONS)
UPRIGHT = tuple(name for name in NAMES if name != "range_of_motion")
LOOPS = tuple(name for name in NAMES if MOTIONS[name][1])


def moment(motion: Motion, frame: int) -> Pose:
    return Pose(motion.pose.local_quats[frame], motion.pose.root[frame])


def joint_places(rig: Rig, pose: Pose) -> torch.Tensor:
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    return (transforms[..., :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[..., :3, 3]


@pytest.fixture(scope="module", params=[{}, {"weight": 1.0, "muscle": 0.2}, {"height": 0.9, "weight": 0.1}])
def rig(request: pytest.FixtureRequest) -> Rig:
    model = load_anny()
    return model.rig(model.default_shape(**request.param))


@pytest.mark.parametrize("name", UPRIGHT)
def test_feet_are_on_the_floor_and_never_in_it(name: str, rig: Rig) -> None:
    motion = builtin_motion(name, rig, fps=6.0)
    lowest = [float(pose_verts(rig, moment(motion, i))[:, 1].min()) for i in range(len(motion))]
    assert min(lowest) > -0.012
    assert max(lowest) < 0.02


def test_toes_that_point_down_do_not_go_through_the_floor(rig: Rig) -> None:
    motion = builtin_motion("range_of_motion", rig, fps=4.0)
    lowest = [float(pose_verts(rig, moment(motion, i))[:, 1].min()) for i in range(len(motion))]
    assert min(lowest) > -0.012
    assert float(motion.pose.root[:, 1].max()) > 0.05


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_closes_as_smoothly_as_it_runs(name: str) -> None:
    motion = builtin_motion(name, fakes.rig(), fps=30.0)
    places = joint_places(fakes.rig(), motion.pose)
    steps = (places[1:] - places[:-1]).norm(dim=-1).amax(1)
    closing = (places[0] - places[-1]).norm(dim=-1).max()
    assert float(closing) <= 1.05 * float(steps.max()) + 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_nothing_jumps(name: str) -> None:
    motion = builtin_motion(name, fakes.rig(), fps=60.0)
    places = joint_places(fakes.rig(), motion.pose)
    jerk = (places[2:] - 2 * places[1:-1] + places[:-2]).norm(dim=-1) * 60**2
    # A waving hand is accelerated with some 40 m/s^2; a limb that flips in one frame with many hundreds.
    assert float(jerk.max()) < 120


def test_a_standing_foot_of_the_turn_does_not_slide() -> None:
    rig = fakes.rig()
    motion = builtin_motion("turn", rig, fps=30.0)
    feet = joint_places(rig, motion.pose)[:, [rig.joint("foot.L"), rig.joint("foot.R")]]
    speed = (feet[1:] - feet[:-1]).norm(dim=-1) * 30
    # One of the two stands at every moment.
    assert float(speed.amin(1).max()) < 0.02


def test_the_turn_goes_once_round() -> None:
    rig = fakes.rig()
    motion = builtin_motion("turn", rig, fps=30.0)
    yaw = rotvecs_from_quats(motion.pose.local_quats[:, rig.joint("root")])[:, 1]
    steps = (yaw[1:] - yaw[:-1] + math.pi) % math.tau - math.pi
    assert float(steps.sum()) == pytest.approx(math.tau * (len(motion) - 1) / len(motion), abs=1e-3)


def test_the_wave_lifts_the_right_hand_above_the_shoulder_and_shows_the_palm() -> None:
    rig = fakes.rig()
    motion = builtin_motion("wave", rig, fps=30.0)
    places = joint_places(rig, motion.pose)
    wrist, shoulder = places[:, rig.joint("wrist.R")], places[:, rig.joint("upperarm01.R")]
    assert float((wrist - shoulder)[:, 1].max()) > 0.1
    assert float((wrist - shoulder)[0, 1]) < -0.3
    middle = places[len(motion) // 2]
    index, pinky = middle[rig.joint("finger2-1.R")], middle[rig.joint("finger5-1.R")]
    across = torch.linalg.cross(index - wrist[len(motion) // 2], pinky - wrist[len(motion) // 2])
    # For a right hand this product points out of the palm.
    assert float(across[2] / across.norm()) > 0.5


@pytest.mark.parametrize("side", ["L", "R"])
def test_hanging_hands_stay_clear_of_the_hips_of_any_body(side: str, rig: Rig) -> None:
    pose = standing(rig)
    verts, of_hand = pose_verts(rig, pose), torch.zeros(len(rig.verts))
    hand = torch.tensor(
        [f".{side}" in n and n.startswith(("wrist", "finger", "meta")) for n in rig.joint_names]
    )
    arm = torch.tensor(
        [n.startswith(("wrist", "finger", "meta", "lowerarm", "upperarm", "shoulder")) for n in rig.joint_names]
    )
    of_hand = (rig.skin_weights * hand[rig.skin_joints]).sum(1) > 0.9
    of_trunk = (rig.skin_weights * arm[rig.skin_joints]).sum(1) < 0.01
    distance = torch.cdist(verts[of_hand][::3], verts[of_trunk]).min()
    assert float(distance) > 0.004


def test_knees_and_elbows_bend_the_right_way() -> None:
    # Joints of the range of motion stay within their limits, which another test sees to.
    rig = fakes.rig()
    for name in UPRIGHT:
        motion = builtin_motion(name, rig, fps=10.0)
        places = joint_places(rig, motion.pose)
        yaw = rotvecs_from_quats(motion.pose.local_quats[:, rig.joint("root")])[:, 1]
        for side in "LR":
            hip, knee, ankle = (
                places[:, rig.joint(f"{n}.{side}")] for n in ("upperleg01", "lowerleg01", "foot")
            )
            bend = torch.linalg.cross(knee - hip, ankle - knee)
            sideways = torch.stack([yaw.cos(), 0 * yaw, -yaw.sin()], dim=-1)
            assert float((bend * sideways).sum(-1).min()) > -1e-3


def test_seconds_and_rate_give_the_number_of_frames() -> None:
    assert len(builtin_motion("idle", fakes.rig(), seconds=2.0, fps=24.0)) == 48
    assert len(builtin_motion("wave", fakes.rig(), seconds=0.04, fps=25.0)) == 1


@pytest.mark.parametrize("seconds, fps", [(0.0, 30.0), (-1.0, 30.0), (1.0, 0.0), (1e9, 30.0)])
def test_impossible_lengths_are_refused(seconds: float, fps: float) -> None:
    with pytest.raises(BadInputError, match="frames"):
        builtin_motion("idle", fakes.rig(), seconds, fps)


def test_an_unknown_motion_is_told_with_the_known_ones() -> None:
    with pytest.raises(BadInputError, match=r"no motion 'fly'.*idle.*wave"):
        builtin_motion("fly", fakes.rig())


def test_a_rig_with_foreign_joint_names_is_refused() -> None:
    from dataclasses import replace

    foreign = replace(fakes.rig(), joint_names=tuple(f"bone{i}" for i in range(len(fakes.rig().joint_names))))
    with pytest.raises(BadInputError, match="bone0"):
        builtin_motion("idle", foreign)
