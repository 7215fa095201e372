"""The GLB container: what was written is read, and what strangers send is refused or read, never trusted."""

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivant.core.errors import BadFileError, OutputError
from vivant.core.glb import Glb, node_parents, parse_glb, read_accessor, read_glb, write_glb

FLOATS = np.arange(6, dtype="<f4").reshape(2, 3)
DOCUMENT = {
    "asset": {"version": "2.0"},
    "nodes": [{"children": [1, 2]}, {}, {}],
    "bufferViews": [{"buffer": 0, "byteLength": 24}],
    "accessors": [{"bufferView": 0, "componentType": 5126, "count": 2, "type": "VEC3"}],
}


def packed(document: object, binary: bytes = b"", version: int = 2, spare: int = 0) -> bytes:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<2I", len(text), 0x4E4F534A) + text
    if binary:
        parts += struct.pack("<2I", len(binary), 0x004E4942) + binary
    return struct.pack("<3I", 0x46546C67, version, 12 + len(parts) + spare) + parts


def changed(**accessor: object) -> Glb:
    document: dict[str, Any] = {**DOCUMENT, "buffers": [{"byteLength": 24}]}
    document["accessors"] = [{**DOCUMENT["accessors"][0], **accessor}]  # type: ignore[dict-item]
    return Glb(document, FLOATS.tobytes())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", {**DOCUMENT, "extras": "ä"}, FLOATS.tobytes() + b"odd")
    glb = read_glb(tmp_path / "a.glb")
    assert glb.document["extras"] == "ä"
    assert glb.document["buffers"] == [{"byteLength": 28}]
    assert (tmp_path / "a.glb").stat().st_size % 4 == 0
    np.testing.assert_array_equal(read_accessor(glb, 0), FLOATS)
    assert node_parents(glb) == (-1, 0, 0)


def test_a_document_without_bytes_has_no_second_part(tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", {}, b"")
    glb = read_glb(tmp_path / "a.glb")
    assert glb.document == {"asset": {"version": "2.0"}} and glb.binary == b""


def test_parts_of_unknown_kinds_are_passed_over() -> None:
    content = packed(DOCUMENT, b"1234", spare=12) + struct.pack("<2I", 4, 0x58585858) + b"abcd"
    assert parse_glb(content).binary == b"1234"


def test_strides_offsets_and_normalised_integers_are_read() -> None:
    binary = b"xx" + bytes([0, 255, 9, 51, 102, 9])
    view = {"buffer": 0, "byteOffset": 2, "byteLength": 6, "byteStride": 3}
    accessor = {"bufferView": 0, "componentType": 5121, "count": 2, "type": "VEC2", "normalized": True}
    document = {"buffers": [{"byteLength": 8}], "bufferViews": [view], "accessors": [accessor]}
    np.testing.assert_allclose(read_accessor(Glb(document, binary), 0), [[0, 1], [0.2, 0.4]])
    signed = {**accessor, "componentType": 5120, "type": "SCALAR", "count": 1}
    document["accessors"] = [signed]
    assert read_accessor(Glb(document, b"xx\x80000000"), 0).tolist() == [[-1.0]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no binary glTF"),
        (b'{"asset": {"version": "2.0"}}', "no binary glTF"),
        (packed(DOCUMENT, version=1), "version 1"),
        (packed(DOCUMENT, spare=4), "cut off"),
        (packed(DOCUMENT)[:40], "cut off"),
        (struct.pack("<3I2I", 0x46546C67, 2, 20, 0xFFFFFFF0, 0x4E4F534A), "reaches past its end"),
        (struct.pack("<3I2I4s", 0x46546C67, 2, 24, 4, 0x004E4942, b"abcd"), "does not begin with JSON"),
        (packed(b"[" * 200_000), "cannot be read"),
        (packed(b"\xff\xfe"), "cannot be read"),
        (packed(b'{"asset": {"version": "2.0"}, "x": NaN}'), "no number of JSON"),
        (packed(b'{"a": ' + b"9" * 10_000 + b"}"), "cannot be read"),
        (packed(b"[]"), "says it is glTF None"),
        (packed({"asset": {"version": "1.0"}}), "says it is glTF '1.0'"),
        (packed({"asset": 3}), "says it is glTF None"),
    ],
)
def test_damaged_and_hostile_files_are_refused(content: bytes, told: str) -> None:
    tracemalloc.start()
    with pytest.raises(BadFileError, match=told):
        parse_glb(content)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("accessor", "told"),
    [
        ({"count": 10**12}, "points outside its 24 bytes"),
        ({"count": -1}, "no known kind"),
        ({"count": 2.0}, "no known kind"),
        ({"count": True}, "no known kind"),
        ({"byteOffset": 4}, "points outside"),
        ({"byteOffset": -4}, "points outside"),
        ({"type": "MAT4"}, "points outside"),
        ({"type": "MAT3"}, "no known kind"),
        ({"componentType": [5126]}, "no known kind"),
        ({"bufferView": 7}, "names bufferViews 7; there are 1"),
        ({"bufferView": "0"}, "names bufferViews '0'"),
        ({"sparse": {}}, "no object with indices and values"),
        ({"sparse": 3}, "no object with indices and values"),
        (
            {"sparse": {"count": 3, "indices": {"bufferView": 0, "componentType": 5121}, "values": {}}},
            "replaces 3",
        ),
        (
            {"sparse": {"count": 1, "indices": {"bufferView": 0, "componentType": 5126}, "values": {}}},
            "replaces 1",
        ),
        ({"sparse": {"count": 1, "indices": {"componentType": 5121}, "values": {}}}, "names bufferViews None"),
        (
            {
                "sparse": {
                    "count": 1,
                    "indices": {"bufferView": 0, "componentType": 5121, "byteOffset": 24},
                    "values": {},
                }
            },
            "points outside",
        ),
        (
            {
                "sparse": {
                    "count": 1,
                    "indices": {"bufferView": 0, "componentType": 5121, "byteOffset": 7},
                    "values": {},
                }
            },
            "replaces element 63 of 2",
        ),
    ],
)
def test_accessors_that_point_anywhere_are_refused(accessor: dict[str, object], told: str) -> None:
    with pytest.raises(BadFileError, match=told):
        read_accessor(changed(**accessor), 0)


