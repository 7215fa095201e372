"""Skinned GLB: what is written, played back by the rules of glTF, is what the avatar does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tests import fakes
from tests.export.conftest import world_from_nodes

from vivant.body import forward_kinematics, skin_points
from vivant.core.glb import Glb, node_parents, read_accessor, read_glb, write_glb
from vivant.core.rotations import matrices_from_quats
from vivant.export.figure import Figure
from vivant.export.gltf import build_figure
from vivant.export.rigged_splats import build_rigged_splats
from vivant.records import Motion, Pose
from vivant.splat import pose_splats


def written(figure: Figure, path: Path) -> Glb:
    builder = build_figure(figure, unlit=True, quality=90)
    write_glb(path, builder.document, bytes(builder.binary))
    return read_glb(path)


def transforms(glb: Glb, clip: int, frame: int) -> torch.Tensor:
    """What carries the skin's points to a frame, worked out from the file alone."""
    nodes, skin = glb.listed("nodes"), glb.listed("skins")[0]
    local = {}
    for channel in glb.listed("animations")[clip]["channels"]:
        target, sampler = channel["target"], glb.listed("animations")[clip]["samplers"][channel["sampler"]]
        if target["path"] == "weights":
            continue
        value = torch.from_numpy(read_accessor(glb, sampler["output"])[frame].astype(np.float32))
        if target["node"] not in local:
            local[target["node"]] = torch.eye(4)
            local[target["node"]][:3, 3] = torch.tensor(nodes[target["node"]]["translation"])
        matrix = local[target["node"]]
        if target["path"] == "rotation":
            matrix[:3, :3] = matrices_from_quats(value[[3, 0, 1, 2]])
        else:
            matrix[:3, 3] = value
    worlds = torch.stack(world_from_nodes(nodes, local))[skin["joints"]]
    inverse = read_accessor(glb, skin["inverseBindMatrices"]).reshape(-1, 4, 4)
    return worlds @ torch.from_numpy(inverse).transpose(1, 2)


def skinned(glb: Glb, carried: torch.Tensor) -> torch.Tensor:
    attributes = glb.listed("meshes")[0]["primitives"][0]["attributes"]
    verts, joints, weights = (
        torch.from_numpy(read_accessor(glb, attributes[name]).copy())
        for name in ("POSITION", "JOINTS_0", "WEIGHTS_0")
    )
    return skin_points(verts, joints.long(), weights, carried)


def expected(figure: Figure, motion: Motion, frame: int) -> torch.Tensor:
    pose = Pose(motion.pose.local_quats[frame], motion.pose.root[frame])
    carried = forward_kinematics(figure.joint_parents, figure.joints_world, pose)
    return skin_points(figure.mesh.verts, figure.mesh.skin_joints, figure.mesh.skin_weights, carried)


def test_a_clip_played_from_the_file_moves_the_mesh_as_the_avatar_moves(figure: Figure, tmp_path: Path) -> None:
    glb = written(figure, tmp_path / "a.glb")
    for frame in (0, 4, 9):
        played = skinned(glb, transforms(glb, 0, frame))
        torch.testing.assert_close(played, expected(figure, figure.motions[0], frame), rtol=0, atol=1e-5)


def test_the_root_moves_over_the_floor(figure: Figure, wave: Motion, tmp_path: Path) -> None:
    moved = replace(wave, pose=Pose(wave.pose.local_quats, wave.pose.root + torch.tensor([1.0, 0, 2])))
    glb = written(replace(figure, motions=(moved,)), tmp_path / "a.glb")
    played = skinned(glb, transforms(glb, 0, 3))
    torch.testing.assert_close(played, expected(figure, moved, 3), rtol=0, atol=1e-5)


def test_a_loop_is_closed_and_another_clip_is_not(figure: Figure, wave: Motion, tmp_path: Path) -> None:
    motions = (replace(wave, loops=True), replace(wave, loops=False))
    glb = written(replace(figure, motions=motions), tmp_path / "a.glb")
    counts = [len(read_accessor(glb, clip["samplers"][0]["input"])) for clip in glb.listed("animations")]
    assert counts == [len(wave) + 1, len(wave)]
    torch.testing.assert_close(transforms(glb, 0, len(wave)), transforms(glb, 0, 0))


def test_neighbouring_turns_lie_on_the_same_side(figure: Figure, wave: Motion, tmp_path: Path) -> None:
    quats = wave.pose.local_quats.clone()
    quats[1::2] *= -1
    glb = written(
        replace(figure, motions=(replace(wave, pose=Pose(quats, wave.pose.root)),)), tmp_path / "a.glb"
    )
    for channel in glb.listed("animations")[0]["channels"]:
        if channel["target"]["path"] == "rotation":
            turns = read_accessor(glb, glb.listed("animations")[0]["samplers"][channel["sampler"]]["output"])
            assert ((turns[1:] * turns[:-1]).sum(1) > 0).all()


