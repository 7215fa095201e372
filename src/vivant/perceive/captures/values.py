"""Values out of strangers' files, checked one by one; errors name file and picture."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadFileError
from vivant.core.store import expect_file, read_whole

MOST_BYTES = 64 * 1024**2
"""Cameras of 100,000 pictures take less."""

MOST_SIDE = 100_000
"""Pixels."""

SKEWED = 2e-3
"""By how much a rotation's columns may miss being unit and upright to each other."""


def read_text(path: Path) -> str:
    """Read a text file.

    Raises:
        BadFileError: If it is missing, too large, or no text.
    """
    expect_file(path)
    try:
        return read_whole(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFileError(f"{path} is no text file ({error.reason}). Give the text form.") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        BadFileError: If the file is missing, too large, or no JSON object.
    """
    try:
        found = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadFileError(f"{path} is no JSON: {error}. Write it anew.") from error
    if not isinstance(found, dict):
        raise BadFileError(f"{path} holds a {type(found).__name__}; a JSON object is needed.")
    return found


def number(value: object, what: str, where: str) -> float:
    """Check a number.

    Raises:
        BadFileError: If it is none, or not finite.
    """
    told = isinstance(value, (int, float)) and not isinstance(value, bool)
    try:
        found = float(value) if told else math.nan  # pyright: ignore[reportArgumentType]
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise BadFileError(f"{where}: `{what}` is {_short(value)}; a finite number is needed.")
    return found


def above_zero(value: object, what: str, where: str) -> float:
    """Check a number that must be positive.

    Raises:
        BadFileError: If it is not.
    """
    found = number(value, what, where)
    if found <= 0:
        raise BadFileError(f"{where}: `{what}` is {found:g}; a number above 0 is needed.")
    return found


def side(value: object, what: str, where: str) -> int:
    """Check the width or height of a picture.

    Raises:
        BadFileError: If it is no whole number that a picture can have.
    """
    found = number(value, what, where)
    if found != round(found) or not 1 <= found <= MOST_SIDE:
        raise BadFileError(f"{where}: `{what}` is {found:g}; a whole number of pixels is needed.")
    return int(found)


def matrix(value: object, rows: tuple[int, ...], columns: int, what: str, where: str) -> Float[Tensor, "r c"]:
    """Check a matrix, told as a list of rows.

    Args:
        value: From the file.
        rows: How many it may have.
        columns: How many each has.
        what: The matrix's name in the file.
        where: File and picture.

    Raises:
        BadFileError: If its size differs, or an entry is no number.
    """
    told = value if isinstance(value, list) else []
    if len(told) not in rows or not all(isinstance(row, list) and len(row) == columns for row in told):
        wanted = " or ".join(f"{count} x {columns}" for count in rows)
        raise BadFileError(f"{where}: `{what}` is {_short(value)}; a matrix of {wanted} numbers is needed.")
    return torch.tensor([[number(entry, what, where) for entry in row] for row in told], dtype=torch.float64)


def rigid(found: Float[Tensor, "rows 4"], what: str, where: str) -> Float[Tensor, "4 4"]:
    """Check that a matrix turns and moves, and does nothing else; what rounding did to it is mended.

    Raises:
        BadFileError: If it stretches, skews or mirrors.
    """
    turn = found[:3, :3]
    off = float((turn @ turn.T - torch.eye(3).double()).abs().max())
    if off > SKEWED:
        raise BadFileError(
            f"{where}: `{what}` is no rotation with a shift: its rotation is off by {off:.2g}. "
            "Scaled, skewed or projective matrices cannot be used; give where the camera stands and looks."
        )
    if float(torch.det(turn)) < 0:
        raise BadFileError(f"{where}: `{what}` mirrors. Give a rotation, whose determinant is +1.")
    left, _, right = torch.linalg.svd(turn)
    whole = torch.eye(4).double()
    whole[:3, :3], whole[:3, 3] = left @ right, found[:3, 3]
    return whole


def _short(value: object) -> str:
    told = repr(value)
    return told if len(told) <= 60 else f"{told[:57]}..."
