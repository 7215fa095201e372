"""A user's SMPL-X file becomes a rig, and anything else is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vivant.body import PARTS, load_smplx, part_labels, pose_verts, rest_pose
from vivant.body.smplx import JOINT_NAMES
from vivant.core.errors import BadFileError, BadInputError
from vivant.records import Pose, Shape

PARENTS = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
    21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53,
)  # fmt: skip


def t_pose() -> np.ndarray:
    """Places of 55 joints of a made-up person."""
    place = {"pelvis": (0, 0, 0), "spine1": (0, 0.1, 0), "spine2": (0, 0.2, 0), "spine3": (0, 0.3, 0)}
    place |= {"neck": (0, 0.5, 0), "head": (0, 0.6, 0), "jaw": (0, 0.58, 0.05)}
    for side, sign in (("left", 1), ("right", -1)):
        limb = {"hip": (0.1, -0.1), "knee": (0.1, -0.5), "ankle": (0.1, -0.9), "collar": (0.05, 0.4)}
        limb |= {"shoulder": (0.2, 0.4), "elbow": (0.45, 0.4), "wrist": (0.7, 0.4)}
        place |= {f"{side}_{name}": (sign * x, y, 0) for name, (x, y) in limb.items()}
        place |= {f"{side}_foot": (sign * 0.1, -0.95, 0.1), f"{side}_eye_smplhf": (sign * 0.03, 0.65, 0.1)}
        for k, finger in enumerate(("index", "middle", "pinky", "ring", "thumb")):
            place |= {f"{side}_{finger}{b}": (sign * (0.75 + 0.03 * b), 0.4, 0.02 * k) for b in (1, 2, 3)}
    return np.array([place[name] for name in JOINT_NAMES], dtype=np.float64)


def tiny_model(**changes: np.ndarray) -> dict[str, np.ndarray]:
    """The layout of the makers' file, with one little triangle round each joint."""
    random = np.random.default_rng(0)
    joints = t_pose()
    corners = 0.01 * np.array([[1.0, 0, 0], [-0.5, 0.8, 0], [-0.5, -0.8, 0]])
    verts = (joints[:, None] + corners).reshape(-1, 3)
    owner = np.repeat(np.eye(55), 3, axis=0)
    parents = np.array(PARENTS, dtype=np.int64) % 2**32
    model = {
        "v_template": verts,
        "shapedirs": 0.01 * random.normal(size=(165, 3, 20)),
        "posedirs": np.zeros((165, 3, 486)),
        "J_regressor": owner.T / 3,
        "weights": owner,
        "kintree_table": np.stack([parents, np.arange(55)]).astype(np.uint32),
        "f": np.arange(165).reshape(55, 3).astype(np.uint32),
        "vt": random.uniform(size=(165, 2)),
        "ft": np.arange(165).reshape(55, 3).astype(np.uint32),
        "joint2num": np.array({"pelvis": 0}, dtype=object),
    }
    return {**model, **changes}


def written(path: Path, **changes: np.ndarray) -> Path:
    np.savez(path, **tiny_model(**changes))
    return path


def test_the_rig_stands_on_the_floor_in_an_a_pose(tmp_path: Path) -> None:
    model = load_smplx(written(tmp_path / "tiny.npz"))
    rig = model.rig(model.default_shape())
    assert float(rig.verts[:, 1].min()) == pytest.approx(0, abs=1e-6)
    assert rig.joint_names == JOINT_NAMES
    assert rig.joint_parents == PARENTS
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = rig.joints_world[rig.joint(f"{side}_wrist")] - rig.joints_world[rig.joint(f"{side}_shoulder")]
        torch.testing.assert_close(arm, torch.tensor([sign, -1.0, 0]) * 0.5 * 2**-0.5, atol=1e-5, rtol=0)
        leg = rig.joints_world[rig.joint(f"{side}_ankle")] - rig.joints_world[rig.joint(f"{side}_hip")]
        assert float(sign * leg[0]) > 0.05
    torch.testing.assert_close(pose_verts(rig, rest_pose(55)), rig.verts, atol=1e-6, rtol=0)


