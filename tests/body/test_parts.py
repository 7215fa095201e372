"""Vertices know which part of the body they are."""

import pytest
import torch

from vivant.body import PARTS, REGIONS, AnnyModel, joints_of, part_labels
from vivant.core.errors import BadInputError
from vivant.records import Rig


def center(rig: Rig, *parts: str) -> torch.Tensor:
    return rig.verts[part_labels(rig).member(*parts)].mean(0)


def test_every_part_exists_and_lies_where_it_should(rig: Rig) -> None:
    parts = part_labels(rig)
    assert set(parts.label.tolist()) == set(range(len(PARTS)))
    heights = [center(rig, p)[1] for p in ("scalp", "face", "neck", "torso", "hips", "left_shin", "left_toes")]
    assert heights == sorted(heights, reverse=True)
    reach = [center(rig, f"left_{p}")[0] for p in ("upper_arm", "forearm", "hand", "fingers")]
    assert reach == sorted(reach)
    assert center(rig, "face")[2] > center(rig, "scalp")[2] + 0.05


def test_left_is_where_x_is_positive_and_right_mirrors_it(rig: Rig, model: AnnyModel) -> None:
    parts = part_labels(rig)
    for name in PARTS:
        if name.startswith("left_"):
            assert bool((rig.verts[parts.member(name), 0] > -0.01).all())
            mirrored = parts.member(name)[model.mirror]
            assert bool((mirrored == parts.member(name.replace("left", "right"))).all())


def test_the_nose_is_face_and_the_crown_is_scalp(rig: Rig, model: AnnyModel) -> None:
    parts = part_labels(rig)
    nose = model.keypoint_verts[model.keypoint_names.index("nose"), 0]
    assert bool(parts.member("face")[nose])
    assert bool(parts.member("scalp")[rig.verts[:, 1].argmax()])
    assert bool(parts.front[nose])
    assert not bool(parts.front[rig.verts[:, 2].argmin()])


def test_regions_cover_every_part_once(rig: Rig) -> None:
    assert sorted(part for parts in REGIONS.values() for part in parts) == sorted(PARTS)
    whole = part_labels(rig).member(*REGIONS)
    assert bool(whole.all())


def test_parts_do_not_depend_on_the_shape(rig: Rig, model: AnnyModel) -> None:
    other = part_labels(model.rig(model.default_shape(gender=1.0, weight=0.9, age=1.0)))
    assert float((other.label == part_labels(rig).label).float().mean()) > 0.97


def test_unknown_names_are_refused(rig: Rig) -> None:
    with pytest.raises(BadInputError, match="left_wing"):
        part_labels(rig).member("left_wing")
    nameless = Rig(
        rig.verts, rig.faces, tuple(f"joint{k}" for k in range(104)), rig.joint_parents, rig.world_from_joint,
        rig.skin_joints, rig.skin_weights, rig.uv, rig.uv_faces,
    )  # fmt: skip
    with pytest.raises(BadInputError, match="follow no joint"):
        part_labels(nameless)


def test_joints_are_found_by_the_parts_that_they_move(rig: Rig) -> None:
    found = {n for n, hit in zip(rig.joint_names, joints_of(rig, "face", "left_hand"), strict=True) if hit}
    assert {"head", "wrist.L"} <= found
    assert not found & {"wrist.R", "neck03", "lowerarm01.L"}
    with pytest.raises(BadInputError, match="tail"):
        joints_of(rig, "tail")
