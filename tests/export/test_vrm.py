from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.body import forward_kinematics
from vivant.core.errors import BadInputError
from vivant.core.glb import Glb, read_glb, write_glb
from vivant.export.figure import Figure, in_t_pose
from vivant.export.vrm import REQUIRED, VrmMeta, build_vrm, humanoid_joints
from vivant.records import Motion, Pose

META = VrmMeta(name="me", authors=("Ada", "Bo"), permission="everyone", redistribution=True, copyright="Ada")


def written(figure: Figure, path: Path, meta: VrmMeta = META) -> Glb:
    builder = build_vrm(figure, fakes.avatar(), meta, quality=80)
    write_glb(path, builder.document, bytes(builder.binary))
    return read_glb(path)


def test_every_bone_that_vrm_requires_is_named_and_none_twice(figure: Figure, tmp_path: Path) -> None:
    glb = written(figure, tmp_path / "a.vrm")
    bones = glb.document["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]
    assert set(REQUIRED) <= set(bones)
    nodes = [bone["node"] for bone in bones.values()]
    assert len(nodes) == len(set(nodes)) == 52
    assert glb.listed("nodes")[bones["leftHand"]["node"]]["name"] == "wrist.L"


def test_the_licence_is_what_the_user_said(figure: Figure, tmp_path: Path) -> None:
    extension = written(figure, tmp_path / "a.vrm").document["extensions"]["VRMC_vrm"]
    assert extension["specVersion"] == "1.0"
    meta = extension["meta"]
    assert (meta["name"], meta["authors"], meta["copyrightInformation"]) == ("me", ["Ada", "Bo"], "Ada")
    assert meta["licenseUrl"] == "https://vrm.dev/licenses/1.0/"
    assert meta["avatarPermission"] == "everyone" and meta["allowRedistribution"] is True
    # What nobody allowed is not allowed.
    assert meta["modification"] == "prohibited" and meta["commercialUsage"] == "personalNonProfit"
    assert "contactInformation" not in meta


def test_expressions_are_sums_of_morph_targets(figure: Figure, tmp_path: Path) -> None:
    glb = written(figure, tmp_path / "a.vrm")
    presets = glb.document["extensions"]["VRMC_vrm"]["expressions"]["preset"]
    assert {"blink", "aa", "happy", "surprised"} <= set(presets)
    names = glb.listed("meshes")[0]["extras"]["targetNames"]
    for bind in presets["blink"]["morphTargetBinds"]:
        assert glb.listed("nodes")[bind["node"]]["mesh"] == 0
        assert names[bind["index"]].startswith("eyeBlink") and bind["weight"] == 1.0
    assert len(presets["blink"]["morphTargetBinds"]) == 2


def test_at_rest_arms_lie_along_x_legs_stand_straight_and_feet_are_on_the_floor(figure: Figure) -> None:
    humanoid = humanoid_joints(figure.joint_names)
    stands = in_t_pose(figure, humanoid)
    place = {bone: stands.joints_world[joint] for bone, joint in humanoid.items()}
    for side, out in (("left", 1.0), ("right", -1.0)):
        arm = torch.nn.functional.normalize(place[f"{side}Hand"] - place[f"{side}UpperArm"], dim=0)
        leg = torch.nn.functional.normalize(place[f"{side}Foot"] - place[f"{side}UpperLeg"], dim=0)
        torch.testing.assert_close(arm, torch.tensor([out, 0.0, 0.0]), rtol=0, atol=1e-4)
        torch.testing.assert_close(leg, torch.tensor([0.0, -1.0, 0.0]), rtol=0, atol=1e-4)
    assert abs(float(stands.mesh.verts[:, 1].min())) < 1e-6
    assert abs(float(stands.mesh.verts[:, 0].mean())) < 0.01
    torch.testing.assert_close(stands.mesh.normals.norm(dim=-1), torch.ones(len(stands.mesh.verts)))


def test_a_clip_says_the_same_of_either_rest_pose(figure: Figure) -> None:
    stands = in_t_pose(figure, humanoid_joints(figure.joint_names))

    def joints(of: Figure, motion: Motion) -> torch.Tensor:
        pose = Pose(motion.pose.local_quats[4], motion.pose.root[4])
        carried = forward_kinematics(of.joint_parents, of.joints_world, pose)
        return (carried[:, :3, :3] @ of.joints_world[..., None])[..., 0] + carried[:, :3, 3]

    before, after = joints(figure, figure.motions[0]), joints(stands, stands.motions[0])
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def test_a_rig_without_a_bone_and_a_licence_without_an_author_are_refused(figure: Figure) -> None:
    names = tuple("x" if name == "foot.L" else name for name in figure.joint_names)
    with pytest.raises(BadInputError, match=r"no joint for leftFoot.*\.glb"):
        humanoid_joints(names)
    for authors in ((), (" ",)):
        with pytest.raises(BadInputError, match="at least one author"):
            build_vrm(figure, fakes.avatar(), replace(META, authors=authors), quality=80)


def test_smplx_s_joints_are_bones_too() -> None:
    sides = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist", "thumb1", "pinky3")
    names = ("pelvis", "spine1", "neck", "head", *(f"{s}_{n}" for s in ("left", "right") for n in sides))
    found = humanoid_joints(names)
    assert names[found["leftUpperLeg"]] == "left_hip" and names[found["rightLittleDistal"]] == "right_pinky3"


def test_the_khronos_validator_has_nothing_to_say(
    figure: Figure, tmp_path: Path, validate: Callable[[Path], dict]
) -> None:
    written(figure, tmp_path / "a.vrm")
    issues = validate(tmp_path / "a.vrm")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]
