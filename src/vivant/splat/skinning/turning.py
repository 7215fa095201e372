"""Turn functions on the sphere by turning where they are looked at.

A harmonic series of degree n is known by its values along 2n + 1 directions. The turned series has at a
direction the value that the first one has at the direction turned back; so: evaluate there, and solve for
coefficients.
"""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.splat.harmonics import evaluate_basis

PROBES = ((2, 2, 1), (2, 2, -1), (1, -1, 0), (0, 1, 0), (1, 0, -1), (1, -1, -1), (1, 1, -2))
"""Directions (to be scaled to unit length) whose first 2n + 1 determine degree n well: the condition numbers
are 2.8, 3.4 and 3.1 (searched among small integers)."""


def turn_sh(
    sh: Float[Tensor, "splats bands 3"], turns: Float[Tensor, "splats 3 3"]
) -> Float[Tensor, "splats bands 3"]:
    """Harmonics of splats that turned: they show along `turn @ d` what they showed along `d`."""
    bands = sh.shape[1]
    turned = [sh[:, :1]]
    for first, last, solve in _solvers(bands):
        probes = probe_directions()[: last - first].to(turns)
        seen_from = probes @ turns  # Rows are turned back: (R^T d)^T = d^T R.
        basis = evaluate_basis(seen_from.reshape(-1, 3), bands)[:, first:last]
        values = basis.reshape(len(sh), last - first, last - first) @ sh[:, first:last]
        turned.append(solve.to(sh) @ values)
    return torch.cat(turned, dim=1)


@functools.lru_cache(maxsize=1)
def probe_directions() -> Float[Tensor, "7 3"]:
    """The probes as unit vectors."""
    return torch.nn.functional.normalize(torch.tensor(PROBES, dtype=torch.float64), dim=1)


@functools.lru_cache(maxsize=4)
def _solvers(bands: int) -> tuple[tuple[int, int, Tensor], ...]:
    """For each degree from 1: its first band, its end, and the matrix from values to coefficients."""
    basis = evaluate_basis(probe_directions(), bands)
    ranges = [(n * n, (n + 1) ** 2) for n in (1, 2, 3) if (n + 1) ** 2 <= bands]
    return tuple((a, b, torch.linalg.inv(basis[: b - a, a:b])) for a, b in ranges)
