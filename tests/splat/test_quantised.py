"""`.spz` and `.splat`: read back within their quantisation, small, and hostile files are refused."""

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.splat.scenes import random_splats

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.rotations import normalize_quats
from vivant.records import Splats
from vivant.splat.dotsplat import read_dotsplat, write_dotsplat
from vivant.splat.harmonics import BAND_0
from vivant.splat.ply import read_ply, write_ply
from vivant.splat.spz import color_steps, read_spz, write_spz

FORMATS = {".spz": (write_spz, read_spz), ".splat": (write_dotsplat, read_dotsplat)}


def angles(a: Splats, b: Splats) -> torch.Tensor:
    """Radians between two sets of turns."""
    agreement = (normalize_quats(a.quats) * normalize_quats(b.quats)).sum(-1).abs().clamp(max=1)
    return 2 * agreement.acos()


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("upright", [True, False])
def test_spz_comes_back_within_its_steps(tmp_path: Path, degree: int, upright: bool) -> None:
    splats = random_splats(300, 1, degree)
    splats.sh[:, 1:] *= 0.2
    write_spz(splats, tmp_path / "a.spz", upright=upright)
    found = read_spz(tmp_path / "a.spz", upright=upright)
    torch.testing.assert_close(found.means, splats.means, rtol=0, atol=0.51 / 4096)
    torch.testing.assert_close(found.log_scales, splats.log_scales, rtol=0, atol=0.51 / 16)
    torch.testing.assert_close(found.opacities, splats.opacities, rtol=0, atol=0.51 / 255)
    torch.testing.assert_close(found.sh[:, 1:], splats.sh[:, 1:], rtol=0, atol=0.51 / 128)
    base = splats.sh[:, 0].clamp(-3.3, 3.3)
    torch.testing.assert_close(found.sh[:, 0] * BAND_0, base * BAND_0, rtol=0, atol=0.51 * color_steps())
    # The fourth part of a quaternion is worked out from three bytes, and is coarse near 0.
    assert float(angles(found, splats).max()) < 0.2
    assert float(angles(found, splats).median()) < 0.02


def test_dotsplat_comes_back_within_its_steps_in_order_of_weight(tmp_path: Path) -> None:
    splats = random_splats(300, 2)
    write_dotsplat(splats, tmp_path / "a.splat")
    found = read_dotsplat(tmp_path / "a.splat")
    nearest = torch.cdist(splats.means, found.means).argmin(1)
    weight = (splats.scales.prod(1) * splats.opacities)[nearest.argsort()]
    assert bool((weight[1:] <= weight[:-1] * 1.0001).all())
    assert torch.equal(found.means[nearest], splats.means)
    torch.testing.assert_close(found.log_scales[nearest], splats.log_scales, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.opacities[nearest], splats.opacities, rtol=0, atol=0.51 / 255)
    colors = (0.5 + BAND_0 * splats.sh[:, 0]).clamp(0, 1)
    torch.testing.assert_close(0.5 + BAND_0 * found.sh[nearest, 0], colors, rtol=0, atol=0.51 / 255)
    turned = Splats(*(getattr(found, name)[nearest] for name in Splats.__dataclass_fields__))
    assert float(angles(turned, splats).max()) < 0.02


def test_sizes_stand_beside_ply(tmp_path: Path) -> None:
    splats = random_splats(4000, 3)
    sizes = {}
    for suffix, write in ((".ply", write_ply), (".spz", write_spz), (".splat", write_dotsplat)):
        write(splats, tmp_path / f"a{suffix}")
        sizes[suffix] = (tmp_path / f"a{suffix}").stat().st_size
    assert sizes[".splat"] == 32 * 4000
    assert sizes[".spz"] < sizes[".ply"] / 3.5


def test_padded_ply_has_all_harmonics_and_shows_the_same(tmp_path: Path) -> None:
    splats = random_splats(9, 4, degree=1)
    write_ply(splats, tmp_path / "a.ply", pad_sh3=True)
    found = read_ply(tmp_path / "a.ply")
    assert found.sh.shape == (9, 16, 3)
    assert torch.equal(found.sh[:, :4], splats.sh)
    assert float(found.sh[:, 4:].abs().max()) == 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_splats_make_a_file_too(tmp_path: Path, suffix: str) -> None:
    write, read = FORMATS[suffix]
    write(random_splats(0, 0), tmp_path / f"a{suffix}")
    assert len(read(tmp_path / f"a{suffix}")) == 0


