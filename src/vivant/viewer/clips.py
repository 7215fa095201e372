"""Motions in 16 bits: only the joints that move, at most 30 frames a second."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.core.rotations import quats_identity
from vivant.records import Avatar, Motion, Pose, Rig
from vivant.viewer.codes import quantize

FASTEST = 30.0
"""Frames a second that are kept; the page goes smoothly from one to the next."""

TURN_STEPS = 2**14 - 1
"""From 0 to 1 in a joint's quaternion: a hundredth of a degree; finer steps are noise and do not deflate."""

MOST_FRAMES = 18_000
"""Ten minutes at the full rate."""


@dataclass(frozen=True)
class Clip:
    """One motion, quantised."""

    name: str
    fps: float
    loops: bool
    still: bool
    """A pose, not a motion: there is nothing to play."""

    moving: list[int]
    """Joints that ever leave the rest pose."""

    quats: UInt16[np.ndarray, "frames moving 4"]
    """wxyz, in steps from -1 to 1: `TURN_STEPS` is 0."""

    root: UInt16[np.ndarray, "frames 3"]
    """Metres, between `low` and `high`."""

    low: list[float]
    high: list[float]

    actions: UInt8[np.ndarray, "frames actions"]
    """How strong each of the page's facial actions is, in 255ths."""


def photo_clip(avatar: Avatar) -> Clip:
    """The pose in the photo, as a clip of one frame."""
    pose = Pose(avatar.photo_pose.local_quats[None], avatar.photo_pose.root[None])
    return pack_clip(Motion("photo", pose, 1.0, False), avatar.rig)


def pack_clip(motion: Motion, rig: Rig, weights: Float[Tensor, "frames actions"] | None = None) -> Clip:
    """Quantise a motion.

    Args:
        motion: For the rig.
        rig: The avatar's.
        weights: How strong the page's facial actions are, 0 to 1; None: there are none.

    Raises:
        BadInputError: If it is of another rig, is too long, or holds values that are not finite.
    """
    quats, root = motion.pose.local_quats, motion.pose.root
    if quats.shape[1] != len(rig.joint_names):
        raise BadInputError(
            f"The motion {motion.name!r} has {quats.shape[1]} joints, the avatar's rig has "
            f"{len(rig.joint_names)}. Retarget it first."
        )
    if not bool(torch.isfinite(quats).all()) or not bool(torch.isfinite(root).all()):
        raise BadInputError(f"The motion {motion.name!r} holds values that are not finite.")
    if weights is None:
        weights = torch.zeros(len(root), 0)
    if not bool(torch.isfinite(weights).all()):
        raise BadInputError(f"The motion {motion.name!r} holds facial actions that are not finite.")
    quats, root, weights, fps = _slowed(quats, root, weights, motion)
    if len(root) > MOST_FRAMES:
        raise BadInputError(
            f"The motion {motion.name!r} has {len(root)} frames at {fps:g} a second; a page holds "
            f"{MOST_FRAMES} each. Cut it."
        )
    quats = _continuous(quats)
    moving = ((quats - quats_identity(len(rig.joint_names))).abs().amax((0, 2)) > 1e-4).nonzero()[:, 0]
    low, high = root.amin(0), root.amax(0)
    span = (high - low).clamp(min=1e-6)
    return Clip(
        motion.name,
        fps,
        motion.loops,
        len(root) == 1,
        moving.tolist(),
        _as_steps(quats[:, moving]),
        _as_16_bits((root - low) / span),
        low.tolist(),
        (low + span).tolist(),
        quantize(weights.numpy(), 0.0, 1.0, 8),
    )


def _as_16_bits(values: Tensor) -> np.ndarray:
    return (values.double().clamp(0, 1) * 65535).round().numpy().astype(np.uint16)


def _as_steps(quats: Tensor) -> np.ndarray:
    """Numbers from -1 to 1 in steps that hit 0 exactly: errors of a chain of joints must not add up."""
    return ((quats.double().clamp(-1, 1) * TURN_STEPS).round() + TURN_STEPS).numpy().astype(np.uint16)


def _slowed(
    quats: Tensor, root: Tensor, weights: Tensor, motion: Motion
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Take every n-th frame of a fast motion."""
    step = max(math.ceil(motion.fps / FASTEST - 0.05), 1)
    # A loop must stay one: its length is rounded to whole steps by the rate.
    kept = quats[::step], root[::step], weights[::step]
    fps = len(kept[1]) * motion.fps / len(root) if motion.loops else motion.fps / step
    return *kept, fps


def _continuous(quats: Float[Tensor, "frames joints 4"]) -> Float[Tensor, "frames joints 4"]:
    """A quaternion and its negative turn alike: take the one near the frame before, w >= 0 at first."""
    quats = torch.nn.functional.normalize(quats, dim=-1)
    first = torch.where(quats[:1, :, :1] < 0, -1.0, 1.0)
    flips = torch.where((quats[1:] * quats[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    return quats * torch.cat([first, flips]).cumprod(0)
