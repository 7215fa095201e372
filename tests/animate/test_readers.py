import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import fakes

from vivant.animate import builtin_motion, load_motion, read_clip, save_motion
from vivant.animate.readers.bvh import read_bvh
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.glb import write_glb
from vivant.core.rotations import quats_from_rotvecs

BVH = """HIERARCHY
ROOT Hips
{
 OFFSET 0 1 0
 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
 JOINT Spine
 {
  OFFSET 0 0.5 0
  CHANNELS 3 Zrotation Xrotation Yrotation
  End Site
  {
   OFFSET 0 0.2 0
  }
 }
}
MOTION
Frames: 2
Frame Time: 0.04
0 1 0 0 0 0 0 0 0
1 2 3 90 0 0 0 0 0
"""
FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


def written(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def glb(path: Path, way: str = "LINEAR", quantised: bool = False, **changes: object) -> Path:
    """One node that turns by 90 degrees about z within a second."""
    times = np.array([0, 1], np.float32)
    a, b = np.array([0, 0, 0, 1.0]), np.array([0, 0, 0.5**0.5, 0.5**0.5])
    rows = np.array([0 * a, a, 0 * a, 0 * a, b, 0 * a] if way == "CUBICSPLINE" else [a, b])
    values = (rows * 32767).round().astype(np.int16) if quantised else rows.astype(np.float32)
    # Interleaved: after each row of the output stand bytes of something else.
    row = values.itemsize * 4 + 4
    packed = b"".join(one.tobytes() + b"\xff" * 4 for one in values)
    document = {
        "nodes": [{"name": "Hips", "children": [1]}, {"name": "Spine", "translation": [0, 1, 0]}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 8},
            {"buffer": 0, "byteOffset": 8, "byteLength": len(packed), "byteStride": row},
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 2, "type": "SCALAR"},
            {"bufferView": 1, "componentType": 5122 if quantised else 5126, "normalized": quantised,
             "count": len(values), "type": "VEC4"},
        ],
        "animations": [
            {"name": "Turn", "samplers": [{"input": 0, "output": 1, "interpolation": way}],
             "channels": [{"sampler": 0, "target": {"node": 0, "path": "rotation"}}]},
        ],
        **changes,
    }  # fmt: skip
    write_glb(path, document, times.tobytes() + packed)
    return path


