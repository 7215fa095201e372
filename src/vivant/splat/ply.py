"""Splats as `.ply` files, as 3DGS wrote them first and every viewer reads them."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vivant.core.errors import BadFileError
from vivant.core.rotations import normalize_quats
from vivant.core.store import writing
from vivant.records import Splats
from vivant.splat.harmonics import BAND_COUNTS
from vivant.splat.upright import turn_half

LONGEST_HEADER = 64 * 1024
"""Bytes. Known files have 2,000."""

KINDS = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}


def write_ply(splats: Splats, path: Path | str, *, upright: bool = True, pad_sh3: bool = False) -> None:
    """Write splats in the binary layout of 3DGS, all properties float32.

    Args:
        splats: In world axes, y up.
        path: Written under another name first, so there is never half a file.
        upright: Turn by 180 degrees about z, so that viewers show the person standing.
        pad_sh3: Write all 16 bands of harmonics, zeros where there are fewer: some importers read no others.

    Raises:
        OutputError: If the file cannot be written.
    """
    splats = turn_half(splats) if upright else splats
    count = len(splats)
    missing = BAND_COUNTS[-1] - splats.sh.shape[1] if pad_sh3 else 0
    sh = torch.nn.functional.pad(splats.sh, (0, 0, 0, missing))
    bands = sh.shape[1]
    rest = sh[:, 1:].transpose(1, 2).reshape(count, 3 * (bands - 1))
    columns = [
        splats.means, torch.zeros_like(splats.means), sh[:, 0], rest,
        splats.opacity_logits[:, None], splats.log_scales, splats.quats,
    ]  # fmt: skip
    table = torch.cat([column.detach().cpu().float() for column in columns], dim=1).numpy()
    header = ["ply", "format binary_little_endian 1.0", "comment made by vivant", f"element vertex {count}"]
    header += [f"property float {name}" for name in _names(bands)]
    with writing(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(("\n".join([*header, "end_header"]) + "\n").encode("ascii"))
        file.write(table.astype("<f4").tobytes())


def read_ply(path: Path | str, *, upright: bool = True) -> Splats:
    """Read splats; properties that are not of splats are passed over.

    Args:
        path: A file of this or any other program.
        upright: Undo the turn with which `write_ply` makes viewers show people standing.

    Raises:
        BadFileError: If the file is missing, damaged, hostile, or holds no splats.
    """
    path = Path(path)
    table = _read_table(path)
    named = set(table.dtype.names or ())
    rest = sum(name.startswith("f_rest_") for name in named)
    bands = 1 + rest // 3
    if rest % 3 or bands not in BAND_COUNTS:
        raise BadFileError(f"{path} has {rest} properties `f_rest`; 0, 9, 24 or 45 are possible.")
    missing = [name for name in _names(bands) if name not in named and name not in ("nx", "ny", "nz")]
    if missing:
        raise BadFileError(
            f"{path} holds no splats: the property `{missing[0]}` is missing. "
            "Export it as an uncompressed .ply of 3DGS."
        )

    def column(*names: str) -> Tensor:
        values = np.stack([table[name].astype(np.float32) for name in names], axis=1)
        if not np.isfinite(values).all():
            raise BadFileError(f"{path} is damaged: `{names[0]}` has values that are not finite.")
        return torch.from_numpy(values)

    flat = [column(f"f_rest_{i}") for i in range(rest)]
    higher = (
        torch.cat(flat, dim=1).reshape(len(table), 3, bands - 1).transpose(1, 2)
        if flat
        else torch.zeros(len(table), 0, 3)
    )
    splats = Splats(
        column("x", "y", "z"),
        normalize_quats(column("rot_0", "rot_1", "rot_2", "rot_3")),
        column("scale_0", "scale_1", "scale_2"),
        column("opacity")[:, 0],
        torch.cat([column("f_dc_0", "f_dc_1", "f_dc_2")[:, None], higher], dim=1),
    )
    return turn_half(splats) if upright else splats


def _names(bands: int) -> list[str]:
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(3 * (bands - 1))]
    return [*names, "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


def _read_table(path: Path) -> np.ndarray:
    """One record a splat. Nothing is allocated that the file's own size does not cover."""
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_HEADER)
            count, kind, begin = _read_header(path, start)
            size = file.seek(0, os.SEEK_END)
            if size - begin < count * kind.itemsize:
                needed = count * kind.itemsize
                raise BadFileError(
                    f"{path} is cut off: {count} splats need {needed} bytes, {size - begin} are there."
                )
            file.seek(begin)
            return np.fromfile(file, kind, count)
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def _read_header(path: Path, start: bytes) -> tuple[int, np.dtype, int]:
    """Number of splats, layout of one, and where they begin."""
    end = start.find(b"end_header")
    newline = start.find(b"\n", end)
    if not start.startswith(b"ply") or end < 0 or newline < 0:
        raise BadFileError(f"{path} is no .ply file, or its header is longer than {LONGEST_HEADER} bytes.")
    order, count, fields, element = "", -1, [], ""
    for words in (line.split() for line in start[:end].decode("ascii", "replace").splitlines()[1:]):
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format" and len(words) == 3:
            order = ORDERS.get(words[1], "")
        elif words[0] == "element" and len(words) == 3:
            if not element and words[1] != "vertex":
                raise BadFileError(
                    f"{path} begins with `{words[1]}`, not with splats; compressed .ply is not read."
                )
            element = words[1]
            if element == "vertex":
                count = int(words[2]) if words[2].isdecimal() and len(words[2]) < 12 else -1
        elif words[0] == "property" and element == "vertex":
            if len(words) != 3 or words[1] not in KINDS:
                raise BadFileError(f"{path} has a property that is no number: {' '.join(words)[:80]!r}.")
            fields.append((words[2], KINDS[words[1]]))
    if not order:
        raise BadFileError(f"{path} is no binary .ply file; text files are not read.")
    names = [name for name, _ in fields]
    if count < 0 or not fields or len(set(names)) < len(names):
        raise BadFileError(
            f"{path} is damaged: its header does not say plainly how many splats of which layout."
        )
    return count, np.dtype([(name, order + kind) for name, kind in fields]), newline + 1
