"""People are read from their files, refused when damaged, and follow the body inside them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from tests.dataset.conftest import write_boxes

from vivant.body import forward_kinematics, load_anny, part_labels, pose_verts
from vivant.core.errors import BadFileError
from vivant.core.rotations import multiply_quats, quats_from_rotvecs
from vivant.dataset import Figure, PeopleFolder, fitted, is_validation, pose_figure
from vivant.dataset.figure import ANNY_FROM_MIXAMO, carried_joints
from vivant.dataset.fitted import fit_to_rig
from vivant.dataset.people import gender_of, identity_of, outfit_of
from vivant.mesh import vertex_normals
from vivant.records import Pose, Rig


def test_a_name_tells_identity_outfit_and_gender() -> None:
    assert identity_of("X_AIAN_F_1_Busi") == "X_AIAN_F_1"
    assert identity_of("stranger") == "stranger"
    assert (outfit_of("White_M_3_Medi"), outfit_of("stranger")) == ("Medi", "")
    assert (gender_of("White_M_3_Medi"), gender_of("White_F_3_Medi"), gender_of("Maria")) == (0.0, 1.0, None)


def test_whoever_is_for_validation_is_in_no_training() -> None:
    assert is_validation("White_F_2")
    assert not is_validation("White_F_1")
    assert is_validation("wardrobe_1000007")
    assert not is_validation("wardrobe_7")


def test_a_person_at_the_start_is_as_in_the_file(figure: Figure) -> None:
    torch.testing.assert_close(pose_figure(figure, figure.start), figure.rig.verts, atol=1e-4, rtol=0)
    assert float(figure.rig.verts[:, 1].min()) == pytest.approx(0, abs=1e-4)


def test_a_bent_elbow_moves_forearm_and_hand_only_and_keeps_lengths(figure: Figure) -> None:
    quats = figure.start.local_quats.clone()
    elbow = figure.body.joint("lowerarm01.L")
    quats[elbow] = multiply_quats(quats[elbow], quats_from_rotvecs(torch.tensor([0.0, -1.0, 0.0])))
    pose = Pose(quats, figure.start.root)
    moved = (pose_figure(figure, pose) - figure.rig.verts).norm(dim=1) > 1e-3
    names = [figure.rig.joint_names[int(j)] for j in figure.rig.skin_joints[moved, 0].unique()]
    assert sorted(names) == ["LeftForeArm", "LeftHand"]
    places = figure.rig.joints_world
    carried = carried_joints(figure, pose)
    now = (carried[:, :3, :3] @ places[..., None])[..., 0] + carried[:, :3, 3]
    for child, parent in enumerate(figure.rig.joint_parents):
        if parent >= 0:
            before, after = (float((p[child] - p[parent]).norm()) for p in (places, now))
            assert after == pytest.approx(before, abs=1e-4)


def dressed_rig(body: Rig, *, cloth_m: float = 0.0, hips_back_m: float = 0.0) -> Rig:
    """A rig with Mixamo's names, of a posed body blown up by so much cloth, its hips' joints put back."""
    quats = torch.zeros(len(body.joint_names), 4)
    quats[:, 0] = 1
    for side, sign in (("L", 1.0), ("R", -1.0)):
        quats[body.joint(f"upperarm01.{side}")] = quats_from_rotvecs(torch.tensor([0.0, 0.0, 0.5 * sign]))
    pose = Pose(quats, torch.tensor([0.1, 0.0, 0.2]))
    transforms = forward_kinematics(body.joint_parents, body.joints_world, pose)
    places = (transforms[:, :3, :3] @ body.joints_world[..., None])[..., 0] + transforms[:, :3, 3]
    for name in ("upperleg01.L", "upperleg01.R"):
        places[body.joint(name), 2] -= hips_back_m
    theirs = {ours: name for name, ours in ANNY_FROM_MIXAMO.items()}
    frames = torch.eye(4).repeat(len(places), 1, 1)
    frames[:, :3, 3] = places
    verts = pose_verts(body, pose)
    dressed = part_labels(body).member("torso", "hips", "left_thigh", "right_thigh", "left_shin", "right_shin")
    thick = cloth_m * dressed.float()[:, None]
    return Rig(
        verts=verts + thick * vertex_normals(verts, body.faces),
        faces=body.faces,
        joint_names=tuple(theirs.get(name, f"other_{name}") for name in body.joint_names),
        joint_parents=body.joint_parents,
        world_from_joint=frames,
        skin_joints=body.skin_joints,
        skin_weights=body.skin_weights,
        uv=body.uv,
        uv_faces=body.uv_faces,
    )


def test_the_fit_finds_the_body_that_a_rig_was_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted, "STEPS", 160)
    model = load_anny()
    rig = dressed_rig(model.rig(model.default_shape(gender=1.0, height=0.55, weight=0.6)))
    found = fit_to_rig(rig, model, gender=1.0)
    assert found.error_mm < 6
    height = model.phenotype_names.index("height")
    assert float(found.shape.coefficients[height]) == pytest.approx(0.55, abs=0.08)


def test_no_skin_comes_out_of_the_cloth_where_another_kind_of_rig_has_its_hips(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fitted, "STEPS", 160)
    model = load_anny()
    # The rig's hips lie 4 cm behind anny's: a body that followed them would stick out behind.
    rig = dressed_rig(model.rig(model.default_shape(gender=0.0)), cloth_m=0.015, hips_back_m=0.04)
    found = fit_to_rig(rig, model, gender=0.0)
    body = model.rig(found.shape)
    verts = pose_verts(body, found.pose)
    near, index = KDTree(rig.verts.numpy()).query(verts.numpy())
    outside = ((verts - rig.verts[index]) * vertex_normals(rig.verts, rig.faces)[index]).sum(1)
    # Between the thighs the nearest cloth may be the other leg's, so the hips are not counted.
    worn = part_labels(body).member("torso", "left_thigh", "right_thigh")
    assert float((outside[worn] > 0.002).float().mean()) < 0.1


def test_a_body_lies_in_the_middle_of_loose_cloth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted, "STEPS", 160)
    model = load_anny()
    inside = model.rig(model.default_shape(gender=0.0))
    # There is room to follow the hips' joints back without coming out.
    rig = dressed_rig(inside, cloth_m=0.03, hips_back_m=0.04)
    found = fit_to_rig(rig, model, gender=0.0)
    away = pose_verts(model.rig(found.shape), found.pose) - dressed_rig(inside).verts
    for part in ("torso", "hips", "left_thigh"):
        assert abs(float(away[part_labels(inside).member(part), 2].mean())) < 0.008


def test_a_fit_is_found_once(boxes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PeopleFolder(boxes).figure("Box_F_1_Casual")
    monkeypatch.setattr(fitted, "fit_to_rig", lambda *goods: pytest.fail("fitted again"))
    again = PeopleFolder(boxes).figure("Box_F_1_Casual")
    assert again.fit_error_mm > 0


def test_another_ones_atlas_changes_the_picture_not_the_shape(boxes: Path, figure: Figure) -> None:
    swapped = PeopleFolder(boxes).figure("Box_F_1_Casual", atlas_of="Box_F_2_Casual")
    assert torch.equal(swapped.rig.verts, figure.rig.verts)
    assert not torch.equal(swapped.mesh.textures[0].levels[0], figure.mesh.textures[0].levels[0])
    assert torch.equal(swapped.mesh.textures[1].levels[0], figure.mesh.textures[1].levels[0])


DAMAGE = {
    "faces": lambda a: a + 60000,
    "skin_joints": lambda a: a + 200,
    "joint_parents": lambda a: a[::-1].copy(),
    "verts_range": lambda a: a * np.nan,
    "part_face_start": lambda a: a * 2,
    "joint_names": lambda a: np.array([f"bone{i}" for i in range(len(a))]),
    "uv_u16": lambda a: a[:5],
}


@pytest.mark.parametrize("field", sorted(DAMAGE))
def test_damaged_files_are_refused_by_name(tmp_path: Path, field: str) -> None:
    path = write_boxes(tmp_path, "Box_F_1_Casual")
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    arrays[field] = DAMAGE[field](arrays[field])
    np.savez(path, **arrays)
    with pytest.raises(BadFileError, match="Box_F_1_Casual"):
        PeopleFolder(tmp_path).figure("Box_F_1_Casual")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="--people-folder"):
        PeopleFolder(tmp_path).names()
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04nothing")
    with pytest.raises(BadFileError, match=r"a\.npz cannot be read as a person"):
        PeopleFolder(tmp_path).figure("a")