def test_splats_far_away_are_refused_by_spz(tmp_path: Path) -> None:
    splats = random_splats(3, 1)
    splats.means[1, 0] = 2048.0
    with pytest.raises(BadInputError, match=r"within 2048 m.*\.ply"):
        write_spz(splats, tmp_path / "a.spz")
    assert list(tmp_path.iterdir()) == []


def spz(count: int, version: int = 2, degree: int = 0, bits: int = 12, body: bytes = b"") -> bytes:
    return gzip.compress(struct.pack("<3I4B", 0x5053474E, version, count, degree, bits, 0, 0) + body)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no .spz file, or is cut off"),
        (b"hello there, this is no gzip", "no .spz file, or is damaged"),
        (gzip.compress(b"NGSP"), "no .spz file, or is cut off"),
        (gzip.compress(b"x" * 16), "no .spz file"),
        (spz(1, version=3, body=b"x" * 40), "version 3"),
        (spz(1, degree=4), "degree 4"),
        (spz(1, bits=200), "200 bits"),
        (spz(4_000_000_000), "cannot hold them"),
        (spz(9_999_999), "cannot hold them"),
        (spz(2, body=b"x" * 37), "2 splats need 38 bytes, 37 are there"),
        (spz(2, body=b"x" * 38)[:-12], "cut off"),
        # A bomb: 50 MB of zeros in 50 kB, of which a header claims little.
        (spz(1, body=b"") + gzip.compress(b"\0" * 50_000_000), "1 splats need 19 bytes, 0 are there"),
    ],
    # gzip writes the time into its bytes, and names of tests shall be the same everywhere.
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_damaged_and_hostile_spz_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.spz").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(BadFileError, match=told):
        read_spz(tmp_path / "a.spz")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def row(**changed: object) -> bytes:
    values = {"means": (0, 0, 0), "scales": (1, 1, 1), "rgba": (9, 9, 9, 9), "quats": (255, 128, 128, 128)}
    m, s, c, q = {**values, **changed}.values()
    return struct.pack("<6f8B", *m, *s, *c, *q)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (row()[:31], "no multiple of 32"),
        (row(means=(0, float("nan"), 0)), "no possible numbers"),
        (row(scales=(0, float("inf"), 0)), "no possible numbers"),
        (row(scales=(0, -1, 0)), "no possible numbers"),
        (row(quats=(128, 128, 128, 128)), "no length"),
    ],
)
def test_damaged_and_hostile_dotsplat_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.splat").write_bytes(content)
    with pytest.raises(BadFileError, match=told):
        read_dotsplat(tmp_path / "a.splat")


@pytest.mark.parametrize("suffix", FORMATS)
@given(noise=st.binary(max_size=60), at=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_flipped_bytes_give_splats_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, noise: bytes, at: int
) -> None:
    write, read = FORMATS[suffix]
    path = tmp_path_factory.getbasetemp() / f"noisy{suffix}"
    write(random_splats(6, 1), path)
    content = path.read_bytes()
    content = gzip.decompress(content) if suffix == ".spz" else content
    content = content[:at] + noise + content[at + len(noise) :]
    path.write_bytes(gzip.compress(content) if suffix == ".spz" else content)
    _expect_numbers_or_error(read, path)


@given(content=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_splats_or_our_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for suffix, (_, read) in FORMATS.items():
        path = tmp_path_factory.getbasetemp() / f"any{suffix}"
        path.write_bytes(content)
        _expect_numbers_or_error(read, path)


def _expect_numbers_or_error(read: Callable[..., Splats], path: Path) -> None:
    try:
        found = read(path)
    except BadFileError:
        return
    for name in Splats.__dataclass_fields__:
        assert np.isfinite(getattr(found, name).numpy()).all()
