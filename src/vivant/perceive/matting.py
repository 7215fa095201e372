"""How much of each pixel is the person: closed-form matting (Levin, Lischinski, Weiss, PAMI 2008).

In every 3 x 3 window alpha is taken for a linear function of colour, which makes a quadratic energy; it is
solved by conjugate gradients, for the unknown pixels only.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage, sparse
from scipy.sparse import linalg

WINDOW = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
"""A window's pixels, from its centre."""

STENCIL = tuple((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3))
"""Pixels that share a window with the one in the middle."""


def solve_alpha(
    image: Float[np.ndarray, "height width 3"],
    alpha: Float[np.ndarray, "height width"],
    unknown: Bool[np.ndarray, "height width"],
    weight: Float[np.ndarray, "height width"],
    *,
    smoothness: float,
    tolerance: float,
    max_steps: int = 300,
) -> Float[np.ndarray, "height width"]:
    """Solve for alpha where it is unknown.

    Args:
        image: sRGB, 0 to 1.
        alpha: What is known; where unknown, a first guess, which is also pulled towards.
        unknown: Where to solve.
        weight: How strongly unknown pixels are pulled towards the guess; 0 leaves all to the colours.
        smoothness: Variance of colour below which a window counts as even.
        tolerance: Relative residual at which to stop.
        max_steps: At most so many steps.
    """
    if not unknown.any():
        return alpha
    laplacian, index = _laplacian(image, unknown, smoothness)
    pixels = np.flatnonzero(unknown)
    # Neighbours that are known move to the right-hand side.
    known = np.where(unknown, 0.0, alpha).ravel()
    pull = weight.ravel()[pixels] + 1e-6
    guess = alpha.ravel()[pixels].astype(np.float64)
    right = pull * guess - laplacian @ known
    matrix = laplacian[:, pixels] + sparse.diags(pull)
    jacobi = sparse.diags(1 / matrix.diagonal())
    solved, _ = linalg.cg(matrix, right, x0=guess, rtol=tolerance, maxiter=max_steps, M=jacobi)
    result = alpha.copy()
    result[unknown] = solved.clip(0, 1)[index[unknown]]
    return result


def _laplacian(
    image: Float[np.ndarray, "height width 3"], unknown: Bool[np.ndarray, "height width"], smoothness: float
) -> tuple[sparse.csr_matrix, Int[np.ndarray, "height width"]]:
    """The matting Laplacian's rows of the unknown pixels, and which row is whose."""
    height, width = unknown.shape
    centers = ndimage.binary_dilation(unknown, np.ones((3, 3)))
    centers[[0, -1], :] = centers[:, [0, -1]] = False
    rows, columns = np.nonzero(centers)
    flat = rows * width + columns
    window = np.array([dy * width + dx for dy, dx in WINDOW])
    colors = image.reshape(-1, 3).astype(np.float64)[flat[:, None] + window]
    apart = colors - colors.mean(1, keepdims=True)
    covariance = apart.transpose(0, 2, 1) @ apart / 9 + smoothness / 9 * np.eye(3)
    affinity = (1 + apart @ _inverse(covariance) @ apart.transpose(0, 2, 1)) / 9
    affinity = np.ascontiguousarray(affinity.transpose(1, 2, 0))

    index = np.full((height, width), -1)
    index[unknown] = np.arange(np.count_nonzero(unknown))
    count, side = np.count_nonzero(unknown), len(STENCIL)
    # Row by row, one slot for each neighbour; a window adds to nine pixels, each at most once, so plain
    # indexed addition is safe.
    values = np.zeros((count + 1) * side)
    place = {step: slot for slot, step in enumerate(STENCIL)}
    flat_index = index.ravel()
    for a, (ay, ax) in enumerate(WINDOW):
        # Pixels that are known have the number -1, which is the last row.
        row = flat_index[flat + window[a]] % (count + 1) * side
        for b, (by, bx) in enumerate(WINDOW):
            values[row + place[(by - ay, bx - ax)]] += (1.0 if a == b else 0.0) - affinity[a, b]
    pixels = np.flatnonzero(unknown)
    neighbours = pixels[:, None] + np.array([dy * width + dx for dy, dx in STENCIL])
    values = values.reshape(-1, side)[:count]
    # Slots that would lie outside the picture hold zero; any legal column serves.
    neighbours = np.where(values != 0, neighbours, pixels[:, None])
    starts = np.arange(0, count * side + 1, side)
    matrix = sparse.csr_matrix((values.ravel(), neighbours.ravel(), starts), (count, height * width))
    return matrix, index


def _inverse(matrices: Float[np.ndarray, "windows 3 3"]) -> Float[np.ndarray, "windows 3 3"]:
    """Inverses of symmetric matrices: cross products of their rows, over the determinant."""
    first, second, third = matrices.transpose(1, 0, 2)
    rows = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=1)
    return rows / (rows[:, 0] * first).sum(1)[:, None, None]