@pytest.mark.parametrize("filled", [True, False])
def test_sparse_accessors_replace_single_elements(filled: bool) -> None:
    binary = FLOATS.tobytes() + np.array([1], "<u2").tobytes() + b"--" + np.array([7, 8, 9], "<f4").tobytes()
    sparse = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5123},
        "values": {"bufferView": 1, "byteOffset": 4},
    }
    glb = changed(sparse=sparse)
    glb.document["bufferViews"] = [*DOCUMENT["bufferViews"], {"buffer": 0, "byteOffset": 24, "byteLength": 16}]
    if not filled:
        del glb.document["accessors"][0]["bufferView"]
    values = read_accessor(Glb(glb.document, binary), 0)
    assert values.tolist() == [[0.0, 1.0, 2.0] if filled else [0.0, 0.0, 0.0], [7.0, 8.0, 9.0]]


def test_a_count_alone_takes_no_memory() -> None:
    glb = changed(count=10**9)
    del glb.document["accessors"][0]["bufferView"]
    with pytest.raises(BadFileError, match="1000000000 elements without data"):
        read_accessor(glb, 0)


@pytest.mark.parametrize("uri", ["../../etc/passwd", "file:///etc/passwd", "http://example.org/a.bin", "a.bin"])
def test_no_other_file_is_opened(uri: str) -> None:
    glb = changed()
    glb.document["buffers"] = [{"byteLength": 24, "uri": uri}]
    with pytest.raises(BadFileError, match="another file, which is not opened"):
        read_accessor(glb, 0)


def test_numbers_that_are_none_are_refused() -> None:
    glb = Glb(changed().document, np.full(6, np.nan, "<f4").tobytes())
    with pytest.raises(BadFileError, match="not finite"):
        read_accessor(glb, 0)


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([{"children": [1]}, {"children": [0]}], "2 of its nodes are their own ancestors"),
        ([{"children": [0]}], "1 of its nodes"),
        ([{"children": [1]}, {}, {"children": [1]}], "node 1 has two parents"),
        ([{"children": [1, 1]}, {}], "two parents"),
        ([{"children": [9]}], "names nodes 9; there are 1"),
        ([{"children": [-1]}], "names nodes -1"),
        ([{"children": 3}], "no list of children"),
        (["a"], "`nodes` is no list of objects"),
        ([{}] * 100_001, "at most 100000"),
    ],
)
def test_skeletons_that_are_no_trees_are_refused(nodes: list[Any], told: str) -> None:
    with pytest.raises(BadFileError, match=told):
        node_parents(Glb({"nodes": nodes}, b""))


def test_a_skeleton_of_any_depth_is_read() -> None:
    nodes = [{"children": [i + 1]} for i in range(50_000)] + [{}]
    assert node_parents(Glb({"nodes": nodes}, b""))[-1] == 49_999


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.just(5126) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["count", "type"]), inner),
    max_leaves=4,
)
KEYS = [
    "bufferView",
    "componentType",
    "count",
    "type",
    "byteOffset",
    "byteLength",
    "byteStride",
    "buffer",
    "uri",
]


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.dictionaries(st.sampled_from(KEYS), JSON), JSON)
@settings(max_examples=150, deadline=None)
def test_any_document_gives_numbers_or_our_error(accessor: dict, view: dict, children: Any) -> None:
    document = {**changed(**accessor).document, "nodes": [{"children": children}, {}]}
    document["bufferViews"] = [{"buffer": 0, "byteLength": 24, **view}]
    glb = Glb(document, FLOATS.tobytes())
    for read in (lambda: read_accessor(glb, 0), lambda: node_parents(glb)):
        try:
            assert len(read()) <= 24
        except BadFileError:
            pass


@given(st.binary(max_size=40), st.integers(0, 500))
@settings(max_examples=100, deadline=None)
def test_flipped_bytes_give_a_document_or_our_error(noise: bytes, at: int) -> None:
    content = packed({**DOCUMENT, "buffers": [{"byteLength": 24}]}, FLOATS.tobytes())
    try:
        glb = parse_glb(content[:at] + noise + content[at + len(noise) :])
        read_accessor(glb, 0)
        node_parents(glb)
    except BadFileError:
        pass


def test_missing_files_and_folders_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be read"):
        read_glb(tmp_path / "none.glb")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_glb(tmp_path / "file" / "a.glb", {}, b"")
