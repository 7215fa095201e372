"""Two sheets over the gaps of the mask, a front and a back: a membrane in the middle, inflated.

They hang together at the mask's edge and begin on the body.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage, sparse

from vivant.core.cameras import Cameras
from vivant.lift.gaps import ARM_KIND, CORE_KIND, HEAD_KIND, claim, kinds_of, worth_filling
from vivant.lift.linear import factored
from vivant.lift.nearest import distance_to, nearest_cell
from vivant.lift.posed import Depths, Lens, draw_depths
from vivant.lift.regions import HEAD, Regions
from vivant.lift.sight import Picture, shrink
from vivant.lift.surface import Skin
from vivant.mesh import rasterize_mesh

GRID = 420
"""Pixels that the person's height has at most on the grid the sheets are solved on."""

THICKEST = 0.08
"""Metres from the sheets' middle to either of them, at most."""

ROUNDNESS = 0.8
"""2 inflates a strip to a round rope, less makes it flatter."""


@dataclass(frozen=True)
class Sheets:
    """The two sheets on a grid over the photo."""

    scale: float
    """Grid cells a pixel."""

    empty: Bool[ndarray, "rows columns"]
    """Cells of the mask that the skin leaves empty."""

    middle: Float[ndarray, "rows columns"]
    """Metres from the camera."""

    half: Float[ndarray, "rows columns"]
    """Metres from the middle to either sheet."""

    vertex: Int[ndarray, "rows columns"]
    """The skin's vertex that each cell hangs at."""

    weights: Float[ndarray, "rows columns joints"]


def span_sheets(
    skin: Skin,
    regions: Regions,
    lens: Lens,
    draped: Float[ndarray, "verts 3"],
    picture: Picture,
    hairlike: Bool[ndarray, "height width"],
    skirt: bool,
) -> Sheets | None:
    """Sheets over what the draped skin leaves empty of the mask; None if that is nothing worth while.

    Args:
        skin: The mesh.
        regions: Its parts.
        lens: The photo's camera.
        draped: The skin's vertices in the camera's axes.
        picture: The photo.
        hairlike: Where the photo has the hair's colour.
        skirt: Whether cloth spans both legs; else a piece between them is shared out.
    """
    scale = min(1.0, GRID / picture.size)
    small = _reduced(lens, scale)
    shape = (small.camera.height, small.camera.width)
    solid = shrink(picture.alpha, shape) > 0.5
    near = draw_depths(draped, skin.faces, small)
    corner = np.take_along_axis(skin.faces[near.face], near.barycentric.argmax(2)[..., None], 2)[..., 0]
    part = np.where(near.covered, regions.part[corner], -1)
    free = solid & ~near.covered
    empty, owner = worth_filling(free, part, near.depth, float(solid.sum()))
    if not empty.any():
        return None
    far = _far_depth(draped, skin, small)
    metres = float(np.median(near.depth[near.covered])) / small.focal.mean()
    kind = np.where(near.covered, kinds_of(regions)[corner], -1)
    kind = claim(kind, empty, shrink(hairlike, shape) > 0.5, metres)
    kind = np.where(owner >= 0, owner, kind)
    vertex, weights = _hang(
        kind, near.covered, corner, empty, skin, regions, (0.04 if skirt else 0.01) / metres
    )
    half_body = np.clip((far - near.depth) / 2, 0.0, THICKEST)
    middle, half = _inflate(kind, near, near.depth + half_body, half_body, empty, metres)
    return Sheets(scale, empty, middle, half, vertex, weights)


def _reduced(lens: Lens, scale: float) -> Lens:
    width, height = (max(8, round(side * scale)) for side in (lens.camera.width, lens.camera.height))
    camera = lens.camera.resized(width, height)
    intrinsics = camera.intrinsics[0].double().numpy()
    return Lens(
        camera,
        lens.cam_from_world,
        intrinsics.diagonal()[:2].copy(),
        intrinsics[:2, 2].copy(),
        lens.cam_from_rest,
    )


def _far_depth(draped: ndarray, skin: Skin, lens: Lens) -> ndarray:
    """Depth of the last surface in each pixel: the nearest from behind, by flipping z in pixel space."""
    pixels = lens.pixels(draped)
    farthest = float(draped[:, 2].max()) + 1
    flipped = torch.from_numpy(np.concatenate([pixels, farthest - draped[:, 2:]], 1)).float()
    camera = Cameras(
        torch.eye(4)[None], torch.eye(3)[None], lens.camera.width, lens.camera.height, orthographic=True
    )
    drawn = rasterize_mesh(flipped, torch.from_numpy(skin.faces), camera)
    return np.where(drawn.face[0].numpy() >= 0, farthest - drawn.depth[0].numpy(), 0.0)