def test_shape_and_expression_follow_the_files_directions(tmp_path: Path) -> None:
    path = written(tmp_path / "tiny.npz")
    model, arrays = load_smplx(path), tiny_model()
    assert (len(model.shape_basis), len(model.expression_basis)) == (10, 10)
    betas, expression = torch.tensor([0.5, -1.0, 0.3]), torch.tensor([0.2])
    rig = model.rig(Shape("smplx", betas, expression))
    shaped = arrays["v_template"] + arrays["shapedirs"][:, :, :3] @ betas.double().numpy()
    joints = arrays["J_regressor"] @ shaped
    shaped = shaped + 0.2 * arrays["shapedirs"][:, :, 10]
    # The head neither turns nor bends in the A-pose, so only the floor moves it.
    head = JOINT_NAMES.index("head")
    moved = rig.verts[3 * head : 3 * head + 3] - rig.joints_world[head]
    expected = torch.from_numpy(shaped[3 * head : 3 * head + 3] - joints[head]).float()
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_the_a_pose_gets_the_files_pose_corrections(tmp_path: Path) -> None:
    corrections = np.zeros((165, 3, 486))
    shoulder = JOINT_NAMES.index("left_shoulder")
    # Element (0, 1) of the left shoulder's turn moves all of the head forward.
    head = JOINT_NAMES.index("head")
    corrections[3 * head : 3 * head + 3, 2, 9 * (shoulder - 1) + 1] = 0.1
    plain, path = load_smplx(written(tmp_path / "plain.npz")), tmp_path / "corrected.npz"
    corrected = load_smplx(written(path, posedirs=corrections))
    change = corrected.rig(corrected.default_shape()).verts - plain.rig(plain.default_shape()).verts
    # A turn by -45 degrees about z has sin 45 there.
    torch.testing.assert_close(change[3 * head, 2], torch.tensor(0.1 * 2**-0.5), atol=1e-5, rtol=0)


def test_it_poses_and_knows_its_parts_like_any_rig(tmp_path: Path) -> None:
    model = load_smplx(written(tmp_path / "tiny.npz"))
    rig = model.rig(model.default_shape())
    quats = rest_pose(55).local_quats
    quats[0] = torch.tensor([0.0, 0, 1, 0])
    turned = pose_verts(rig, Pose(quats, torch.zeros(3)))
    pelvis = rig.joints_world[0]
    expected = pelvis + (rig.verts - pelvis) * torch.tensor([-1.0, 1, -1])
    torch.testing.assert_close(turned, expected, atol=1e-5, rtol=0)
    parts = part_labels(rig)
    assert PARTS[int(parts.label[3 * JOINT_NAMES.index("left_knee")])] == "left_shin"
    assert PARTS[int(parts.label[3 * JOINT_NAMES.index("right_thumb2")])] == "right_fingers"


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    trap = tmp_path / "SMPLX_NEUTRAL.pkl"
    trap.write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(BadFileError, match=r"NPZ\+PKL"):
        load_smplx(trap)
    np.savez(tmp_path / "objects.npz", **tiny_model(v_template=np.array({"a": 1}, dtype=object)))
    with pytest.raises(BadFileError, match="cannot be read"):
        load_smplx(tmp_path / "objects.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.eye(165)[:, :24]}, "weights must have shape"),
        ({"kintree_table": np.zeros((2, 24))}, "kintree_table"),
        ({"kintree_table": np.full((2, 55), 54)}, "joint 1 has parent 54"),
        ({"f": np.full((55, 3), 165)}, "`f` points outside 0 to 164"),
        ({"v_template": np.full((165, 3), np.nan)}, "`v_template` has values"),
        ({"weights": np.zeros((165, 55))}, "no skin weight"),
        ({"vt": np.array([["a", "b"]])}, "no SMPL-X model"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(BadFileError, match=message):
        load_smplx(written(tmp_path / "bad.npz", **changes))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(BadFileError, match="cannot be read"):
        load_smplx(tmp_path / "text.npz")
    with pytest.raises(BadFileError, match="cannot be read"):
        load_smplx(tmp_path / "absent.npz")
    whole = written(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFileError, match="cannot be read"):
        load_smplx(tmp_path / "half.npz")
    np.savez(tmp_path / "little.npz", v_template=np.zeros((3, 3)))
    with pytest.raises(BadFileError, match="lacks shapedirs"):
        load_smplx(tmp_path / "little.npz")


def test_too_many_betas_are_refused(tmp_path: Path) -> None:
    model = load_smplx(written(tmp_path / "tiny.npz"))
    with pytest.raises(BadInputError, match="11 betas"):
        model.rig(Shape("smplx", torch.zeros(11), torch.zeros(1)))
    with pytest.raises(BadInputError, match="anny"):
        model.rig(Shape("anny", torch.zeros(6), torch.zeros(52)))
