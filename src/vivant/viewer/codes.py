"""Columns of integers as bytes that deflate well, and back in the page (`viewer.js`, `column`).

Neighbouring splats are alike, and so are neighbouring frames: what is kept is the difference from the one
before, folded so that small differences of either sign are small numbers, and low and high bytes apart.
"""

import numpy as np
from jaxtyping import Shaped


def encode_column(values: Shaped[np.ndarray, " count"], bits: int) -> bytes:
    """Write unsigned integers of 8 or 16 bits as folded differences, one plane of bytes after the other."""
    kind = np.dtype(f"i{bits // 8}")
    unsigned = np.dtype(f"u{bits // 8}")
    # Differences wrap around, as they do on the way back.
    wrapped = np.diff(values.astype(unsigned), prepend=unsigned.type(0)).view(kind)
    folded = ((wrapped << 1) ^ (wrapped >> (bits - 1))).view(unsigned)
    if bits == 8:
        return folded.tobytes()
    return (folded & 255).astype(np.uint8).tobytes() + (folded >> 8).astype(np.uint8).tobytes()


def quantize(
    values: Shaped[np.ndarray, "*any"], low: float, high: float, bits: int
) -> Shaped[np.ndarray, "*any"]:
    """Round numbers between two limits to unsigned integers; those outside are taken at the limit."""
    most = 2**bits - 1
    scaled = (np.asarray(values, np.float64) - low) / max(high - low, 1e-12) * most
    return np.clip(np.rint(scaled), 0, most).astype(np.uint8 if bits <= 8 else np.uint16)


def morton_order(points: Shaped[np.ndarray, "points 3"]) -> Shaped[np.ndarray, " points"]:
    """Sort points along a curve that keeps neighbours together (Morton 1966), 10 bits an axis."""
    span = np.maximum(np.ptp(points, axis=0), 1e-9)
    cells = ((points - points.min(0)) / span * 1023).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit + axis)
    return np.argsort(code, kind="stable")


def quats_as_three(quats: Shaped[np.ndarray, "quats 4"], bits: int = 8) -> Shaped[np.ndarray, "quats 4"]:
    """Unit quaternions by their three smaller parts in up to 8 bits each, and which part is left out."""
    largest = np.abs(quats).argmax(1)
    rows = np.arange(len(quats))
    signed = quats * np.where(quats[rows, largest] < 0, -1.0, 1.0)[:, None]
    others = np.array([[k for k in range(4) if k != left_out] for left_out in range(4)])[largest]
    three = quantize(signed[rows[:, None], others], -(0.5**0.5), 0.5**0.5, bits)
    return np.concatenate([three, largest[:, None].astype(np.uint8)], axis=1)


def weights_as_bytes(weights: Shaped[np.ndarray, "splats 4"]) -> Shaped[np.ndarray, "splats 4"]:
    """Weights in 255ths that still sum to one: the largest remainders are rounded up."""
    exact = np.clip(weights, 0, None)
    exact = exact / np.maximum(exact.sum(1, keepdims=True), 1e-12) * 255
    floors = np.floor(exact)
    missing = np.rint(255 - floors.sum(1)).astype(int)
    rank = np.argsort(np.argsort(-(exact - floors), axis=1, kind="stable"), axis=1)
    return (floors + (rank < missing[:, None])).astype(np.uint8)
