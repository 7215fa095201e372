"""Checks for values that arrive from outside or leave a step."""

import math

import torch
from torch import Tensor

from vivant.core.errors import BadInputError, NumericalError


def expect(name: str, value: Tensor, *sizes: int | str) -> dict[str, int]:
    """Check a tensor's shape, and return the sizes its named axes took.

    Args:
        name: What the caller calls this tensor; the error repeats it.
        value: The tensor to check.
        sizes: One entry for each axis: an exact size, or a name for any size.

    Raises:
        BadInputError: If the rank or an exact size differs.
    """
    wanted = "(" + ", ".join(map(str, sizes)) + ")"
    fits = value.ndim == len(sizes) and all(
        isinstance(want, str) or want == got for want, got in zip(sizes, value.shape, strict=True)
    )
    if not fits:
        raise BadInputError(f"{name} must have shape {wanted}, got {tuple(value.shape)}.")
    return {s: n for s, n in zip(sizes, value.shape, strict=True) if isinstance(s, str)}


def expect_within(config: object, **ranges: tuple[float | int, float | int]) -> None:
    """Check numbers of a config before the work starts. An infinite bound is open: the number itself is finite.

    Args:
        config: A dataclass; a field that is None is left to whoever fills it in.
        ranges: The smallest and the largest value allowed, by the field's name.

    Raises:
        BadInputError: Naming the first field that is out of range, or no number.
    """
    for name, (least, most) in ranges.items():
        value = getattr(config, name)
        if value is None or (least <= value <= most and math.isfinite(value)):
            continue
        if least == ABOVE_ZERO:
            needed = "more than 0" + ("" if most == math.inf else f", at most {most:g}")
        else:
            needed = f"at least {least:g}" if most == math.inf else f"{least:g} to {most:g}"
        raise BadInputError(f"{type(config).__name__}: `{name}` is {value:g}; {needed} is needed.")


ABOVE_ZERO = math.nextafter(0.0, 1.0)
"""As the smallest value of a range: anything positive."""


def expect_finite(step: str, **tensors: Tensor) -> None:
    """Stop when a step made a NaN or an infinity.

    Raises:
        NumericalError: Naming the step and the first bad tensor.
    """
    for name, value in tensors.items():
        # A finite sum says it in one pass; finite values, too, may add up to infinity.
        if not value.is_floating_point() or bool(torch.isfinite(value.sum())):
            continue
        bad = int((~torch.isfinite(value)).sum())
        if bad:
            raise NumericalError(
                f"{step} made {bad} values of `{name}` that are not finite "
                f"(shape {tuple(value.shape)}). Please report this with the photo's report page."
            )


def expect_counts(record: str, **counts: int) -> None:
    """Check that things which belong together come in equal numbers.

    Raises:
        BadInputError: If they differ; the message names each count.
    """
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{n} {name}" for name, n in counts.items())
        raise BadInputError(f"{record} needs equal counts, got {told}.")
