"""Clothes in MakeHuman's formats (.mhclo, .obj, .mhmat), laid on the anny body.

A garment's vertex is a weighted mean of three vertices of MakeHuman's base mesh plus an offset, scaled
along each axis as the body is (MakeHuman's proxy files). Most base vertices are ours; an asset has the helpers.
"""

import re
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import load_anny
from vivant.core.errors import BadFileError
from vivant.records import Rig, Shape

ASSET = Path(__file__).parent / "assets" / "base_mesh.npz"
"""Made by `tools/bake_base_mesh.py`."""

MAX_ENTRY_BYTES = 32 * 1024**2
"""Larger text files are no garment."""

TUCK_M = 0.06
"""A piece within these metres of another that goes on above and below it is under that one."""

DECIMETRES = 10.0
"""MakeHuman's unit: so many to a metre."""


@dataclass(frozen=True)
class Garment:
    """One piece: clothes, shoes, hair, brows, eyes."""

    name: str
    base: Int[np.ndarray, "verts 3"]
    """Base vertices that each vertex hangs on."""

    weights: Float[np.ndarray, "verts 3"]
    offsets: Float[np.ndarray, "verts 3"]
    """Decimetres, before scaling."""

    scales: tuple[tuple[int, int, float], ...]
    """For x, y, z: two base vertices and their distance where the offset counts as it is."""

    hides: Int[np.ndarray, " hidden"]
    """Base vertices that lie under this piece."""

    faces: Int[np.ndarray, "faces 3"]
    uv: Float[np.ndarray, "uvs 2"]
    uv_faces: Int[np.ndarray, "faces 3"]
    picture: str
    """File name of its colours, without suffix; empty if the material names none."""


@dataclass(frozen=True)
class BaseBody:
    """A shaped anny body with all base vertices."""

    rig: Rig
    verts: Float[np.ndarray, "base 3"]
    """Metres, y up, at rest."""

    skin: Float[np.ndarray, "base joints"]
    """Weights of all joints."""

    body_vert: Int[np.ndarray, " base"]
    """Our number of each base vertex; -1 for helpers."""


@lru_cache(maxsize=1)
def _asset() -> dict[str, np.ndarray]:
    try:
        with np.load(ASSET, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFileError(f"The asset {ASSET} cannot be read ({error!r}). Install vivant again.") from error


def base_body(shape: Shape) -> BaseBody:
    """Shape the anny body and everything clothes refer to.

    Raises:
        BadFileError: If the installed asset is damaged.
        BadInputError: If the shape belongs to another model.
    """
    model, data = load_anny(), _asset()
    rig = model.rig(shape)
    components = model.components(shape.coefficients).numpy()
    basis = np.concatenate([data["fine"].astype(np.float32), data["coarse"].astype(np.float32)])
    used = components[: len(basis)] * data["scale"]
    helpers = data["mean"] + (used @ basis).reshape(-1, 3)
    # The same floor as the body: any vertex tells how far it was moved.
    floor = rig.verts[0, 1] - (model.verts_mean[0] + (torch.from_numpy(components) @ model.verts_basis)[:3])[1]
    if shape.actions.any():
        floor = floor - (rig.verts[0, 1] - model.rest_verts(shape.coefficients)[0, 1])
    helpers[:, 1] += float(floor)
    ours = data["body_vert"].astype(np.int64)
    verts = rig.verts.numpy()[ours.clip(0)]
    verts[data["helpers"]] = helpers
    skin = np.zeros((len(ours), len(rig.joint_names)), np.float32)
    rows = np.flatnonzero(ours >= 0)
    np.add.at(skin, (rows[:, None], rig.skin_joints.numpy()[ours[rows]]), rig.skin_weights.numpy()[ours[rows]])
    np.add.at(skin, (data["helpers"][:, None], data["skin_joints"]), data["skin_weights"].astype(np.float32))
    return BaseBody(rig, verts, skin, ours)


def lay(
    garment: Garment, body: BaseBody
) -> tuple[Float[Tensor, "verts 3"], Int[Tensor, "verts 8"], Float[Tensor, "verts 8"]]:
    """Lay a piece on a body at rest: places, joints and weights of its vertices."""
    corners = body.verts[garment.base]
    scale = np.ones(3)
    for axis, (a, b, distance) in enumerate(garment.scales):
        if distance > 0:
            scale[axis] = abs(body.verts[a, axis] - body.verts[b, axis]) * DECIMETRES / distance
    places = (corners * garment.weights[..., None]).sum(1) + garment.offsets * scale / DECIMETRES
    weights = (body.skin[garment.base] * garment.weights.clip(0)[..., None]).sum(1)
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :8]
    strongest = np.take_along_axis(weights, joints, 1)
    strongest = strongest / strongest.sum(1, keepdims=True).clip(1e-9)
    return torch.from_numpy(places).float(), torch.from_numpy(joints), torch.from_numpy(strongest).float()


