import torch
from tests import fakes

from vivant.animate import builtin_motion, expressions_of, posed_frames
from vivant.body import joint_limits


def test_the_jaw_opens_downwards_and_only_the_face_moves() -> None:
    avatar = fakes.avatar(6000)
    face = expressions_of(avatar, ("jawOpen",))
    assert face is not None
    moved = face.apply(avatar.splats, torch.tensor([1.0])).means - avatar.splats.means
    far = moved.norm(dim=-1) > 0.01
    assert int(far.sum()) > 5 and float(moved[far, 1].mean()) < -0.01
    assert float(avatar.splats.means[far, 1].min()) > 1.4


def test_an_action_never_goes_beyond_its_full_strength() -> None:
    avatar = fakes.avatar(6000)
    face = expressions_of(avatar, ("mouthSmileLeft",))
    assert face is not None
    once, twice = (face.apply(avatar.splats, torch.tensor([w])).means for w in (1.0, 2.0))
    assert torch.equal(once, twice)


def test_eyes_blink_in_every_loop_and_open_again() -> None:
    idle = builtin_motion("idle", fakes.rig())
    assert idle.actions is not None
    assert float(idle.actions.max()) == 1.0 and float((idle.actions == 0).float().mean()) > 0.7
    assert float(idle.actions[0].max()) == 0.0


def test_a_talk_opens_the_mouth_in_the_film() -> None:
    avatar = fakes.avatar(6000)
    talk = builtin_motion("talk", avatar.rig, fps=4.0)
    assert talk.actions is not None
    still = builtin_motion("idle", avatar.rig, fps=4.0)
    assert float(talk.actions[:, talk.action_names.index("jawOpen")].max()) > 0.2
    assert len(list(posed_frames(avatar, talk))) == len(talk) and still.action_names != talk.action_names


def test_every_limited_joint_reaches_its_limits_and_none_leaves_them() -> None:
    rig = fakes.rig()
    motion = builtin_motion("range_of_motion", rig)
    limits = joint_limits(rig)
    angles = limits.angles(motion.pose)
    assert float((angles - limits.upper).max()) < 0.02 and float((limits.lower - angles).max()) < 0.02
    flex = [
        limits.joints.tolist().index(rig.joint(name)) for name in ("lowerarm01.L", "lowerleg01.R", "wrist.L")
    ]
    reach = angles[:, flex, 1].amax(0) / limits.upper[flex, 1]
    assert float(reach.min()) > 0.97
