"""Files that viewers read, and files that nobody should trust."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.splat.scenes import random_splats

from vivant.core.cameras import Cameras, look_at
from vivant.core.errors import BadFileError, OutputError
from vivant.core.rotations import normalize_quats
from vivant.records import Splats
from vivant.splat import rasterize
from vivant.splat.ply import read_ply, write_ply

FIELDS = ("means", "log_scales", "opacity_logits", "sh")


def unit(splats: Splats) -> Splats:
    return Splats(
        splats.means, normalize_quats(splats.quats), splats.log_scales, splats.opacity_logits, splats.sh
    )


def camera(up: float) -> Cameras:
    """From the front of a y-up world; for a world turned about z, upside down."""
    matrix = look_at(torch.tensor([0.3, 0.4, 3.0]), torch.zeros(3))
    turn = torch.diag(torch.tensor([up, up, 1.0, 1.0]))
    intrinsics = torch.tensor([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    return Cameras((matrix @ turn)[None], intrinsics[None], 64, 48)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("upright", [True, False])
def test_what_was_written_is_read(tmp_path: Path, degree: int, upright: bool) -> None:
    splats = unit(random_splats(50, 1, degree))
    write_ply(splats, tmp_path / "a.ply", upright=upright)
    found = read_ply(tmp_path / "a.ply", upright=upright)
    for name in FIELDS:
        assert torch.equal(getattr(found, name), getattr(splats, name))
    # A quaternion and its negative are the same turn; half turns twice give the negative.
    agreement = (found.quats * splats.quats).sum(-1).abs()
    torch.testing.assert_close(agreement, torch.ones(50))


@pytest.mark.parametrize("degree", [0, 3])
def test_upright_files_look_the_same_to_a_viewer_that_turns_them(tmp_path: Path, degree: int) -> None:
    splats = random_splats(60, 2, degree)
    write_ply(splats, tmp_path / "a.ply")
    as_stored = read_ply(tmp_path / "a.ply", upright=False)
    assert torch.equal(as_stored.means, splats.means * torch.tensor([-1.0, -1, 1]))
    drawn, expected = rasterize(as_stored, camera(up=-1.0)), rasterize(splats, camera(up=1.0))
    torch.testing.assert_close(drawn.color, expected.color, rtol=0, atol=2e-5)


def test_the_layout_is_that_of_3dgs(tmp_path: Path) -> None:
    splats = unit(random_splats(2, 3, degree=1))
    write_ply(splats, tmp_path / "a.ply", upright=False)
    content = (tmp_path / "a.ply").read_bytes()
    header, body = content.split(b"end_header\n", 1)
    lines = header.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "element vertex 2" in lines
    names = [line.split()[2] for line in lines if line.startswith("property float")]
    assert names == (
        "x y z nx ny nz f_dc_0 f_dc_1 f_dc_2".split()
        + [f"f_rest_{i}" for i in range(9)]
        + "opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3".split()
    )
    row = dict(zip(names, struct.unpack("<26f", body[:104]), strict=True))
    assert len(body) == 2 * 104
    assert row["x"] == float(splats.means[0, 0])
    assert row["f_dc_2"] == float(splats.sh[0, 0, 2])
    # Rest: all bands of red, then of green, then of blue.
    assert row["f_rest_1"] == float(splats.sh[0, 2, 0])
    assert row["f_rest_3"] == float(splats.sh[0, 1, 1])
    assert row["rot_0"] == float(splats.quats[0, 0])


def test_other_programs_files_may_have_more_properties_and_another_byte_order(tmp_path: Path) -> None:
    names = "x y z f_dc_0 f_dc_1 f_dc_2 opacity scale_0 scale_1 scale_2 rot_0 rot_1 rot_2 rot_3".split()
    kind = np.dtype([("flags", ">u1"), *((name, ">f8") for name in names)])
    table = np.zeros(3, kind)
    table["y"], table["rot_0"] = [1, 2, 3], 2.0
    header = ["ply", "format binary_big_endian 1.0", "comment x", "element vertex 3", "property uchar flags"]
    header += [f"property double {name}" for name in names] + [
        "element face 0",
        "property list uchar int v",
        "end_header",
    ]
    (tmp_path / "a.ply").write_bytes(("\n".join(header) + "\n").encode() + table.tobytes())
    found = read_ply(tmp_path / "a.ply", upright=False)
    assert found.means[:, 1].tolist() == [1, 2, 3]
    assert found.quats[0].tolist() == [1, 0, 0, 0]
    assert found.sh.shape == (3, 1, 3)


def test_no_splats_make_a_file_too(tmp_path: Path) -> None:
    write_ply(random_splats(0, 0), tmp_path / "a.ply")
    assert len(read_ply(tmp_path / "a.ply")) == 0


def header(*lines: str) -> bytes:
    return ("\n".join(["ply", "format binary_little_endian 1.0", *lines, "end_header"]) + "\n").encode()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no .ply file"),
        (b"hello", "no .ply file"),
        (b"ply\n" + b"comment " + b"x" * 100_000, "no .ply file"),
        (
            b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n",
            "text files are not read",
        ),
        (
            header("element vertex 5", "property float x") + b"1234",
            "cut off: 5 splats need 20 bytes, 4 are there",
        ),
        (header("element vertex 99999999999", "property double x"), "cut off"),
        (header("element vertex 99999999999999999999", "property float x"), "damaged"),
        (header("element vertex -1", "property float x"), "damaged"),
        (header("element vertex 1", "property float x", "property float x"), "damaged"),
        (header("element vertex 1"), "damaged"),
        (header("element vertex 1", "property list uchar int x"), "no number"),
        (header("element vertex 1", "property complex x"), "no number"),
        (header("element chunk 1", "property float x"), "compressed"),
        (header("element vertex 0", "property float x"), "`y` is missing"),
        (
            header("element vertex 0", *(f"property float f_rest_{i}" for i in range(7))),
            "7 properties `f_rest`",
        ),
    ],
)
def test_damaged_and_hostile_files_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.ply").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(BadFileError, match=told):
        read_ply(tmp_path / "a.ply")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@given(st.binary(max_size=60), st.integers(0, 400))
@settings(max_examples=50, deadline=None)
def test_flipped_bytes_give_splats_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "noisy.ply"
    write_ply(random_splats(3, 1), path)
    content = path.read_bytes()
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    try:
        assert isinstance(read_ply(path), Splats)
    except BadFileError:
        pass


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    splats = random_splats(3, 1)
    splats.opacity_logits[1] = torch.nan
    write_ply(splats, tmp_path / "a.ply")
    with pytest.raises(BadFileError, match="`opacity` has values that are not finite"):
        read_ply(tmp_path / "a.ply")


def test_a_missing_file_and_a_folder_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be read"):
        read_ply(tmp_path / "none.ply")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_ply(random_splats(1, 0), tmp_path / "file" / "a.ply")
