"""The binary container of glTF 2.0: one JSON document and one block of bytes (sections 3.6 and 4.4 of it).

Files come from strangers. Every count is checked against the bytes that are there before anything is allocated,
and no other file is ever opened: whatever a document's `uri` says is refused.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Shaped

from vivant.core.errors import BadFileError
from vivant.core.store import read_whole, writing

LARGEST_FILE = 1024**3
"""Bytes. A character with all its clips and textures has some 100 million."""

LARGEST_DOCUMENT = 64 * 1024**2
"""Bytes of JSON: as Python's objects they take ten times as much."""

MOST_NODES = 100_000

MOST_ZEROS = 64 * 1024**2
"""Bytes of numbers that a file may ask for without holding them."""

_MAGIC, _VERSION, _JSON, _BINARY = 0x46546C67, 2, 0x4E4F534A, 0x004E4942

KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
"""glTF's numbers for types of components, and numpy's names."""

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
"""Components of an element. 2 x 2 and 3 x 3 matrices, which have odd gaps, are not read."""


@dataclass(frozen=True)
class Glb:
    """A glTF document and the bytes it points into."""

    document: dict[str, Any]
    """The JSON. Only its outermost shape is checked: use `listed`, `read_accessor` and `node_parents`."""

    binary: bytes
    name: str = "The GLB file"
    """What error messages call it."""

    def listed(self, key: str) -> list[dict[str, Any]]:
        """Give one of the document's lists of objects (`nodes`, `animations` ...); empty if it is absent.

        Raises:
            BadFileError: If it is no list of objects.
        """
        items = self.document.get(key, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise BadFileError(f"{self.name} is damaged: `{key}` is no list of objects.")
        return items

    def item(self, key: str, index: object) -> dict[str, Any]:
        """Give one object of such a list.

        Raises:
            BadFileError: If there is no such object.
        """
        # Only the one object is checked: a document may have a hundred thousand, each asked for in turn.
        items = self.document.get(key, [])
        count = len(items) if isinstance(items, list) else 0
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
            raise BadFileError(f"{self.name} is damaged: it names {key} {_short(index)}; there are {count}.")
        if not isinstance(items[index], dict):
            raise BadFileError(f"{self.name} is damaged: {key} {index} is no object.")
        return items[index]


def read_glb(path: Path | str) -> Glb:
    """Read a `.glb` (or `.vrm`) file.

    Raises:
        BadFileError: If the file is missing, truncated, damaged, too large, or of another version.
    """
    path = Path(path)
    return parse_glb(read_whole(path, LARGEST_FILE, "Export fewer clips."), str(path))


def parse_glb(content: bytes, name: str = "The GLB file") -> Glb:
    """Take a `.glb` file's bytes apart.

    Raises:
        BadFileError: If they are truncated, damaged, or of another version.
    """
    if len(content) < 20 or struct.unpack_from("<I", content)[0] != _MAGIC:
        raise BadFileError(f"{name} is no binary glTF. Export it as .glb (glTF Binary), not as .gltf or other.")
    _, version, length = struct.unpack_from("<3I", content)
    if version != _VERSION:
        raise BadFileError(f"{name} is glTF of version {version}; version 2 is needed.")
    if length > len(content):
        raise BadFileError(f"{name} is cut off: {length} bytes are announced, {len(content)} are there.")
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= length:
        size, kind = struct.unpack_from("<2I", content, at)
        if at + 8 + size > length:
            raise BadFileError(f"{name} is damaged: a part of {size} bytes reaches past its end.")
        if at == 12 and kind != _JSON:
            raise BadFileError(f"{name} is damaged: it does not begin with JSON.")
        # Parts of other kinds must be passed over (section 4.4.3), repeated ones count for nothing.
        if kind in (_JSON, _BINARY) and kind not in chunks:
            chunks[kind] = content[at + 8 : at + 8 + size]
        at += 8 + size
    if _JSON not in chunks:
        raise BadFileError(f"{name} is damaged: it holds no JSON.")
    return Glb(_parse_document(chunks[_JSON], name), chunks.get(_BINARY, b""), name)


def write_glb(path: Path | str, document: dict[str, Any], binary: bytes) -> None:
    """Write a `.glb` file; the document's one buffer is the given bytes.

    Raises:
        OutputError: If the file cannot be written.
    """
    binary += b"\0" * (-len(binary) % 4)
    document = {"asset": {"version": "2.0"}, **document}
    if binary:
        document["buffers"] = [{"byteLength": len(binary)}]
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    parts = [struct.pack("<2I", len(text), _JSON), text]
    if binary:
        parts += [struct.pack("<2I", len(binary), _BINARY), binary]
    with writing(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<3I", _MAGIC, _VERSION, 12 + sum(map(len, parts))))
        file.writelines(parts)


def read_accessor(glb: Glb, index: object) -> Shaped[np.ndarray, "count components"]:
    """Give an accessor's numbers, one row an element; normalised integers become floats.

    Raises:
        BadFileError: If it points outside the file's bytes, is not finite, or is of a kind that is not read.
    """
    accessor = glb.item("accessors", index)
    kind, width = KINDS.get(_whole(accessor.get("componentType"))), WIDTHS.get(str(accessor.get("type")))
    count = _whole(accessor.get("count"))
    name = f"accessor {_short(index)}"
    if kind is None or width is None or count < 0:
        raise BadFileError(f"{glb.name} is damaged: {name} is of no known kind.")
    dtype = np.dtype(kind)
    if "bufferView" in accessor:
        values = _rows(glb, name, accessor, (count, width), dtype).copy()
    elif count * width * dtype.itemsize > MOST_ZEROS:
        # Without bytes of their own these numbers are zeros, and a count alone must not take memory.
        raise BadFileError(f"{glb.name}: {name} has {count} elements without data; it is not read.")
    else:
        values = np.zeros((count, width), dtype)
    if "sparse" in accessor:
        _put_sparse(glb, name, accessor["sparse"], values)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise BadFileError(f"{glb.name} is damaged: {name} has values that are not finite.")
    if accessor.get("normalized") is True and dtype.kind != "f":
        # Section 3.11: the lowest signed value is one step past -1.
        return np.maximum(values.astype(np.float32) / np.iinfo(dtype).max, -1.0)
    return values


def _rows(
    glb: Glb, name: str, place: dict[str, Any], shape: tuple[int, int], dtype: np.dtype
) -> Shaped[np.ndarray, "count components"]:
    """Look at rows of numbers where an object with `bufferView` and `byteOffset` says that they are."""
    count, width = shape
    view = glb.item("bufferViews", place.get("bufferView"))
    if "uri" in glb.item("buffers", view.get("buffer")) or view.get("buffer") != 0:
        raise BadFileError(
            f"{glb.name} keeps data in another file, which is not opened. Export it as one .glb."
        )
    row = dtype.itemsize * width
    stride = _whole(view.get("byteStride", row))
    begin, inside = _whole(view.get("byteOffset", 0)), _whole(place.get("byteOffset", 0))
    length = _whole(view.get("byteLength"))
    needed = inside + (stride * (count - 1) + row if count else 0)
    if min(begin, inside, length) < 0 or stride < row or needed > length or begin + length > len(glb.binary):
        raise BadFileError(f"{glb.name} is damaged: {name} points outside its {len(glb.binary)} bytes.")
    if not count:
        return np.zeros((0, width), dtype)
    return np.ndarray(shape, dtype, glb.binary, begin + inside, (stride, dtype.itemsize))


def _put_sparse(glb: Glb, name: str, sparse: object, values: Shaped[np.ndarray, "count components"]) -> None:
    """Replace single elements, as sparse accessors do (section 3.6.2.3)."""
    places = sparse.get("indices") if isinstance(sparse, dict) else None
    rows = sparse.get("values") if isinstance(sparse, dict) else None
    if not isinstance(sparse, dict) or not isinstance(places, dict) or not isinstance(rows, dict):
        raise BadFileError(
            f"{glb.name} is damaged: the sparse data of {name} is no object with indices and values."
        )
    count, kind = _whole(sparse.get("count")), KINDS.get(_whole(places.get("componentType")), "")
    if not 0 < count <= len(values) or not kind.startswith("<u"):
        raise BadFileError(f"{glb.name} is damaged: {name} replaces {_short(sparse.get('count'))} elements.")
    index = _rows(glb, name, places, (count, 1), np.dtype(kind))[:, 0]
    if int(index.max()) >= len(values):
        raise BadFileError(f"{glb.name} is damaged: {name} replaces element {index.max()} of {len(values)}.")
    values[index] = _rows(glb, name, rows, (count, values.shape[1]), values.dtype)


def node_parents(glb: Glb) -> tuple[int, ...]:
    """Give each node's parent, -1 for roots.

    Raises:
        BadFileError: If a node has two parents, nodes form a circle, or there are too many.
    """
    nodes = glb.listed("nodes")
    if len(nodes) > MOST_NODES:
        raise BadFileError(f"{glb.name} has {len(nodes)} nodes; at most {MOST_NODES} are read.")
    parents = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        children = node.get("children", [])
        if not isinstance(children, list):
            raise BadFileError(f"{glb.name} is damaged: node {index} has no list of children.")
        for child in children:
            glb.item("nodes", child)
            if parents[child] >= 0:
                raise BadFileError(f"{glb.name} is damaged: node {child} has two parents.")
            parents[child] = index
    # With one parent each, a walk down from the roots misses exactly the nodes on circles and below them.
    waiting = [index for index, parent in enumerate(parents) if parent < 0]
    reached = 0
    while waiting:
        reached += 1
        waiting.extend(nodes[waiting.pop()].get("children", []))
    if reached < len(nodes):
        raise BadFileError(
            f"{glb.name} is damaged: {len(nodes) - reached} of its nodes are their own ancestors."
        )
    return tuple(parents)


def _parse_document(text: bytes, name: str) -> dict[str, Any]:
    if len(text) > LARGEST_DOCUMENT:
        raise BadFileError(f"{name} has {len(text)} bytes of JSON; at most {LARGEST_DOCUMENT} are read.")
    try:
        document = json.loads(text.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"{name} is damaged: its JSON cannot be read ({str(error)[:80]}).") from error
    asset = document.get("asset") if isinstance(document, dict) else None
    version = asset.get("version") if isinstance(asset, dict) else None
    if not isinstance(document, dict) or not str(version).startswith("2."):
        raise BadFileError(f"{name} says it is glTF {_short(version)}; version 2.0 is needed.")
    return document


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _whole(value: object) -> int:
    """A whole number, or -1 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _short(value: object) -> str:
    return repr(value)[:40]
