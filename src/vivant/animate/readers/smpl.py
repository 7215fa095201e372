"""AMASS, SMPL, SMPL-H and SMPL-X motions (.npz): axis-angle turns of named joints, and no body.

Only turns are read, so no licensed model is needed: the skeleton at rest is a plain T of our own making.
Layouts: AMASS (Mahmood et al., ICCV 2019) and SMPL-X (Pavlakos et al., CVPR 2019).
"""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.lib import format as npy
from torch import Tensor

from vivant.animate.readers.clip import Clip, expect_bounded
from vivant.body.smplx import JOINT_NAMES
from vivant.core.errors import BadFileError
from vivant.core.rotations import matrices_from_quats, multiply_quats, quats_from_rotvecs, quats_identity

LARGEST = 1024**3
"""Bytes of one array, unpacked."""

BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
"""Of the first 22 joints, which all layouts share."""

_LEFT = {
    "hip": (0.07, -0.09, 0.0), "knee": (0.10, -0.47, 0.0), "ankle": (0.09, -0.87, -0.03),
    "foot": (0.12, -0.93, 0.09), "collar": (0.05, 0.42, -0.01), "shoulder": (0.17, 0.45, -0.02),
    "elbow": (0.43, 0.45, -0.03), "wrist": (0.68, 0.45, -0.03),
}  # fmt: skip
_MIDDLE = {
    "pelvis": (0.0, 0.0, 0.0), "spine1": (0.0, 0.11, -0.02), "spine2": (0.0, 0.24, -0.01),
    "spine3": (0.0, 0.30, 0.0), "neck": (0.0, 0.50, -0.02), "head": (0.0, 0.58, 0.02),
}  # fmt: skip
_KNUCKLES = {
    "thumb": (0.03, -0.02, 0.05), "index": (0.10, 0.0, 0.03), "middle": (0.11, 0.0, 0.0),
    "ring": (0.10, 0.0, -0.025), "pinky": (0.085, -0.01, -0.045),
}  # fmt: skip
_KEYS = ("poses", "global_orient", "body_pose", "left_hand_pose", "right_hand_pose", "trans", "transl",
         "mocap_framerate", "mocap_frame_rate", "fps")  # fmt: skip


def read_smpl(path: Path) -> Clip:
    """Read an .npz of SMPL-family poses.

    Raises:
        BadFileError: If the file is missing, damaged, too large, or holds something else.
    """
    data = _read_arrays(path)
    turns = _turns(path, data)
    frames, joints = turns.shape[:2]
    expect_bounded(str(path), frames, joints)
    shift = _flat(path, data, ("trans", "transl"), frames, 3)
    shift = torch.zeros(frames, 3) if shift is None else shift
    names, parents, rest = _skeleton(joints)
    quats = quats_from_rotvecs(turns)
    world, places = torch.empty_like(quats), torch.empty(frames, joints, 3)
    for joint, parent in enumerate(parents):
        if parent < 0:
            world[:, joint], places[:, joint] = quats[:, joint], shift + rest[joint]
            continue
        bone = (matrices_from_quats(world[:, parent]) @ (rest[joint] - rest[parent])[:, None])[..., 0]
        world[:, joint] = multiply_quats(world[:, parent], quats[:, joint])
        places[:, joint] = places[:, parent] + bone
    upright = _upright(world[:, 0])
    places, world = places @ matrices_from_quats(upright).T, multiply_quats(upright, world)
    return Clip(path.stem, names, parents, quats_identity(joints), rest, world, places, _rate(path, data))


def _read_arrays(path: Path) -> dict[str, Any]:
    """Unpack what is needed, after looking how large it would become."""
    found: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as packed:
            for key in _KEYS:
                member = f"{key}.npy"
                if member not in packed.namelist():
                    continue
                info = packed.getinfo(member)
                with packed.open(member) as file:
                    version = npy.read_magic(file)
                    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                    shape, _, dtype = read(file)
                    needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
                    if dtype.hasobject or dtype.kind not in "fiu":
                        raise ValueError(f"`{key}` does not hold numbers")
                    if not 0 <= needed <= min(LARGEST, info.file_size):
                        raise ValueError(f"`{key}` has {needed} bytes, the file {info.file_size} for it")
                with packed.open(member) as file:
                    found[key] = npy.read_array(file, allow_pickle=False)
    except (OSError, ValueError, KeyError, EOFError, TypeError, NotImplementedError, RuntimeError, SyntaxError,
            MemoryError, RecursionError, zipfile.BadZipFile, zlib.error, UnicodeError) as error:  # fmt: skip
        raise BadFileError(
            f"{path} cannot be read as .npz of motion ({str(error)[:100] or error!r})."
        ) from error
    return found