def tucked(
    faces: Int[np.ndarray, "faces 3"], under: Float[Tensor, "verts 3"], over: Float[Tensor, "others 3"]
) -> Bool[np.ndarray, " faces"]:
    """Which triangles of a piece another hides at rest: socks in trousers.

    Both lie close to the skin, so what is under would come through where legs bend.

    Args:
        faces: Of the piece that is under.
        under: Its vertices.
        over: Vertices of the piece that is over it.
    """
    outer = over.numpy()
    around = KDTree(outer).query_ball_point(under.numpy(), TUCK_M)
    hidden = np.zeros(len(under), bool)
    for vert, near in enumerate(around):
        if near:
            rises = outer[near, 1] - float(under[vert, 1])
            hidden[vert] = rises.min() < -0.01 and rises.max() > 0.01
    return hidden[faces].all(1)


def read_garments(archive: Path, kind: str) -> dict[str, Garment]:
    """Read all pieces of a kind (clothes, hair, eyebrows, eyelashes, eyes) from MakeHuman's archive.

    Raises:
        BadFileError: If the archive or a piece in it is missing, damaged or hostile.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            texts = {
                entry.filename: _text(file, entry)
                for entry in file.infolist()
                if entry.filename.startswith(f"{kind}/")
                and entry.filename.endswith((".mhclo", ".obj", ".mhmat"))
            }
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFileError(
            f"{archive} cannot be read ({error!r}). Give the folder that holds geo.zip."
        ) from error
    found = {}
    for name in sorted(texts):
        if name.endswith(".mhclo"):
            try:
                found[PurePosixPath(name).stem] = parse_garment(name, texts)
            except (ValueError, IndexError, KeyError) as error:
                raise BadFileError(f"{name} in {archive} is damaged: {error!r}.") from error
    return found


def _text(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> str:
    if entry.file_size > MAX_ENTRY_BYTES:
        raise BadFileError(
            f"{entry.filename} has {entry.file_size} bytes; garments have under {MAX_ENTRY_BYTES}."
        )
    return file.read(entry).decode("utf-8", "replace")


def parse_garment(name: str, texts: dict[str, str]) -> Garment:
    """Put a .mhclo, its .obj and its material together."""
    scales, rows, hides, told = {}, [], set(), {}
    section = ""
    for line in texts[name].splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif re.fullmatch(r"[xyz]_scale", words[0]):
            scales[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
        elif not words[0].isdecimal():
            told[words[0]] = line.split(None, 1)[1].strip() if len(words) > 1 else ""
        elif section == "verts":
            rows.append(_row(words))
        elif section == "delete_verts":
            hides |= _ranges(words)
    folder = PurePosixPath(name).parent
    uv, faces, uv_faces, count = _parse_obj(texts[str(folder / told["obj_file"])])
    if count != len(rows):
        raise ValueError(f"{len(rows)} places for {count} vertices")
    table = np.array(rows)
    base = table[:, :3].astype(np.int64)
    limit = len(_asset()["body_vert"])
    lines = [scales.get(axis, (0, 0, 0.0)) for axis in "xyz"]
    if max(base.max(), *(max(a, b) for a, b, _ in lines)) >= limit:
        raise ValueError(f"a base vertex beyond {limit}")
    material = texts.get(str(folder / told.get("material", "")), "")
    if not material:
        beside = sorted(path for path in texts if path.startswith(f"{folder}/") and path.endswith(".mhmat"))
        material = texts[beside[0]] if beside else ""
    picture = re.search(r"^diffuseTexture\s+(\S+)", material, re.MULTILINE)
    return Garment(
        name=PurePosixPath(name).stem,
        base=base,
        weights=table[:, 3:6],
        offsets=table[:, 6:9],
        scales=tuple(lines),
        hides=np.array(sorted(v for v in hides if v < limit), np.int64),
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        picture=PurePosixPath(picture.group(1)).stem if picture else "",
    )


def _row(words: list[str]) -> list[float]:
    """One vertex: a base vertex, or three with weights and perhaps an offset."""
    if len(words) == 1:
        return [float(words[0])] * 3 + [1.0, 0.0, 0.0] + [0.0] * 3
    numbers = [float(word) for word in words]
    return (numbers + [0.0] * 3)[:9]


def _ranges(words: list[str]) -> set[int]:
    """Read `3 - 7 12`: 3 to 7, and 12."""
    found: set[int] = set()
    for low, high in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", " ".join(words)):
        if int(high or low) - int(low) > 100_000:
            raise ValueError(f"a range of {int(high) - int(low)} vertices")
        found |= set(range(int(low), int(high or low) + 1))
    return found


def _parse_obj(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Texture coordinates, triangles, their texture corners, and the number of vertices."""
    uv, faces, uv_faces, count = [], [], [], 0
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            count += 1
        elif words[0] == "vt":
            uv.append([float(word) for word in words[1:3]])
        elif words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            v = [int(c[0]) - 1 for c in corners]
            t = [int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners]
            for k in range(1, len(v) - 1):
                faces.append([v[0], v[k], v[k + 1]])
                uv_faces.append([t[0], t[k], t[k + 1]])
    uv = np.array(uv or [[0.0, 0.0]])
    triangles, corners = np.array(faces, np.int64), np.array(uv_faces, np.int64)
    if (
        not faces
        or triangles.min() < 0
        or triangles.max() >= count
        or corners.min() < 0
        or corners.max() >= len(uv)
    ):
        raise ValueError("triangles name vertices that do not exist")
    return uv, triangles, corners, count
