"""Solve large sparse systems whose matrix is symmetric and positive definite."""

from typing import Any

from scipy import sparse
from scipy.sparse import linalg


def factored(matrix: sparse.spmatrix) -> Any:
    """Factor a matrix; the result has `solve`."""
    return linalg.splu(
        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0
    )