def _turns(path: Path, data: dict[str, Any]) -> Float[Tensor, "frames joints 3"]:
    """Axis-angle of 22, 24, 52 or 55 joints."""
    if "poses" in data:
        width = int(np.prod(data["poses"].shape[1:]))
        joints = {66: 22, 72: 24, 156: 52, 165: 55}.get(width)
        if joints is None or len(data["poses"].shape) < 2:
            raise BadFileError(
                f"{path} has poses of shape {data['poses'].shape}; frames of 66, 72, 156 (SMPL-H) or 165 "
                "(SMPL-X) numbers are read."
            )
        poses = _finite(path, data["poses"].reshape(len(data["poses"]), joints, 3))
        # SMPL's own hand joints (22, 23) are one lump each: their turns say nothing of fingers.
        return poses[:, :22] if joints == 24 else poses
    if "global_orient" not in data or "body_pose" not in data:
        raise BadFileError(
            f"{path} holds no `poses`, nor `global_orient` and `body_pose`: no motion of SMPL's kind."
        )
    frames = len(np.atleast_2d(data["global_orient"]))
    root, body = (
        _flat(path, data, (key,), frames, width) for key, width in (("global_orient", 3), ("body_pose", None))
    )
    assert root is not None and body is not None
    if body.shape[1] < 63:
        raise BadFileError(f"{path} has a body_pose of {body.shape[1]} numbers a frame; 63 or 69 are needed.")
    parts = [root, body[:, :63]]
    hands = [_flat(path, data, (f"{side}_hand_pose",), frames, None) for side in ("left", "right")]
    if all(hand is not None and hand.shape[1] == 45 for hand in hands):
        parts += [hand for hand in hands if hand is not None]
    return torch.cat(parts, dim=1).reshape(frames, -1, 3)


def _flat(
    path: Path, data: dict[str, Any], keys: tuple[str, ...], frames: int, width: int | None
) -> Float[Tensor, "frames width"] | None:
    key = next((key for key in keys if key in data), None)
    if key is None:
        return None
    values = data[key]
    if values.size % max(frames, 1) or not values.size or (width and values.size != frames * width):
        raise BadFileError(f"{path} has `{key}` of shape {values.shape} for {frames} frames.")
    return _finite(path, values.reshape(frames, -1))


def _finite(path: Path, values: Any) -> Tensor:
    if not np.isfinite(values).all() or (values.size and float(np.abs(values).max()) > 1e6):
        raise BadFileError(f"{path} has values that are not finite or absurdly large.")
    return torch.from_numpy(values.astype(np.float32))


def _rate(path: Path, data: dict[str, Any]) -> float:
    key = next((k for k in ("mocap_framerate", "mocap_frame_rate", "fps") if k in data), None)
    rate = 30.0 if key is None or data[key].size != 1 else float(data[key].reshape(-1)[0])
    if not 0 < rate <= 1000:
        raise BadFileError(f"{path} has {rate} frames a second; 0 to 1000 are possible.")
    return rate


def _skeleton(joints: int) -> tuple[tuple[str, ...], tuple[int, ...], Float[Tensor, "joints 3"]]:
    """Names, parents and a plain T-pose, facing +z, y up."""
    names = JOINT_NAMES[:22]
    parents: list[int] = list(BODY_PARENTS)
    rest = [_place(name) for name in names]
    if joints == 55:
        names += JOINT_NAMES[22:25]
        parents += [15, 15, 15]
        rest += [(0.0, 0.56, 0.04), (0.03, 0.66, 0.08), (-0.03, 0.66, 0.08)]
    if joints > 22:
        for side, wrist in (("left", 20), ("right", 21)):
            for finger in ("index", "middle", "pinky", "ring", "thumb"):
                for bone in range(3):
                    parents.append(wrist if bone == 0 else len(parents) - 1)
                    rest.append(_finger(side, finger, bone))
        names += JOINT_NAMES[25:]
    return names, tuple(parents), torch.tensor(rest)


def _place(name: str) -> tuple[float, float, float]:
    if name in _MIDDLE:
        return _MIDDLE[name]
    side, _, part = name.partition("_")
    x, y, z = _LEFT[part]
    return (x if side == "left" else -x, y, z)


def _finger(side: str, finger: str, bone: int) -> tuple[float, float, float]:
    x, y, z = (a + b for a, b in zip(_LEFT["wrist"], _KNUCKLES[finger], strict=True))
    if finger == "thumb":
        x, z = x + 0.025 * bone, z + 0.025 * bone
    else:
        x += 0.03 * bone
    return (x if side == "left" else -x, y, z)


def _upright(pelvis: Float[Tensor, "frames 4"]) -> Float[Tensor, "4"]:
    """The turn that brings the file's own up (z in AMASS, y or -y elsewhere) to y."""
    ups = matrices_from_quats(pelvis)[..., 1].mean(0)
    axis = int(ups.abs().argmax())
    half = 2**-0.5
    if axis == 2:
        return torch.tensor([half, -half if float(ups[2]) > 0 else half, 0.0, 0.0])
    if axis == 0:
        return torch.tensor([half, 0.0, 0.0, half if float(ups[0]) > 0 else -half])
    return torch.tensor([1.0, 0, 0, 0]) if float(ups[1]) > 0 else torch.tensor([0.0, 1.0, 0, 0])
