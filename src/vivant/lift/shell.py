"""What stands off the body even when it is draped: long hair, hats, hems, skirts, things held.

The mask's pixels that the draped skin leaves empty are filled with splats on two sheets, a front and a back.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from vivant.lift.nearest import nearest_cell
from vivant.lift.posed import Lens
from vivant.lift.sheets import Sheets, twice_box
from vivant.lift.sight import Picture, lookup, shrink


@dataclass(frozen=True)
class Shell:
    """Splat places on both sheets, in the camera's axes."""

    points: Float[ndarray, "points 3"]
    normals: Float[ndarray, "points 3"]
    front: Bool[ndarray, " points"]
    vertex: Int[ndarray, " points"]
    """The skin's vertex that each hangs at."""

    weights: Float[ndarray, "points joints"]
    spacing: Float[ndarray, " points"]
    """Metres to the neighbours."""

    depth: Float[ndarray, "height width"]
    """Of the front sheet in the photo's pixels; 0 where there is none."""

    def __len__(self) -> int:
        return len(self.points)


def build_shell(
    sheets: Sheets, lens: Lens, picture: Picture, budget: int, random: np.random.Generator
) -> Shell:
    """Places on both sheets; the back, which nobody saw, has fewer.

    Args:
        sheets: Over what the draped skin leaves empty of the mask.
        lens: The photo's camera.
        picture: The photo.
        budget: Splats at most.
        random: Dice.
    """
    area = sheets.empty.sum() / sheets.scale**2
    pitch = max(1.0, float(np.sqrt(area * 1.5 / max(budget, 1))))
    height, width = picture.alpha.shape
    filled = ndimage.binary_dilation(sheets.empty, iterations=1).astype(float)
    parts = []
    for sign, step in ((-1.0, pitch), (1.0, 1.42 * pitch)):
        x, y = np.meshgrid(np.arange(0.5 * step, width, step), np.arange(0.5 * step, height, step))
        pixels = np.stack([x.ravel(), y.ravel()], 1)
        pixels = pixels + random.uniform(-0.25, 0.25, pixels.shape) * step
        kept = (lookup(filled, pixels * sheets.scale) > 0.5) & (lookup(picture.alpha, pixels) > 0.5)
        parts.append(_on_sheet(sheets, sign, step, pixels[kept], lens))
    points, normals, spacing, cells = (np.concatenate(column) for column in zip(*parts, strict=True))
    front = np.arange(len(points)) < len(parts[0][0])
    index = nearest_cell(sheets.empty)
    row, column = index[0][cells[:, 0], cells[:, 1]], index[1][cells[:, 0], cells[:, 1]]
    depth = np.where(sheets.empty, sheets.middle - sheets.half, 0.0)
    rows = np.clip((np.arange(height) + 0.5) * sheets.scale, 0, depth.shape[0] - 1).astype(int)
    columns = np.clip((np.arange(width) + 0.5) * sheets.scale, 0, depth.shape[1] - 1).astype(int)
    return Shell(
        points=points,
        normals=normals,
        front=front,
        vertex=sheets.vertex[row, column],
        weights=sheets.weights[row, column],
        spacing=spacing,
        depth=depth[rows][:, columns],
    )


def _on_sheet(
    sheets: Sheets, sign: float, step: float, pixels: ndarray, lens: Lens
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Points, normals, spacing and grid cells of places on one sheet: sign -1 is the front."""
    cells = np.floor(pixels * sheets.scale).astype(int)[:, ::-1]
    cells = np.clip(cells, 0, np.array(sheets.empty.shape) - 1)
    surface = sheets.middle + sign * sheets.half
    depth = lookup(surface, pixels * sheets.scale)
    points = lens.unproject(pixels, depth)
    cell = depth / lens.focal.mean() / sheets.scale
    slope_y, slope_x = (
        lookup(slope, pixels * sheets.scale) for slope in np.gradient(ndimage.gaussian_filter(surface, 1.0))
    )
    normals = np.stack([slope_x, slope_y, -cell], 1) * -sign
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    straight = np.clip(np.abs(normals[:, 2]), 0.4, 1.0)
    return points, normals, step * depth / lens.focal.mean() / straight, cells


def plain_colors(
    shell: Shell, pixels: Float[ndarray, "points 2"], picture: Picture
) -> Float[ndarray, "points 3"]:
    """The sheets' colours without detail: for the back, and the front where the photo is not trusted."""
    small = (max(8, picture.alpha.shape[0] // 4), max(8, picture.alpha.shape[1] // 4))
    cover = (shell.depth > 0) * picture.inside.clip(0, 3) * (picture.alpha > 0.95)
    planes = [shrink(cover * plane, small) for plane in (1.0, *np.moveaxis(picture.smooth, 2, 0))]
    plain = [shrink(plane, small) for plane in (np.ones_like(cover), *np.moveaxis(picture.smooth, 2, 0))]
    box = 2 * round(0.004 * picture.size) + 1
    total = [
        twice_box(plane, box) + 0.01 * twice_box(plane, 4 * box + 1) + 1e-9 * rest
        for plane, rest in zip(planes, plain, strict=True)
    ]
    where = pixels * [small[1] / picture.alpha.shape[1], small[0] / picture.alpha.shape[0]]
    amount, *tones = (lookup(plane, where) for plane in total)
    return np.stack(tones, 1) / amount[:, None]