def test_faces_move_by_morph_targets_that_anny_s_actions_give(figure: Figure, tmp_path: Path) -> None:
    face = figure.face
    assert face is not None
    jaw = face.action_names.index("jawOpen")
    talk = replace(
        figure.motions[0],
        action_names=("jawOpen", "noSuch"),
        actions=torch.full((len(figure.motions[0]), 2), 0.5),
    )
    glb = written(replace(figure, motions=(talk,)), tmp_path / "a.glb")
    mesh, clip = glb.listed("meshes")[0], glb.listed("animations")[0]
    assert mesh["extras"]["targetNames"] == list(face.action_names)
    channel = next(channel for channel in clip["channels"] if channel["target"]["path"] == "weights")
    assert glb.listed("nodes")[channel["target"]["node"]]["mesh"] == 0
    weights = read_accessor(glb, clip["samplers"][channel["sampler"]]["output"]).reshape(-1, 52)
    np.testing.assert_allclose(weights[:, jaw], 0.5)
    assert np.abs(np.delete(weights, jaw, 1)).max() == 0
    sparse = glb.listed("accessors")[mesh["primitives"][0]["targets"][jaw]["POSITION"]]["sparse"]
    view = glb.item("bufferViews", sparse["values"]["bufferView"])
    values = np.frombuffer(glb.binary, "<f4", sparse["count"] * 3, view["byteOffset"]).reshape(-1, 3)
    moved = face.offsets[jaw].norm(dim=-1) > 0
    np.testing.assert_array_equal(values, face.offsets[jaw][moved])
    # The chin drops.
    assert values[:, 1].min() < -0.005


def test_the_skeleton_is_the_rig_s(figure: Figure, tmp_path: Path) -> None:
    glb = written(figure, tmp_path / "a.glb")
    joints = len(figure.joint_names)
    assert tuple(node["name"] for node in glb.listed("nodes")[:joints]) == figure.joint_names
    assert node_parents(glb)[:joints] == figure.joint_parents


def test_texture_points_run_down_and_the_picture_is_inside(figure: Figure, tmp_path: Path) -> None:
    glb = written(figure, tmp_path / "a.glb")
    attributes = glb.listed("meshes")[0]["primitives"][0]["attributes"]
    uv = read_accessor(glb, attributes["TEXCOORD_0"])
    np.testing.assert_allclose(uv[:, 1], 1 - figure.mesh.uv[:, 1].numpy(), atol=1e-6)
    view = glb.item("bufferViews", glb.listed("images")[0]["bufferView"])
    assert glb.binary[view["byteOffset"] :][:3] == b"\xff\xd8\xff"


def test_the_khronos_validator_has_nothing_to_say(
    figure: Figure, wave: Motion, tmp_path: Path, validate: Callable[[Path], dict]
) -> None:
    written(replace(figure, motions=(wave, replace(wave, name="again", loops=False))), tmp_path / "a.glb")
    issues = validate(tmp_path / "a.glb")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_the_khronos_validator_sees_what_is_wrong(
    figure: Figure, tmp_path: Path, validate: Callable[[Path], dict]
) -> None:
    builder = build_figure(figure, unlit=True, quality=90)
    builder.document["skins"][0]["joints"][0] = 9999
    write_glb(tmp_path / "a.glb", builder.document, bytes(builder.binary))
    assert validate(tmp_path / "a.glb")["numErrors"] > 0


def test_rigged_splats_come_back_and_move_as_the_avatar_s(wave: Motion, tmp_path: Path) -> None:
    avatar = fakes.avatar()
    builder = build_rigged_splats(avatar, (wave,))
    write_glb(tmp_path / "a.splats.glb", builder.document, bytes(builder.binary))
    glb = read_glb(tmp_path / "a.splats.glb")
    attributes = glb.listed("meshes")[0]["primitives"][0]["attributes"]
    found = {key.rpartition(":")[2]: read_accessor(glb, index) for key, index in attributes.items()}
    np.testing.assert_allclose(found["POSITION"], avatar.splats.means)
    np.testing.assert_allclose(found["SCALE"], avatar.splats.scales)
    np.testing.assert_allclose(found["OPACITY"][:, 0], avatar.splats.opacities)
    np.testing.assert_allclose(found["SH_DEGREE_0_COEF_0"], avatar.splats.sh[:, 0])
    np.testing.assert_allclose(found["ROTATION"][:, [3, 0, 1, 2]], avatar.splats.quats)
    pose = Pose(wave.pose.local_quats[4], wave.pose.root[4])
    rig = avatar.rig
    carried = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    moved = pose_splats(avatar.splats, avatar.binding, carried)
    torch.testing.assert_close(skinned(glb, transforms(glb, 0, 4)), moved.means, rtol=0, atol=1e-5)


def test_rigged_splats_are_valid_but_for_attributes_the_validator_does_not_know(
    tmp_path: Path, validate: Callable[[Path], dict]
) -> None:
    builder = build_rigged_splats(fakes.avatar(), ())
    write_glb(tmp_path / "a.splats.glb", builder.document, bytes(builder.binary))
    issues = validate(tmp_path / "a.splats.glb")
    bad = [message for message in issues["messages"] if message["severity"] <= 1]
    assert {message["code"] for message in bad} == {"MESH_PRIMITIVE_INVALID_ATTRIBUTE"}
    assert all("KHR_gaussian_splatting:" in message["pointer"] for message in bad) and len(bad) == 4
