"""Biovision hierarchy files (.bvh): a skeleton as nested text, then one line of numbers a frame.

Described by Meredith & Maddock, "Motion Capture File Formats Explained", 2001.
"""

import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.readers.clip import Clip, expect_bounded
from vivant.core.errors import BadFileError
from vivant.core.rotations import multiply_quats, quats_identity

LARGEST = 256 * 1024**2
"""Bytes: an hour of a whole body with fingers."""

MOST_JOINTS = 2000


@dataclass
class _Joint:
    name: str
    parent: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path) -> Clip:
    """Read a .bvh file. Rest is the pose with all channels at zero.

    Raises:
        BadFileError: If the file is missing, damaged, or too large.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise BadFileError(f"{path} has {size / 1e6:.0f} MB; at most {LARGEST / 1e6:.0f} MB are read.")
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    head, motion, body = text.partition("MOTION")
    if not motion:
        raise BadFileError(f"{path} is no BVH file, or is cut off: it has no line MOTION.")
    try:
        joints = _hierarchy(head.split())
        frames, seconds, numbers = _motion(body)
    except (ValueError, IndexError) as error:
        raise BadFileError(f"{path} is damaged: {error}.") from error
    width = sum(len(joint.channels) for joint in joints)
    expect_bounded(str(path), frames, len(joints))
    if numbers.size != frames * width:
        raise BadFileError(
            f"{path} is damaged or cut off: {frames} frames of {width} channels are {frames * width} numbers; "
            f"there are {numbers.size}."
        )
    if not np.isfinite(numbers).all() or float(np.abs(numbers).max(initial=0)) > 1e7:
        raise BadFileError(f"{path} is damaged: its motion has values that are not finite or absurdly large.")
    return _clip(path.stem, joints, torch.from_numpy(numbers.reshape(frames, width)), 1 / seconds)


def _hierarchy(words: list[str]) -> list[_Joint]:
    """Take the nested part apart, without recursion."""
    joints: list[_Joint] = []
    open_blocks: list[int] = []
    # What the next brace opens: a joint's number, or -1 for an end site, whose offset only draws its bone.
    coming, at = None, 0
    while at < len(words):
        word = words[at].upper()
        if word in ("ROOT", "JOINT", "END"):
            parent = open_blocks[-1] if open_blocks else -1
            if word == "END":
                coming, at = -1, at + 2
                continue
            if parent == -1 and open_blocks:
                raise ValueError("a joint stands inside an end site")
            at, name = _name(words, at + 1)
            joints.append(_Joint(name, parent))
            coming = len(joints) - 1
            if len(joints) > MOST_JOINTS:
                raise ValueError(f"it has more than {MOST_JOINTS} joints")
        elif word == "{":
            if coming is None:
                raise ValueError("a brace opens nothing")
            open_blocks.append(coming)
            coming, at = None, at + 1
        elif word == "}":
            if not open_blocks:
                raise ValueError("a brace closes nothing")
            open_blocks.pop()
            at += 1
        elif word == "OFFSET":
            x, y, z = (float(number) for number in words[at + 1 : at + 4])
            if not all(math.isfinite(v) and abs(v) < 1e7 for v in (x, y, z)):
                raise ValueError("an offset is not finite or absurdly large")
            if open_blocks and open_blocks[-1] >= 0:
                joints[open_blocks[-1]].offset = (x, y, z)
            at += 4
        elif word == "CHANNELS":
            count = int(words[at + 1])
            if not 0 <= count <= 6 or not open_blocks or open_blocks[-1] < 0:
                raise ValueError(f"a joint has {count} channels; 0 to 6 are possible")
            channels = [channel.lower() for channel in words[at + 2 : at + 2 + count]]
            if any(channel[:1] not in ("x", "y", "z") or channel[1:] not in _MOVES for channel in channels):
                raise ValueError(f"the channels {channels} are not known")
            joints[open_blocks[-1]].channels = channels
            at += 2 + count
        elif word == "HIERARCHY":
            at += 1
        else:
            raise ValueError(f"the word {words[at][:20]!r} is not expected")
    if open_blocks or not joints:
        raise ValueError("its hierarchy is cut off or empty")
    return joints


_MOVES = ("position", "rotation")


def _name(words: list[str], at: int) -> tuple[int, str]:
    """A name runs to the brace: some programs leave blanks in it."""
    end = at
    while words[end] != "{":
        end += 1
        if end - at > 8:
            raise ValueError("a joint's name has no end")
    if end == at:
        raise ValueError("a joint has no name")
    return end, " ".join(words[at:end])


def _motion(body: str) -> tuple[int, float, Float[np.ndarray, " numbers"]]:
    """The number of frames, the seconds of each, and all numbers."""
    head, _, rest = body.partition("Frame Time:")
    words = head.replace(":", " ").split()
    if len(words) != 2 or words[0].lower() != "frames":
        raise ValueError("it does not tell how many frames there are")
    time, _, numbers = rest.lstrip().partition("\n")
    frames, seconds = int(words[1]), float(time)
    if not 1e-3 <= seconds <= 1e6:
        raise ValueError(f"a frame lasts {seconds} s; 0.001 s or more is needed")
    with warnings.catch_warnings():
        # Numpy only warns of words that are no numbers.
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return frames, seconds, np.fromstring(numbers, dtype=np.float64, sep=" ")
        except DeprecationWarning as error:
            raise ValueError("its motion has words that are no numbers") from error


def _clip(name: str, joints: list[_Joint], numbers: Tensor, fps: float) -> Clip:
    frames, column = len(numbers), 0
    rest = torch.zeros(len(joints), 3, dtype=torch.float64)
    quats = torch.empty(frames, len(joints), 4, dtype=torch.float32)
    places = torch.empty(frames, len(joints), 3, dtype=torch.float32)
    for index, joint in enumerate(joints):
        offset = torch.tensor(joint.offset, dtype=torch.float64)
        shift, turn = offset.repeat(frames, 1), quats_identity(frames).double()
        for channel in joint.channels:
            axis, values = "xyz".index(channel[0]), numbers[:, column]
            column += 1
            if channel.endswith("position"):
                # A position takes the offset's place.
                shift[:, axis] = values
            else:
                half = torch.deg2rad(values) / 2
                step = torch.zeros(frames, 4, dtype=torch.float64)
                step[:, 0], step[:, 1 + axis] = half.cos(), half.sin()
                turn = multiply_quats(turn, step)
        if joint.parent >= 0:
            above = quats[:, joint.parent].double()
            rest[index] = rest[joint.parent] + offset
            shift = places[:, joint.parent] + _turned(above, shift)
            turn = multiply_quats(above, turn)
        else:
            rest[index] = offset
        quats[:, index], places[:, index] = turn.float(), shift.float()
    parents = tuple(joint.parent for joint in joints)
    names = tuple(joint.name for joint in joints)
    return Clip(name, names, parents, quats_identity(len(joints)), rest.float(), quats, places, fps)


def _turned(quats: Float[Tensor, "frames 4"], vectors: Float[Tensor, "frames 3"]) -> Float[Tensor, "frames 3"]:
    axis = quats[:, 1:]
    across = 2 * torch.linalg.cross(axis, vectors)
    return vectors + quats[:, :1] * across + torch.linalg.cross(axis, across)
