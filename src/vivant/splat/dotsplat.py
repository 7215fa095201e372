"""Splats as `.splat` files: 32 bytes each, the layout of antimatter15's viewer (antimatter15/splat, MIT).

Centre and scales as float32, colour with opacity and the quaternion as bytes. Highlights are lost.
"""

from pathlib import Path

import numpy as np
import torch

from vivant.core.errors import BadFileError
from vivant.core.images import to_bytes, to_float
from vivant.core.rotations import normalize_quats
from vivant.core.store import writing
from vivant.records import Splats
from vivant.splat.harmonics import BAND_0, sh_from_colors
from vivant.splat.upright import turn_half

ROW = np.dtype([("means", "<f4", 3), ("scales", "<f4", 3), ("rgba", "u1", 4), ("quats", "u1", 4)])

MOST_SPLATS = 30_000_000
"""About 1 GB."""

EDGE = 0.25 / 255
"""Opacities of 0 and 1 have no finite logit; they are read as a quarter of a step inside."""


def write_dotsplat(splats: Splats, path: Path | str, *, upright: bool = True) -> None:
    """Write splats, those that show most first, as such files are shown while they load.

    Args:
        splats: In world axes, y up.
        path: The file.
        upright: Turn by 180 degrees about z, as `write_ply` does.

    Raises:
        OutputError: If the file cannot be written.
    """
    splats = turn_half(splats) if upright else splats
    order = (splats.log_scales.sum(1).exp() * splats.opacities).argsort(descending=True, stable=True).cpu()
    table = np.zeros(len(splats), ROW)
    table["means"] = splats.means.detach().cpu()[order].numpy()
    table["scales"] = splats.scales.detach().cpu()[order].numpy()
    colors = 0.5 + BAND_0 * splats.sh[:, 0]
    table["rgba"] = to_bytes(torch.cat([colors, splats.opacities[:, None]], dim=1)[order])
    quats = normalize_quats(splats.quats.detach().cpu()[order])
    table["quats"] = (quats * 128 + 128).round().clamp(0, 255).to(torch.uint8).numpy()
    with writing(Path(path)) as temporary:
        temporary.write_bytes(table.tobytes())


def read_dotsplat(path: Path | str, *, upright: bool = True) -> Splats:
    """Read splats.

    Args:
        path: A file of this or any other program.
        upright: Undo the turn with which `write_dotsplat` makes viewers show people standing.

    Raises:
        BadFileError: If the file is missing, damaged or hostile.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size % ROW.itemsize or size > MOST_SPLATS * ROW.itemsize:
            raise BadFileError(
                f"{path} has {size} bytes, no multiple of {ROW.itemsize} up to {MOST_SPLATS} splats: "
                "it is cut off, or no .splat file."
            )
        table = np.fromfile(path, ROW)
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror or error}.") from error
    means, scales = torch.from_numpy(table["means"].copy()), torch.from_numpy(table["scales"].copy())
    if not bool(torch.isfinite(means).all() and torch.isfinite(scales).all()) or bool((scales < 0).any()):
        raise BadFileError(f"{path} is damaged or no .splat file: places or scales are no possible numbers.")
    quats = torch.from_numpy(table["quats"].astype(np.float32)) / 128 - 1
    if bool((quats == 0).all(1).any()):
        raise BadFileError(f"{path} is damaged or no .splat file: a splat's turn has no length.")
    rgba = to_float(table["rgba"].copy())
    splats = Splats(
        means,
        normalize_quats(quats),
        # A scale of 0 is a needle or a disc; the smallest number that has a logarithm draws the same.
        scales.clamp(min=1e-9).log(),
        rgba[:, 3].clamp(EDGE, 1 - EDGE).logit(),
        sh_from_colors(rgba[:, :3]),
    )
    return turn_half(splats) if upright else splats
