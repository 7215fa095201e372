"""Splats as `.spz` files of version 2: 19 bytes a splat, then gzip (nianticlabs/spz, MIT).

Version 2 is what every reader knows; version 3 only stores rotations more finely.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.rotations import normalize_quats
from vivant.core.store import read_whole, writing
from vivant.records import Splats
from vivant.splat.harmonics import BAND_0, BAND_COUNTS
from vivant.splat.upright import turn_half

MAGIC, VERSION = 0x5053474E, 2
HEADER = struct.Struct("<3I4B")

MOST_SPLATS = 10_000_000
"""As the format's own reader has it."""

LARGEST_FILE = 1024**3
"""Bytes."""

FRACTION_BITS = 12
"""Places are whole numbers of 1/4096 m, up to 2 km away."""

COLOR_SCALE = 0.15
"""Band 0 between about -3.3 and 3.3 fills a byte."""

EDGE = 0.25 / 255
"""Opacities of 0 and 1 have no finite logit; they are read as a quarter of a step inside."""


def write_spz(splats: Splats, path: Path | str, *, upright: bool = True) -> None:
    """Write splats, quantised: places to 0.2 mm, scales to 3 %, colours and opacities to a byte.

    Args:
        splats: In world axes, y up.
        path: The file.
        upright: Turn by 180 degrees about z, as `write_ply` does.

    Raises:
        BadInputError: If a splat lies farther away than the format can say, or there are too many.
        OutputError: If the file cannot be written.
    """
    splats = turn_half(splats) if upright else splats
    count, bands = splats.sh.shape[:2]
    places = torch.round(splats.means.detach().cpu().double() * 2**FRACTION_BITS)
    if count > MOST_SPLATS or (count and float(places.abs().max()) >= 2**23):
        raise BadInputError(
            f"{count} splats of {path} cannot be written as .spz: at most {MOST_SPLATS} within "
            f"{2 ** (23 - FRACTION_BITS)} m are possible. Write .ply instead."
        )
    quats = normalize_quats(splats.quats.detach().cpu())
    quats = torch.where(quats[:, :1] < 0, -quats, quats)
    parts = [
        places.to(torch.int32).numpy().astype("<i4").view(np.uint8).reshape(count, 3, 4)[:, :, :3],
        _bytes(splats.opacities * 255),
        _bytes((splats.sh[:, 0] * COLOR_SCALE + 0.5) * 255),
        _bytes((splats.log_scales + 10) * 16),
        _bytes(quats[:, 1:] * 127.5 + 127.5),
        _bytes(splats.sh[:, 1:] * 128 + 128),
    ]
    header = HEADER.pack(MAGIC, VERSION, count, BAND_COUNTS.index(bands), FRACTION_BITS, 0, 0)
    content = gzip.compress(header + b"".join(part.tobytes() for part in parts), 9, mtime=0)
    with writing(Path(path)) as temporary:
        temporary.write_bytes(content)


def read_spz(path: Path | str, *, upright: bool = True) -> Splats:
    """Read splats of version 2.

    Args:
        path: A file of this or any other program.
        upright: Undo the turn with which `write_spz` makes viewers show people standing.

    Raises:
        BadFileError: If the file is missing, damaged, hostile, or of another version.
    """
    path = Path(path)
    content, count, bands, fraction_bits = _unpacked(path)
    widths = {"places": 9, "alphas": 1, "colors": 3, "scales": 3, "turns": 3, "sh": 3 * (bands - 1)}
    ends = np.cumsum([count * width for width in widths.values()])
    pieces = np.split(np.frombuffer(content, np.uint8), ends)
    part = {name: pieces[i].reshape(count, width) for i, (name, width) in enumerate(widths.items())}

    # A fourth byte below the other three; shifting back spreads the sign.
    wide = np.pad(part["places"].reshape(count, 3, 3), ((0, 0), (0, 0), (1, 0)))
    places = np.ascontiguousarray(wide).view("<i4")[..., 0] >> 8
    axis = torch.from_numpy(part["turns"].astype(np.float32)) / 127.5 - 1
    real = (1 - axis.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    alphas = torch.from_numpy(part["alphas"].astype(np.float32))[:, 0] / 255
    base = (torch.from_numpy(part["colors"].astype(np.float32)) / 255 - 0.5) / COLOR_SCALE
    higher = (torch.from_numpy(part["sh"].astype(np.float32)).reshape(count, bands - 1, 3) - 128) / 128
    splats = Splats(
        torch.from_numpy(places / 2.0**fraction_bits).float(),
        normalize_quats(torch.cat([real, axis], dim=1)),
        torch.from_numpy(part["scales"].astype(np.float32)) / 16 - 10,
        alphas.clamp(EDGE, 1 - EDGE).logit(),
        torch.cat([base[:, None], higher], dim=1),
    )
    return turn_half(splats) if upright else splats


def color_steps() -> float:
    """How much of a colour (0 to 1) one step of the format is."""
    return BAND_0 / COLOR_SCALE / 255


def _bytes(values: Float[torch.Tensor, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return values.detach().cpu().round().clamp(0, 255).to(torch.uint8).numpy()


def _unpacked(path: Path) -> tuple[bytes, int, int, int]:
    """All bytes behind the header, and from the header: splats, bands, bits behind the point.

    Nothing is allocated that the file's own size does not cover: deflate packs at most 1,032 to 1.
    """
    packed = read_whole(path, LARGEST_FILE)
    size = len(packed)
    unzip = zlib.decompressobj(wbits=31)
    try:
        head = unzip.decompress(packed, HEADER.size)
        if len(head) < HEADER.size or HEADER.unpack(head)[0] != MAGIC:
            raise BadFileError(f"{path} is no .spz file, or is cut off.")
        _, version, count, degree, fraction_bits, _, _ = HEADER.unpack(head)
        if version != VERSION:
            raise BadFileError(f"{path} is .spz of version {version}; version {VERSION} is read.")
        if degree >= len(BAND_COUNTS) or fraction_bits > 24:
            raise BadFileError(f"{path} is damaged: degree {degree} or {fraction_bits} bits are not possible.")
        bands = BAND_COUNTS[degree]
        needed = count * (19 + 3 * (bands - 1))
        if count > MOST_SPLATS or needed > 1032 * size:
            raise BadFileError(f"{path} announces {count} splats; its {size} bytes cannot hold them.")
        content = unzip.decompress(unzip.unconsumed_tail, needed) if needed else b""
    except zlib.error as error:
        raise BadFileError(f"{path} is no .spz file, or is damaged ({error}).") from error
    if len(content) < needed:
        raise BadFileError(f"{path} is cut off: {count} splats need {needed} bytes, {len(content)} are there.")
    return content, count, bands, fraction_bits
