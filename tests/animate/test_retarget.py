"""Clips of other skeletons on our rig; judged on the body's skin by `measures`."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.animate.measures import measure

from vivant.animate import builtin_motion, clip_of, motion_named, read_clip, retarget
from vivant.animate.retarget.roles import match_joints
from vivant.core.errors import BadInputError
from vivant.core.rotations import multiply_quats, quats_from_rotvecs

CLIPS = (
    "dab.bvh", "wave_hello.bvh", "walk1.bvh",
    "human-base-animations.glb:Walk_Loop", "human-base-animations.glb:Idle_Loop",
    "human-base-animations.glb:Roll", "human-addon-animations.glb:Dance Charleston",
)  # fmt: skip


@pytest.mark.parametrize("word", CLIPS)
def test_feet_stay_and_limbs_point_where_the_clip_has_them(word: str, shared: Path) -> None:
    name, _, which = word.partition(":")
    clip = read_clip(shared / "data" / "motion" / name, which or None)
    got = measure(clip, retarget(clip, fakes.rig()), fakes.rig())
    assert got.skate < 0.010
    assert got.floor > -0.002
    assert got.arms < 1.0 and got.mean_legs < 6.0


def test_a_motion_of_our_own_comes_back_the_same() -> None:
    rig = fakes.rig()
    walk = builtin_motion("walk", rig, fps=30.0)
    got = measure(clip_of(walk, rig), retarget(clip_of(walk, rig), rig), rig)
    assert got.arms < 0.5 and got.mean_legs < 3.0


@pytest.mark.parametrize("turn", [(-1.5708, 0.0, 0.0), (0.0, 1.5708, 0.0), (1.5708, 0.0, 0.0)])
def test_the_files_own_axes_do_not_matter(turn: tuple[float, float, float]) -> None:
    rig = fakes.rig()
    clip = clip_of(builtin_motion("wave", rig, fps=10.0), rig)
    quat = quats_from_rotvecs(torch.tensor(turn))
    from vivant.core.rotations import matrices_from_quats

    matrix = matrices_from_quats(quat)
    moved = replace(
        clip,
        rest_quats=multiply_quats(quat, clip.rest_quats),
        rest_places=100 * clip.rest_places @ matrix.T,
        quats=multiply_quats(quat, clip.quats),
        places=100 * clip.places @ matrix.T,
    )
    a, b = retarget(clip, rig).motion.pose, retarget(moved, rig).motion.pose
    assert float((a.local_quats * b.local_quats).sum(-1).abs().min()) > 0.9995
    torch.testing.assert_close(a.root, b.root, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    "names, scheme",
    [
        ("mixamorig:Hips mixamorig:{S}UpLeg mixamorig:{S}Leg mixamorig:{S}Foot mixamorig:{S}Arm "
         "mixamorig:{S}ForeArm", "Mixamo"),
        ("DEF-hips DEF-thigh.{s} DEF-shin.{s} DEF-foot.{s} DEF-upper_arm.{s} DEF-forearm.{s}", "Rigify"),
        ("root {l}femur {l}tibia {l}foot {l}humerus {l}radius", "CMU"),
        ("pelvis {w}_hip {w}_knee {w}_ankle {w}_shoulder {w}_elbow {w}_collar", "SMPL-X"),
        ("Hips UpLeg_{s} LoLeg_{s} Foot_{s} UpArm_{s} LoArm_{s}", "MakeHuman"),
        ("pelvis thigh_{l} calf_{l} foot_{l} upperarm_{l} lowerarm_{l}", "Unreal"),
        ("hips {w}UpperLeg {w}LowerLeg {w}Foot {w}UpperArm {w}LowerArm", "VRM"),
    ],
)  # fmt: skip
def test_makers_names_are_known(names: str, scheme: str) -> None:
    joints = []
    for word in names.split():
        both = (("L", "l", "left", "Left"), ("R", "r", "right", "Right"))
        sides = [word.format(s=s, l=small, w=w, S=big) for s, small, w, big in both]
        joints += dict.fromkeys(sides)
    found, roles = match_joints(joints)
    assert found.startswith(scheme)
    assert "left_upper_leg" in roles and "right_lower_arm" in roles


def test_an_unknown_skeleton_is_told_and_a_joint_map_helps(tmp_path: Path) -> None:
    rig = fakes.rig()
    clip = clip_of(builtin_motion("wave", rig, fps=10.0), rig)
    odd = replace(clip, joint_names=tuple(f"bone{i}" for i in range(len(clip.joint_names))))
    with pytest.raises(BadInputError, match="--joint-map"):
        retarget(odd, rig)
    _, roles = match_joints(clip.joint_names)
    table = {role: [f"bone{i}" for i in joints] for role, joints in roles.items()}
    import json

    (tmp_path / "map.json").write_text(json.dumps(table))
    moved = retarget(odd, rig, joint_map=tmp_path / "map.json")
    assert moved.scheme == "map.json" and "joints matched" in moved.summary
    (tmp_path / "bad.json").write_text('{"hips": "tail"}')
    with pytest.raises(BadInputError, match="'tail'"):
        retarget(odd, rig, joint_map=tmp_path / "bad.json")


def test_fingers_move_with_clips_that_have_them(shared: Path) -> None:
    rig = fakes.rig()
    moved = retarget(read_clip(shared / "data" / "motion" / "human-base-animations.glb", "Punch_Jab"), rig)
    index = rig.joint("finger3-2.L")
    assert float(moved.motion.pose.local_quats[:, index, 0].min()) < 0.97


def test_a_clip_can_stay_in_place_and_last_as_long_as_asked(shared: Path) -> None:
    word = str(shared / "data" / "motion" / "human-base-animations.glb") + ":Roll"
    far, _ = motion_named(word, fakes.rig())
    near, _ = motion_named(word, fakes.rig(), in_place=True)
    assert float(near.pose.root[:, [0, 2]].norm(dim=-1).max()) <= float(
        far.pose.root[:, [0, 2]].norm(dim=-1).max()
    )
    short, _ = motion_named(word, fakes.rig(), seconds=0.5)
    assert len(short) == 15
