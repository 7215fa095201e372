"""Animation clips of glTF 2.0 binaries (.glb, .vrm)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.readers.clip import Clip, expect_bounded
from vivant.core.errors import BadFileError
from vivant.core.glb import Glb, node_parents, read_accessor, read_glb
from vivant.core.rotations import (
    matrices_from_quats,
    multiply_quats,
    normalize_quats,
    quats_from_matrices,
    slerp_quats,
)

FPS = 60.0
"""Key frames lie anywhere in time; this often they are sampled."""

WIDTHS = {"rotation": 4, "translation": 3, "scale": 3}
NEUTRAL = {"rotation": (0.0, 0.0, 0.0, 1.0), "translation": (0.0, 0.0, 0.0), "scale": (1.0, 1.0, 1.0)}


def clip_names(glb: Glb) -> tuple[str, ...]:
    """Names of the file's clips; a nameless one is called after its number."""
    names = [item.get("name") for item in glb.listed("animations")]
    return tuple(name if isinstance(name, str) and name else f"clip {i}" for i, name in enumerate(names))


def read_gltf(path: Path, clip: str | None = None) -> Clip:
    """Read one clip of a .glb file. Rest is what the nodes say without any clip.

    Args:
        path: The file.
        clip: Its name, in any case, or a part of it that only one clip has. None: the only one.

    Raises:
        BadFileError: If the file is damaged, or has no such clip, or several and none was chosen.
    """
    glb = read_glb(path)
    names = clip_names(glb)
    index = _choose(path, names, clip)
    parents = node_parents(glb)
    order = _parents_first(parents)
    tracks = _tracks(glb, index)
    begin = min((float(track.times[0]) for track in tracks), default=0.0)
    end = max((float(track.times[-1]) for track in tracks), default=0.0)
    count = (end - begin) * FPS + 1.5
    expect_bounded(f"{path}, clip {names[index]!r},", count, 2 * len(order))
    times = begin + np.arange(int(count)) / FPS
    still, moving = _rest(glb, order), {}
    for track in tracks:
        moving[order.index(track.node), track.path] = _sampled(track, times)
    place = {node: number for number, node in enumerate(order)}
    ours = tuple(place[parents[node]] if parents[node] >= 0 else -1 for node in order)
    rest_quats, rest_places = _world(ours, still, {}, 1)
    quats, places = _world(ours, still, moving, len(times))
    labels = tuple(str(glb.item("nodes", node).get("name", f"node {node}")) for node in order)
    return Clip(names[index], labels, ours, rest_quats[0], rest_places[0], quats, places, FPS)


