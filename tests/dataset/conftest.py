"""A made-up person of boxes in the documented format, so that tests need no data."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vivant.body import load_anny
from vivant.core.images import write_image
from vivant.dataset import Figure, PeopleConfig, PeopleFolder, fitted
from vivant.dataset.figure import ANNY_FROM_MIXAMO

BONES = {
    "Hips": "", "Spine": "Hips", "Spine1": "Spine", "Spine2": "Spine1", "Neck": "Spine2", "Head": "Neck",
    **{side + name: (parent if parent in ("Hips", "Spine2") else side + parent)
       for side in ("Left", "Right")
       for name, parent in (("Shoulder", "Spine2"), ("Arm", "Shoulder"), ("ForeArm", "Arm"),
                            ("Hand", "ForeArm"),
                            ("UpLeg", "Hips"), ("Leg", "UpLeg"), ("Foot", "Leg"), ("ToeBase", "Foot"))},
}  # fmt: skip

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
SIDES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def write_boxes(folder: Path, name: str, seed: int = 0) -> Path:
    """Write a person whose every bone is a box, painted at random."""
    model = load_anny()
    rig = model.rig(model.default_shape())
    names = list(BONES)
    joints = np.stack([rig.joints_world[rig.joint(ANNY_FROM_MIXAMO[n])].numpy() for n in names])
    parents = np.array([names.index(BONES[n]) if BONES[n] else -1 for n in names])
    verts, faces, owner = [], [], []
    for joint, place in enumerate(joints):
        children = np.flatnonzero(parents == joint)
        end = (
            joints[children].mean(0)
            if len(children)
            else place + [0, 0.12 if "Head" in names[joint] else 0, 0.05]
        )
        middle, half = (place + end) / 2, np.abs(end - place) / 2 + 0.045
        base = 8 * joint
        verts.append(middle + CUBE * half)
        owner += [joint] * 8
        for a, b, c, d in SIDES + base:
            faces += [[a, b, c], [a, c, d]]
    verts = np.concatenate(verts)
    low, high = verts.min(0), verts.max(0)
    random = np.random.default_rng(seed)
    frames = np.tile(np.eye(4, dtype=np.float32), (len(names), 1, 1))
    frames[:, :3, 3] = joints
    path = folder / f"{name}.npz"
    np.savez(
        path,
        verts_u16=((verts - low) / (high - low) * 65535).round().astype(np.uint16),
        verts_range=np.stack([low, high]).astype(np.float32),
        uv_u16=(random.random((len(verts), 2)) * 65535).astype(np.uint16),
        faces=np.array(faces).astype(np.uint16),
        skin_joints=np.repeat(np.array(owner)[:, None], 4, 1).astype(np.uint8),
        skin_weights_u8=np.repeat([[255, 0, 0, 0]], len(verts), 0).astype(np.uint8),
        world_from_joint=frames,
        joint_parents=parents.astype(np.int16),
        joint_names=np.array(names),
        part_names=np.array(["body", "rest"]),
        part_face_start=np.array([0, 200, len(faces)]).astype(np.int32),
        part_texture=np.array([0, -1]).astype(np.int8),
        part_color=np.array([[1, 1, 1, 1], [0.2, 0.4, 0.7, 1]]).astype(np.float32),
    )
    write_image(torch.from_numpy(random.random((16, 16, 3))).float(), folder / f"{name}_0.webp")
    return path


@pytest.fixture(scope="session")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of box people: one of training, one of validation."""
    folder = tmp_path_factory.mktemp("people")
    write_boxes(folder, "Box_F_1_Casual", 0)
    write_boxes(folder, "Box_F_2_Casual", 1)
    write_boxes(folder, "White_F_2_Casual", 2)
    return folder


@pytest.fixture(autouse=True)
def _quick_fits(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr(fitted, "cache_folder", lambda: cache)
    monkeypatch.setattr(fitted, "STEPS", 24)


@pytest.fixture
def figure(boxes: Path) -> Figure:
    """One of them, with a body inside."""
    return PeopleFolder(boxes).figure("Box_F_1_Casual")


@pytest.fixture
def config(boxes: Path) -> PeopleConfig:
    """Small pictures of them."""
    return PeopleConfig(people_folder=boxes, size=64, views=2)