def test_bvh_turns_in_the_order_of_its_channels_and_places_by_its_positions(tmp_path: Path) -> None:
    clip = read_bvh(written(tmp_path / "a.bvh", BVH))
    assert clip.joint_names == ("Hips", "Spine") and clip.fps == pytest.approx(25)
    torch.testing.assert_close(clip.places[1, 1], torch.tensor([0.5, 2.0, 3.0]), atol=1e-5, rtol=0)
    both = BVH.replace("90 0 0 0 0 0", "90 90 0 0 0 0")
    turned = read_bvh(written(tmp_path / "b.bvh", both)).places[1]
    # First channel outermost: about x first, then about z. Up goes to +z and stays there.
    torch.testing.assert_close(turned[1] - turned[0], torch.tensor([0.0, 0.0, 0.5]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "old, new",
    [
        ("Frames: 2", "Frames: 900000000000"),
        ("Frames: 2", "Frames: -1"),
        ("0.04", "0"),
        ("0.04", "nan"),
        ("1 2 3", "nan 2 3"),
        ("1 2 3", "1e30 2 3"),
        ("1 2 3", "x 2 3"),
        ("1 2 3 90", "1"),
        ("CHANNELS 3", "CHANNELS 99999999"),
        ("CHANNELS 3", "CHANNELS x"),
        ("OFFSET 0 0.5 0", "OFFSET 0 inf 0"),
        ("OFFSET 0 0.5 0", "OFFSET 0"),
        ("MOTION", ""),
        ("}\n}\nMOTION", "MOTION"),
        ("HIERARCHY", "HIERARCHY }"),
        ("JOINT Spine", "JOINT"),
    ],
)
def test_a_damaged_bvh_is_told(old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises(BadFileError):
        read_bvh(written(tmp_path / "a.bvh", BVH.replace(old, new, 1)))


def test_a_deep_bvh_needs_no_recursion(tmp_path: Path) -> None:
    deep = "".join(f"JOINT j{i} {{ OFFSET 0 1 0 CHANNELS 0 " for i in range(1500))
    text = BVH.replace(" JOINT Spine", f" {deep} {'} ' * 1500} JOINT Spine", 1)
    assert len(read_bvh(written(tmp_path / "a.bvh", text)).joint_names) == 1502


@FUZZ
@given(
    st.integers(0, len(BVH) - 1), st.integers(0, 40), st.text(alphabet="0123456789.-e{} \nJOINTx", max_size=12)
)
def test_any_bvh_is_read_or_refused(tmp_path: Path, at: int, drop: int, put: str) -> None:
    try:
        clip = read_bvh(written(tmp_path / "a.bvh", BVH[:at] + put + BVH[at + drop :]))
    except BadFileError:
        return
    assert bool(torch.isfinite(clip.places).all())


@pytest.mark.parametrize("way, half", [("LINEAR", 45.0), ("STEP", 0.0), ("CUBICSPLINE", 45.0)])
@pytest.mark.parametrize("quantised", [False, True])
def test_a_glb_clip_is_interpolated_as_it_says(way: str, half: float, quantised: bool, tmp_path: Path) -> None:
    clip = read_clip(glb(tmp_path / "a.glb", way, quantised))
    bone = clip.places[:, 1] - clip.places[:, 0]
    angle = torch.rad2deg(torch.atan2(-bone[:, 0], bone[:, 1]))
    assert float(angle[-1]) == pytest.approx(90.0, abs=0.01)
    assert float(angle[len(clip) // 2]) == pytest.approx(half, abs=0.01)


def test_a_clip_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = glb(tmp_path / "a.glb")
    assert read_clip(path, "turn").name == "Turn"
    with pytest.raises(BadFileError, match="no clip named 'fly'; there are Turn"):
        read_clip(path, "fly")


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": [{"children": [1]}, {"children": [0]}]},
        {"nodes": [{"children": [0]}]},
        {"nodes": [{"translation": [0, "x", 0]}, {}]},
        {"nodes": [{"matrix": [1] * 15}, {}]},
        {"animations": []},
        {
            "animations": [
                {"channels": [{"sampler": 7, "target": {"node": 0, "path": "scale"}}], "samplers": []}
            ]
        },
        {"animations": [{"channels": 3}]},
        {"accessors": [{"bufferView": 0, "componentType": 5126, "count": 2**40, "type": "SCALAR"}] * 2},
        {"bufferViews": [{"buffer": 0, "byteLength": 2**40}] * 2},
        {"bufferViews": [{"buffer": 1, "byteLength": 8}] * 2},
    ],
)
def test_a_damaged_glb_is_told(changes: dict, tmp_path: Path) -> None:
    with pytest.raises(BadFileError):
        read_clip(glb(tmp_path / "a.glb", **changes))


def test_a_glb_clip_of_a_thousand_years_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    path = glb(tmp_path / "a.glb")
    content = bytearray(path.read_bytes())
    at = content.index(np.float32(1.0).tobytes())
    content[at : at + 4] = np.float32(3e10).tobytes()
    with pytest.raises(BadFileError, match="frames"):
        read_clip(written(path, bytes(content)))


@FUZZ
@given(st.data())
def test_any_glb_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(glb(tmp_path / "a.glb").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_clip(written(tmp_path / "b.glb", bytes(content[: data.draw(st.integers(0, len(content)))])))
    except BadFileError:
        pass


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **{name: np.asarray(value) for name, value in arrays.items()})
    return path


def test_amass_turns_are_read_and_stood_upright(tmp_path: Path) -> None:
    poses = np.zeros((3, 156))
    # AMASS stands in a world whose up is z: the root turns the y-up body by 90 degrees about x.
    poses[:, 0] = np.pi / 2
    poses[:, 3 * 18 + 1] = -0.7
    clip = read_clip(npz(tmp_path / "a.npz", poses=poses, trans=np.zeros((3, 3)), mocap_framerate=60.0))
    assert clip.fps == 60.0 and len(clip.joint_names) == 52
    head, hips = (clip.places[0, clip.joint_names.index(name)] for name in ("head", "pelvis"))
    assert float((head - hips)[1]) > 0.5
    elbow = clip.joint_names.index("left_elbow")
    expected = quats_from_rotvecs(torch.tensor([0.0, -0.7, 0.0]))
    assert float((clip.quats[0, elbow] @ expected).abs()) == pytest.approx(1.0, abs=1e-5)


def test_smplx_files_with_separate_parts_are_read(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", global_orient=np.zeros((4, 3)), body_pose=np.zeros((4, 21, 3)),
               left_hand_pose=np.zeros((4, 45)), right_hand_pose=np.zeros((4, 45)))  # fmt: skip
    assert len(read_clip(path).joint_names) == 52


@pytest.mark.parametrize(
    "arrays",
    [
        {"poses": np.zeros((3, 7))},
        {"poses": np.full((3, 72), np.nan)},
        {"poses": np.zeros((3, 72)), "trans": np.zeros((2, 3))},
        {"poses": np.zeros((3, 72)), "mocap_framerate": -1.0},
        {"poses": np.zeros((0, 72))},
        {"body_pose": np.zeros((3, 63))},
        {"poses": np.array([{"a": 1}], dtype=object)},
    ],
)
def test_a_damaged_npz_is_told(arrays: dict, tmp_path: Path) -> None:
    with pytest.raises(BadFileError):
        read_clip(npz(tmp_path / "a.npz", **arrays))


def test_an_npz_that_announces_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**7, 72)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
        packed.writestr("poses.npy", head.getvalue() + b"\0" * 64)
    with pytest.raises(BadFileError, match="5760000000 bytes"):
        read_clip(tmp_path / "a.npz")


@FUZZ
@given(st.data())
def test_any_npz_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(npz(tmp_path / "a.npz", poses=np.zeros((1, 66))).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_clip(written(tmp_path / "b.npz", bytes(content)))
    except BadFileError:
        pass


def test_our_own_file_comes_back_with_its_face(tmp_path: Path) -> None:
    rig = fakes.rig()
    motion = builtin_motion("talk", rig, seconds=1.0, fps=5.0)
    save_motion(motion, rig, tmp_path / "a.motion")
    back = load_motion(tmp_path / "a.motion", rig)
    assert (
        torch.equal(back.pose.local_quats, motion.pose.local_quats) and back.action_names == motion.action_names
    )
    assert back.actions is not None and torch.equal(back.actions, motion.actions)


@FUZZ
@given(st.data())
def test_any_file_of_ours_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    rig = fakes.rig()
    save_motion(builtin_motion("idle", rig, seconds=0.2, fps=5.0), rig, tmp_path / "a.motion")
    content = bytearray((tmp_path / "a.motion").read_bytes())
    at = data.draw(st.integers(0, min(4000, len(content) - 1)))
    content[at] = data.draw(st.integers(0, 255))
    try:
        load_motion(written(tmp_path / "b.motion", bytes(content)), rig)
    except BadInputError:
        pass


@pytest.mark.parametrize(
    "name, said", [("a.fbx", "Blender"), ("a.gltf", ".glb"), ("a.txt", "suffix"), ("a.bvh", "exist")]
)
def test_what_is_not_read_is_told_with_a_way_out(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=said):
        read_clip(tmp_path / name)


def test_no_other_file_is_ever_opened(tmp_path: Path) -> None:
    written(tmp_path / "secret.bin", b"\0" * 64)
    path = glb(tmp_path / "a.glb")
    document = path.read_bytes()
    length = int.from_bytes(document[12:16], "little")
    text = json.loads(document[20 : 20 + length])
    text["buffers"] = [{"byteLength": 64, "uri": "secret.bin"}]
    packed = json.dumps(text).encode()
    packed += b" " * (-len(packed) % 4)
    rest = document[20 + length :]
    size = 20 + len(packed) + len(rest)
    head = document[:8] + size.to_bytes(4, "little") + len(packed).to_bytes(4, "little") + b"JSON"
    with pytest.raises(BadFileError, match="another file"):
        read_clip(written(path, head + packed + rest))