def _choose(path: Path, names: tuple[str, ...], wanted: str | None) -> int:
    told = ", ".join(names[:60]) + (" ..." if len(names) > 60 else "")
    if not names:
        raise BadFileError(f"{path} has no animation clips. Export it with animations.")
    if wanted is None:
        if len(names) == 1:
            return 0
        raise BadFileError(f"{path} has {len(names)} clips; say which: {path.name}:CLIP, one of {told}.")
    exact = [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
    near = exact or [i for i, name in enumerate(names) if wanted.lower() in name.lower()]
    if len(exact) >= 1 or len(near) == 1:
        return near[0]
    what = "no clip" if not near else f"{len(near)} clips"
    raise BadFileError(f"{path} has {what} named {wanted!r}; there are {told}.")


def _parents_first(parents: tuple[int, ...]) -> list[int]:
    children: dict[int, list[int]] = {}
    for node, parent in enumerate(parents):
        children.setdefault(parent, []).append(node)
    order: list[int] = []
    waiting = list(reversed(children.get(-1, [])))
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting.extend(reversed(children.get(node, [])))
    return order


@dataclass(frozen=True)
class _Track:
    """One property of one node over time."""

    node: int
    path: str
    times: Float[np.ndarray, " keys"]
    values: Float[np.ndarray, "rows width"]
    way: str


def _tracks(glb: Glb, index: int) -> list[_Track]:
    animation = glb.item("animations", index)
    channels, samplers = animation.get("channels"), animation.get("samplers")
    if not isinstance(channels, list) or not isinstance(samplers, list):
        raise BadFileError(f"{glb.name} is damaged: clip {index} has no channels.")
    tracks: dict[tuple[int, str], _Track] = {}
    for channel in channels:
        target = channel.get("target") if isinstance(channel, dict) else None
        if not isinstance(target, dict):
            raise BadFileError(f"{glb.name} is damaged: clip {index} has a channel without a target.")
        if target.get("path") not in WIDTHS or "node" not in target:
            # Morph targets, and targets of extensions.
            continue
        glb.item("nodes", target["node"])
        number = channel.get("sampler")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(samplers):
            raise BadFileError(f"{glb.name} is damaged: clip {index} names a sampler that is not there.")
        track = _track(glb, samplers[number], target["node"], target["path"])
        # Two channels of one property are not valid; the first counts.
        tracks.setdefault((track.node, track.path), track)
    return list(tracks.values())


def _track(glb: Glb, sampler: Any, node: int, path: str) -> _Track:
    if not isinstance(sampler, dict):
        raise BadFileError(f"{glb.name} is damaged: a sampler is no object.")
    times = read_accessor(glb, sampler.get("input")).astype(np.float64)
    values = read_accessor(glb, sampler.get("output")).astype(np.float64)
    way = sampler.get("interpolation", "LINEAR")
    rows = 3 * len(times) if way == "CUBICSPLINE" else len(times)
    if way not in ("LINEAR", "STEP", "CUBICSPLINE") or times.shape[1] != 1 or not len(times):
        raise BadFileError(
            f"{glb.name} is damaged: a sampler has {len(times)} keys and goes by {str(way)[:20]!r}."
        )
    if values.shape != (rows, WIDTHS[path]):
        raise BadFileError(
            f"{glb.name} is damaged: a sampler has {len(times)} keys and {len(values)} values of "
            f"{values.shape[1]} numbers; {rows} of {WIDTHS[path]} are needed."
        )
    times = times[:, 0]
    if len(times) > 1 and float(np.diff(times).min()) < 0 or float(times.min()) < 0:
        raise BadFileError(f"{glb.name} is damaged: the times of a sampler do not rise from 0.")
    return _Track(node, path, times, values, way)


def _sampled(track: _Track, times: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "frames width"]:
    """Interpolate (section 3.11.3 and appendix C of the specification)."""
    keys = track.times
    after = np.clip(np.searchsorted(keys, times, side="right"), 1, max(len(keys) - 1, 1))
    if len(keys) == 1:
        after = np.zeros(len(times), np.int64)
    before = np.maximum(after - 1, 0)
    step = np.maximum(keys[after] - keys[before], 1e-9)[:, None]
    share = np.clip((times - keys[before])[:, None] / step, 0, 1)
    if track.way == "STEP":
        # The key itself counts from its own moment on.
        return track.values[np.where(times >= keys[after] - 1e-9, after, before)]
    if track.way == "CUBICSPLINE":
        into, value, out = track.values.reshape(len(keys), 3, -1).transpose(1, 0, 2)
        s, s2, s3 = share, share**2, share**3
        return (
            (2 * s3 - 3 * s2 + 1) * value[before]
            + step * (s3 - 2 * s2 + s) * out[before]
            + (3 * s2 - 2 * s3) * value[after]
            + step * (s3 - s2) * into[after]
        )
    if track.path == "rotation":
        a, b = (torch.from_numpy(_unit(track.values)[i]) for i in (before, after))
        return slerp_quats(a.roll(1, -1), b.roll(1, -1), torch.from_numpy(share)).roll(-1, -1).numpy()
    return track.values[before] * (1 - share) + track.values[after] * share


def _unit(values: Float[np.ndarray, "keys 4"]) -> Float[np.ndarray, "keys 4"]:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.where(length > 1e-9, values / np.maximum(length, 1e-9), [0.0, 0.0, 0.0, 1.0])


def _rest(glb: Glb, order: list[int]) -> dict[str, Float[Tensor, "nodes _"]]:
    """The nodes' own translation, rotation and scale."""
    rows: dict[str, list[Any]] = {path: [] for path in WIDTHS}
    for node in order:
        item = glb.item("nodes", node)
        if "matrix" in item:
            parts = _taken_apart(_numbers(glb, item["matrix"], 16))
        else:
            parts = {p: _numbers(glb, item.get(p, NEUTRAL[p]), WIDTHS[p]) for p in WIDTHS}
        for path in WIDTHS:
            rows[path].append(parts[path])
    return {path: torch.tensor(values, dtype=torch.float64) for path, values in rows.items()}


def _numbers(glb: Glb, values: Any, count: int) -> list[float]:
    good = isinstance(values, (list, tuple)) and len(values) == count
    if not good or not all(isinstance(v, (int, float)) and abs(v) < 1e9 for v in values):
        raise BadFileError(f"{glb.name} is damaged: a node is placed by {str(values)[:40]}.")
    return [float(value) for value in values]


def _taken_apart(columns: list[float]) -> dict[str, list[float]]:
    matrix = torch.tensor(columns, dtype=torch.float64).reshape(4, 4).T
    scale = matrix[:3, :3].norm(dim=0).clamp(min=1e-12)
    quats = quats_from_matrices(matrix[:3, :3] / scale)
    return {
        "translation": matrix[:3, 3].tolist(),
        "rotation": quats.roll(-1, -1).tolist(),
        "scale": scale.tolist(),
    }


def _world(
    parents: tuple[int, ...],
    still: dict[str, Float[Tensor, "nodes _"]],
    moving: dict[tuple[int, str], Float[np.ndarray, "frames _"]],
    frames: int,
) -> tuple[Float[Tensor, "frames nodes 4"], Float[Tensor, "frames nodes 3"]]:
    """Carry turns and places down the tree. Scales carry places along, but shear nothing."""
    quats = torch.empty(frames, len(parents), 4)
    places = torch.empty(frames, len(parents), 3)
    scales = torch.empty(frames, len(parents), 3)
    for node, parent in enumerate(parents):
        local = {
            path: torch.from_numpy(moving[node, path])
            if (node, path) in moving
            else still[path][node].expand(frames, -1)
            for path in WIDTHS
        }
        turn = local["rotation"].roll(1, -1)
        length = turn.norm(dim=-1, keepdim=True)
        turn = torch.where(length > 1e-9, turn, turn.new_tensor([1.0, 0, 0, 0]))
        turn, shift, scale = normalize_quats(turn), local["translation"], local["scale"]
        if parent >= 0:
            above = quats[:, parent].double()
            moved = matrices_from_quats(above) @ (scales[:, parent].double() * shift)[..., None]
            shift = places[:, parent].double() + moved[..., 0]
            turn, scale = multiply_quats(above, turn), scales[:, parent].double() * scale
        quats[:, node], places[:, node], scales[:, node] = turn.float(), shift.float(), scale.float()
    return quats, places
