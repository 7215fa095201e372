"""An avatar and its motions as one small block of bytes for the page: 22 bytes a splat before deflate.

Layout: length of the JSON text (32 bits, little-endian), the JSON text, then columns of bytes one after the
other. The JSON names each column: bits, count. All is deflated at once.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from jaxtyping import Int, Shaped

from vivant.animate import with_expressions
from vivant.core.errors import BadInputError
from vivant.records import Avatar, Motion
from vivant.splat import colors_from_sh
from vivant.viewer.clips import TURN_STEPS, Clip, pack_clip, photo_clip
from vivant.viewer.codes import morton_order, quantize, quats_as_three, weights_as_bytes
from vivant.viewer.columns import Columns
from vivant.viewer.faces import actions_of, add_face, weights_of
from vivant.viewer.framing import frame_figure, photo_lens
from vivant.viewer.wire import Wire, wire_of

LARGEST = 1_000_000
"""Splats in one page: what a texture of the size every browser offers can hold."""

PLACE_STEP = 1e-4
"""Metres to which a splat's coordinates are rounded. Coarser, splats that lie close in depth change places."""

WIRE_BITS = 12
"""Of a coordinate of the wireframe's net: half a millimetre."""

SCALE_BITS, TURN_BITS = 7, 6
"""Of a splat's sizes and axes: finer bits are noise, deflate badly, and change pictures by less than 65 dB."""


def pack(avatar: Avatar, motions: Sequence[Motion], title: str, splat_budget: int | None = None) -> bytes:
    """Quantise an avatar, its motions and what the page tells about it; deflated.

    Colours are those that do not depend on the view (band 0 of the harmonics).

    Raises:
        BadInputError: If there is nothing to show, a number is not finite, or a motion is of another rig.
    """
    rig = avatar.rig
    if len(rig.joint_names) > 256:
        raise BadInputError(f"The rig has {len(rig.joint_names)} joints; a page can hold 256.")
    _expect_finite(avatar)
    columns = Columns()
    seen = round(float(avatar.trust.mean()), 3) if len(avatar.trust) else 0.0
    names = actions_of(motions)
    avatar, expressions = with_expressions(avatar, names)
    splats, chosen, bright = _add_splats(columns, avatar, splat_budget)
    face = add_face(columns, expressions, names, chosen, bright)
    head: dict[str, object] = {
        "title": title,
        "joints": {
            "names": rig.joint_names,
            "parents": rig.joint_parents,
            "places": [[round(x, 6) for x in row] for row in rig.joints_world.tolist()],
        },
        "about": {
            "recipe": avatar.origin.recipe,
            "notes": avatar.origin.notes,
            "engines": avatar.origin.engines,
            "seen": seen,
        },
        "splats": splats,
        "face": asdict(face) if face else None,
        "wire": _add_wire(columns, wire_of(rig)),
    }
    acting = face.names if face else []
    clips = [photo_clip(avatar), *(pack_clip(motion, rig, weights_of(motion, acting)) for motion in motions)]
    home, rooms = frame_figure(avatar, motions)
    head["clips"] = [
        {**_add_clip(columns, clip), "room": room} for clip, room in zip(clips, rooms, strict=True)
    ]
    head["turn_steps"] = TURN_STEPS
    head["home"] = home
    head["photo"] = photo_lens(avatar)
    head["columns"] = columns.table
    text = json.dumps(head, separators=(",", ":"), allow_nan=False).encode()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = struct.pack("<I", len(text)) + text + b"".join(columns.content)
    return packer.compress(raw) + packer.flush()


def _expect_finite(avatar: Avatar) -> None:
    """JSON has no infinities, and WebGL draws nothing of them."""
    camera, rig = avatar.photo_camera, avatar.rig
    parts = {
        name: getattr(avatar.splats, name) for name in ("means", "quats", "log_scales", "opacity_logits", "sh")
    }
    parts |= {"skin_weights": avatar.binding.skin_weights, "trust": avatar.trust}
    parts |= {
        "verts": rig.verts,
        "world_from_joint": rig.world_from_joint,
        "skin_weights of the rig": rig.skin_weights,
    }
    parts |= {"cam_from_world": camera.cam_from_world, "intrinsics": camera.intrinsics}
    for name, tensor in parts.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BadInputError(f"`{name}` of the avatar has values that are not finite; a page needs numbers.")


