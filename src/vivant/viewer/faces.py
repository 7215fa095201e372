"""Faces that move in the page: how far facial actions move splats, and what closed lids look like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped

from vivant.animate import Expressions
from vivant.records import Motion
from vivant.viewer.codes import quantize
from vivant.viewer.columns import Columns


@dataclass(frozen=True)
class PageFace:
    """What the page's JSON text tells of a face; the rest is in columns."""

    count: int
    """Splats that move, or are painted."""

    names: list[str]
    """Actions."""

    largest: list[float]
    """Metres that the largest byte of each action's offsets means."""

    at_rest: list[float]
    """How strong each action is in the photo already."""


MIDDLE = 127
"""The byte that means no offset; 0 and 254 are the largest ones."""

LEAST = 1e-4
"""Metres: actions that move nothing farther, as blinks behind sunglasses, are left out."""


def actions_of(motions: Sequence[Motion]) -> tuple[str, ...]:
    """Facial actions that any of some motions makes, each once."""
    made: dict[str, None] = {}
    for motion in motions:
        if motion.actions is not None:
            moves = (motion.actions != 0).any(0).tolist()
            made.update({name: None for name, moved in zip(motion.action_names, moves, strict=True) if moved})
    return tuple(made)


def weights_of(motion: Motion, names: Sequence[str]) -> Float[torch.Tensor, "frames actions"]:
    """How strong each of some actions is over a motion; 0 where it does not take part."""
    weights = torch.zeros(len(motion), len(names))
    if motion.actions is not None:
        for column, name in enumerate(motion.action_names):
            if name in names:
                weights[:, names.index(name)] = motion.actions[:, column]
    return weights.clamp(0, 1)


def add_face(
    columns: Columns,
    face: Expressions | None,
    names: Sequence[str],
    chosen: Int[np.ndarray, " splats"],
    bright: float,
) -> PageFace | None:
    """Add columns of the splats that a face moves; None if it moves none.

    One column marks them among all splats; the others have a row for each of them: offsets in bytes, for every
    action a range of its own, and what a closed lid paints.

    Args:
        columns: Where to.
        face: How actions move the avatar's splats.
        names: The actions of `face`.
        chosen: The avatar's splats that are in the page, in the page's order.
        bright: Colour that the largest byte means.
    """
    if face is None:
        return None
    place = np.full(int(chosen.max()) + 1, -1)
    place[chosen] = np.arange(len(chosen))
    offsets = np.zeros((len(names), len(chosen), 3), np.float32)
    index = _among(face.index.numpy(), place)
    offsets[:, index[index >= 0]] = face.offsets.numpy()[:, index >= 0]
    kept = [a for a in range(len(names)) if np.abs(offsets[a]).max() > LEAST]
    lids = [(kept.index(action), lid) for action, lid in face.lids if action in kept]
    lid_of, begins = np.zeros(len(chosen), np.uint8), np.zeros(len(chosen), np.float32)
    colors = np.zeros((len(chosen), 3), np.float32)
    for action, lid in lids:
        index = _among(lid.index.numpy(), place)
        here = index[index >= 0]
        lid_of[here] = action + 1
        begins[here] = lid.begins.numpy()[index >= 0]
        colors[here] = lid.colors.numpy()[index >= 0]
    moved = np.abs(offsets[kept]).max((0, 2)) > LEAST if kept else np.zeros(len(chosen), bool)
    moved |= lid_of > 0
    if not moved.any():
        return None
    columns.add("face", moved.astype(np.uint8), 8)
    largest = [float(np.abs(offsets[action]).max()) for action in kept]
    for number, (action, most) in enumerate(zip(kept, largest, strict=True)):
        steps = np.rint(offsets[action, moved] / most * MIDDLE) + MIDDLE
        for axis in range(3):
            columns.add(f"face{number}_{'xyz'[axis]}", steps[:, axis].astype(np.uint8), 8)
    columns.add("lid", lid_of[moved], 8)
    columns.add("lid_begins", quantize(begins[moved], 0.0, 1.0, 8), 8)
    for name, values in zip(("red", "green", "blue"), quantize(colors[moved], 0.0, bright, 8).T, strict=True):
        columns.add(f"lid_{name}", values, 8)
    at_rest = [round(float(face.at_rest[action]), 5) for action in kept]
    return PageFace(int(moved.sum()), [names[action] for action in kept], largest, at_rest)


def _among(index: Int[np.ndarray, " some"], place: Shaped[np.ndarray, " all"]) -> Int[np.ndarray, " some"]:
    """Where splats lie in the page's order; -1 for those that are not in it."""
    return np.where(index < len(place), place[np.minimum(index, len(place) - 1)], -1)