def _hang(
    kind: ndarray,
    covered: ndarray,
    corner: ndarray,
    empty: ndarray,
    skin: Skin,
    regions: Regions,
    reach: float,
) -> tuple[ndarray, ndarray]:
    """The skin's vertex that each empty cell hangs at, and skin weights smoothed over `reach` cells."""
    vertex = np.zeros(kind.shape, int)
    for number in (CORE_KIND, HEAD_KIND, ARM_KIND):
        seeds = covered & (kind == number)
        if seeds.any():
            index = nearest_cell(seeds)
            rows = empty & (kind == number)
            vertex[rows] = corner[index[0][rows], index[1][rows]]
    used = np.flatnonzero(skin.weights[np.unique(vertex[empty])].max(0) > 0.01)
    weights = np.zeros((*kind.shape, skin.weights.shape[1]), np.float32)
    for number in (CORE_KIND, ARM_KIND):
        rows = empty & (kind == number)
        if not rows.any():
            continue
        # Cloth that spans both legs must not be torn by either: its weights are smoothed over some centimetres.
        box = 2 * round(reach) + 1
        amount = twice_box(rows.astype(np.float32), box)
        for joint in used:
            plane = np.where(rows, skin.weights[vertex, joint], 0.0)
            weights[rows, joint] = (twice_box(plane, box) / np.maximum(amount, 1e-6))[rows]
    head_joint = skin.weights[regions.part == HEAD].sum(0).argmax()
    weights[empty & (kind == HEAD_KIND), head_joint] = 1.0
    return vertex, weights


def twice_box(plane: Float[ndarray, "rows columns"], box: int) -> Float[ndarray, "rows columns"]:
    """A blur whose cost does not grow with its size."""
    return ndimage.uniform_filter(ndimage.uniform_filter(plane, box, mode="constant"), box, mode="constant")


def _inflate(
    kind: ndarray, near: Depths, body_middle: ndarray, body_half: ndarray, empty: ndarray, metres: float
) -> tuple[ndarray, ndarray]:
    """Middle and half thickness of the sheets: a membrane, and the root of an inflated membrane of squares."""
    reach = max(2, round(0.012 / metres))
    free = empty | (near.covered & (distance_to(empty) <= reach))
    number = np.full(kind.shape, -1)
    number[free] = np.arange(free.sum())
    rows, columns, held, fixed, rim = [], [], [], [], []
    height, width = kind.shape
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        y, x = np.nonzero(free)
        v, u = y + dy, x + dx
        inside = (v >= 0) & (v < height) & (u >= 0) & (u < width)
        y, x, v, u = y[inside], x[inside], v[inside], u[inside]
        # Sheets of an arm and of the rest do not pull on each other.
        bound = (kind[y, x] == ARM_KIND) == (kind[v, u] == ARM_KIND)
        inner = bound & free[v, u]
        rows.append(number[y, x][inner])
        columns.append(number[v, u][inner])
        body = bound & ~free[v, u] & near.covered[v, u]
        held.append(number[y, x][body])
        fixed.append(np.stack([body_middle[v, u][body], body_half[v, u][body] ** 2], 1))
        rim.append(number[y, x][~free[v, u] & ~near.covered[v, u]])
    count = int(free.sum())
    row, column = np.concatenate(rows), np.concatenate(columns)
    links = sparse.coo_matrix((np.ones(len(row)), (row, column)), (count, count)).tocsr()
    at, values, edge = np.concatenate(held), np.concatenate(fixed), np.concatenate(rim)
    touching = np.bincount(at, minlength=count).astype(float)
    degree = np.asarray(links.sum(1)).ravel()
    typical = float(np.median(body_middle[near.covered]))
    matrix = sparse.diags(degree + touching + 1e-6) - links
    middle = factored(matrix).solve(np.bincount(at, values[:, 0], count) + 1e-6 * typical)
    matrix = matrix + sparse.diags(np.bincount(edge, minlength=count).astype(float))
    squares = factored(matrix).solve(np.bincount(at, values[:, 1], count) + ROUNDNESS * metres**2)
    half = np.sqrt(np.clip(squares, 0.004**2, THICKEST**2))
    full_middle, full_half = body_middle.copy(), body_half.copy()
    full_middle[free], full_half[free] = middle, half
    index = nearest_cell(free | near.covered)
    return full_middle[index[0], index[1]], np.where(free | near.covered, full_half, 0.004)