def _add_splats(
    columns: Columns, avatar: Avatar, budget: int | None
) -> tuple[dict[str, object], Int[np.ndarray, " some"], float]:
    """Add the splats' columns in an order that keeps neighbours together.

    Gives what the JSON tells of them, which splats they are, and how bright the largest byte of a colour is.
    """
    splats, binding = avatar.splats, avatar.binding
    means, opacities = splats.means.numpy(), splats.opacities.numpy()
    # What is fainter than one step of a picture's colour is never drawn.
    chosen = np.flatnonzero(opacities >= 1 / 255)
    if not len(chosen):
        raise BadInputError("The avatar has no splat that can be seen; there is nothing to show.")
    chosen = chosen[morton_order(means[chosen])]
    chosen, grown = _thinned(chosen, budget)
    low, span = means[chosen].min(0), float(np.ptp(means[chosen], axis=0).max())
    # Coarser, if a stray splat lies very far away.
    step = max(PLACE_STEP, span / 65535)
    for axis, name in enumerate("xyz"):
        start = float(low[axis])
        columns.add(name, quantize(means[chosen, axis], start, start + 65535 * step, 16), 16)
    directions = torch.zeros(len(splats), 3)
    colors = colors_from_sh(splats.sh[:, :1], directions).numpy()[chosen]
    # A fit makes some splats brighter than white, for others shine through them.
    bright = max(float(colors.max()), 1.0)
    red, green, blue = quantize(colors, 0.0, bright, 8).T
    # Red and blue go with green, for most colours are nearly grey; differences wrap around.
    for name, values in (("red", red - green), ("green", green), ("blue", blue - green)):
        columns.add(name, values, 8)
    columns.add("opacity", quantize(opacities[chosen], 0.0, 1.0, 8), 8)
    log_scales = splats.log_scales.numpy()[chosen] + grown
    scale_range = float(log_scales.min()), float(log_scales.max())
    scale0, scale1, scale2 = quantize(log_scales, *scale_range, SCALE_BITS).T
    # Most splats are alike in shape, so the other axes go with the first.
    for name, values in (("scale0", scale0), ("scale1", scale1 - scale0), ("scale2", scale2 - scale0)):
        columns.add(name, values, 8)
    for part, values in enumerate(quats_as_three(_unit(splats.quats.numpy()[chosen]), TURN_BITS).T):
        columns.add(f"turn{part}", values, 8)
    sets = _add_skin(columns, binding.skin_joints.numpy()[chosen], binding.skin_weights.numpy()[chosen])
    told: dict[str, object] = {
        "count": len(chosen),
        "low": low.tolist(),
        "step": step,
        "bright": bright,
        "scales": scale_range,
        "scale_steps": 2**SCALE_BITS - 1,
        "turn_steps": 2**TURN_BITS - 1,
        "sets": sets,
    }
    return told, chosen, bright


def _unit(quats: Shaped[np.ndarray, "splats 4"]) -> Shaped[np.ndarray, "splats 4"]:
    return quats / np.maximum(np.linalg.norm(quats, axis=1, keepdims=True), 1e-12)


def _thinned(
    chosen: Shaped[np.ndarray, " all"], budget: int | None
) -> tuple[Shaped[np.ndarray, " some"], float]:
    """Keep every so-manieth splat along the curve, and how much the rest must grow (in logarithms)."""
    if budget is not None and budget < 1:
        raise BadInputError(f"A budget of {budget} splats; at least 1 is needed.")
    most = min(budget or LARGEST, LARGEST)
    if len(chosen) <= most:
        return chosen, 0.0
    kept = chosen[(np.arange(most) * len(chosen)) // most]
    # The surface is covered twice as thickly by splats of 1.4 times the width.
    return kept, 0.5 * float(np.log(len(chosen) / most))


def _add_skin(
    columns: Columns,
    joints: Shaped[np.ndarray, "points 4"],
    weights: Shaped[np.ndarray, "points 4"],
    of: str = "",
) -> list[int]:
    """Add weights and the number of each point's set of four joints; give the sets, one after the other."""
    order = np.argsort(joints, axis=1, kind="stable")
    joints, weights = (
        np.take_along_axis(joints, order, 1),
        np.take_along_axis(weights_as_bytes(weights), order, 1),
    )
    sets, which = np.unique(joints, axis=0, return_inverse=True)
    columns.add(f"{of}set", which.reshape(-1), 16)
    for influence in range(3):
        columns.add(f"{of}weight{influence}", weights[:, influence], 8)
    return sets.reshape(-1).tolist()


def _add_wire(columns: Columns, wire: Wire) -> dict[str, object]:
    low, high = wire.verts.min(0), wire.verts.max(0)
    for axis, name in enumerate("xyz"):
        places = quantize(wire.verts[:, axis], float(low[axis]), float(high[axis]), WIRE_BITS)
        columns.add(f"wire_{name}", places, 16)
    sets = _add_skin(columns, wire.skin_joints, wire.skin_weights, "wire_")
    for corner in range(3):
        columns.add(f"wire_face{corner}", wire.faces[:, corner], 16)
    return {
        "verts": len(wire.verts),
        "faces": len(wire.faces),
        "steps": 2**WIRE_BITS - 1,
        "low": low.tolist(),
        "high": high.tolist(),
        "sets": sets,
    }


def _add_clip(columns: Columns, clip: Clip) -> dict[str, object]:
    """Add a clip's columns: joints that move, where the root is, and facial actions that take part."""
    number = sum(1 for column in columns.table if str(column["name"]).endswith("_root0"))
    for part in range(4):
        columns.add(f"clip{number}_turn{part}", clip.quats[..., part].T.reshape(-1), 16)
    for axis in range(3):
        columns.add(f"clip{number}_root{axis}", clip.root[:, axis], 16)
    acting = clip.actions.any(0).nonzero()[0].tolist()
    for action in acting:
        columns.add(f"clip{number}_face{action}", clip.actions[:, action], 8)
    return {
        "name": clip.name,
        "acting": acting,
        "fps": clip.fps,
        "frames": len(clip.root),
        "loops": clip.loops,
        "still": clip.still,
        "moving": clip.moving,
        "low": clip.low,
        "high": clip.high,
    }
