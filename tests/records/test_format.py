"""The avatar file, read by its description alone (docs/format.md), and by us when strangers made it."""

import dataclasses
import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import fakes

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.images import write_image
from vivant.records import Avatar, load_avatar, save_avatar

DTYPES = {"F32": "<f4", "I64": "<i8"}


def read_independently(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    plain = json.loads(header.pop("__metadata__")["vivant"])
    assert plain["kind"] == "Avatar" and plain["plain"]["format"] == 1
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(content[8 + length + begin : 8 + length + end], DTYPES[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
    return arrays, plain["plain"]


def test_a_reader_of_twenty_lines_finds_everything(tmp_path: Path) -> None:
    avatar = fakes.avatar()
    save_avatar(avatar, tmp_path / "a.avatar")
    arrays, plain = read_independently(tmp_path / "a.avatar")
    np.testing.assert_array_equal(arrays["splats.means"], avatar.splats.means)
    np.testing.assert_array_equal(arrays["splats.sh"], avatar.splats.sh)
    np.testing.assert_array_equal(arrays["binding.skin_joints"], avatar.binding.skin_joints)
    np.testing.assert_array_equal(arrays["rig.world_from_joint"][:, :3, 3], avatar.rig.joints_world)
    assert tuple(plain["rig.joint_names"]) == avatar.rig.joint_names
    assert plain["origin.notes"] == list(avatar.origin.notes)


def test_the_description_names_every_array_and_nothing_else(tmp_path: Path) -> None:
    save_avatar(fakes.avatar(), tmp_path / "a.avatar")
    arrays, plain = read_independently(tmp_path / "a.avatar")
    text = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
    assert [name for name in arrays if f"`{name}`" not in text] == []
    short = {name for name in plain if f"`{name}`" not in text and f"`.{name.split('.')[-1]}`" not in text}
    assert short == set()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_given_as_an_avatar_is_told_how_to_become_one(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"me{suffix}"
    write_image(torch.rand(40, 30, 3), path)
    with pytest.raises(BadFileError, match=f"me{suffix} is a picture.*`vivant create .*me{suffix}`"):
        load_avatar(path)


def test_a_header_whose_length_spells_a_kind_of_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.avatar").write_bytes(struct.pack("<Q", int.from_bytes(b"BM", "little")) + b"{}")
    with pytest.raises(BadFileError, match="damaged"):
        load_avatar(tmp_path / "a.avatar")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, bytes, Path]:
    """A small file's header and numbers, and a place for changed ones."""
    path = tmp_path_factory.mktemp("hostile") / "a.avatar"
    save_avatar(fakes.avatar(500), path)
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    return json.loads(whole[8 : 8 + length]), whole[8 + length :], path


def rewritten(path: Path, header: dict, numbers: bytes) -> Path:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)
    return path


def with_plain(header: dict, **changed: object) -> dict:
    plain = json.loads(header["__metadata__"]["vivant"])
    plain["plain"].update({key.replace("__", "."): value for key, value in changed.items()})
    return {**header, "__metadata__": {"vivant": json.dumps(plain)}}


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"format": "1"},
        {"rig__joint_parents": [0] + [-1] * 103},
        {"rig__joint_parents": [103] + list(range(103))},
        {"rig__joint_parents": ["a"] * 104},
        {"rig__joint_parents": None},
        {"rig__joint_names": ["root"]},
        {"rig__joint_names": 3},
        {"photo_camera__width": -1},
        {"photo_camera__width": "wide"},
        {"shape__model": None},
        {"origin__notes": 5},
        {"splats": None},
    ],
)
def test_plain_values_that_cannot_be_are_refused(content: tuple[dict, bytes, Path], changed: dict) -> None:
    header, numbers, path = content
    with pytest.raises(BadFileError):
        load_avatar(rewritten(path, with_plain(header, **changed), numbers))


@pytest.mark.parametrize("name", ["splats.means", "binding.barycentric", "rig.world_from_joint", "rig.uv"])
def test_numbers_that_are_none_are_refused(content: tuple[dict, bytes, Path], name: str) -> None:
    header, numbers, path = content
    begin = header[name]["data_offsets"][0]
    bad = numbers[:begin] + struct.pack("<f", float("nan")) + numbers[begin + 4 :]
    with pytest.raises(BadFileError, match=name):
        load_avatar(rewritten(path, header, bad))


def test_an_avatar_with_numbers_that_are_none_is_not_saved(tmp_path: Path) -> None:
    avatar = fakes.avatar()
    means = avatar.splats.means.clone()
    means[0, 0] = float("nan")
    broken = dataclasses.replace(avatar, splats=dataclasses.replace(avatar.splats, means=means))
    with pytest.raises(BadInputError, match=r"splats\.means"):
        save_avatar(broken, tmp_path / "a.avatar")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["rig.faces", "binding.face", "binding.skin_joints", "rig.uv_faces"])
def test_indices_that_point_outside_are_refused(content: tuple[dict, bytes, Path], name: str) -> None:
    header, numbers, path = content
    begin = header[name]["data_offsets"][0]
    bad = numbers[:begin] + struct.pack("<q", 2**40) + numbers[begin + 8 :]
    with pytest.raises(BadFileError, match="points outside"):
        load_avatar(rewritten(path, header, bad))


@pytest.mark.parametrize("name", ["splats.means", "rig.verts", "trust", "splats.sh"])
@pytest.mark.parametrize("change", [{"dtype": "I32"}, {"dtype": "F64"}, {"shape": [10**15, 3]}, {"shape": []}])
def test_arrays_of_another_shape_or_kind_are_refused(
    content: tuple[dict, bytes, Path], name: str, change: dict
) -> None:
    header, numbers, path = content
    tracemalloc.start()
    with pytest.raises(BadFileError):
        load_avatar(rewritten(path, {**header, name: {**header[name], **change}}, numbers))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


@given(noise=st.binary(max_size=30), at=st.integers(0, 6000))
@settings(max_examples=80, deadline=None)
def test_flipped_bytes_give_an_avatar_or_our_error(
    content: tuple[dict, bytes, Path], noise: bytes, at: int
) -> None:
    header, numbers, path = content
    whole = rewritten(path, header, numbers).read_bytes()
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        assert isinstance(load_avatar(path), Avatar)
    except BadFileError:
        pass
