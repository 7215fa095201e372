"""What stands off the body even when it is draped: long hair, hats, hems, skirts, things held.

The mask's pixels that the draped skin leaves empty are filled with two sheets, a front and a back, that hang together at the
mask's edge and begin on the body: their middle is a membrane, their thickness an inflated one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage, sparse
from scipy.sparse import linalg

from vivant.core.cameras import Cameras
from vivant.lift.mask import shrink
from vivant.lift.posed import Depths, Lens, draw_depths
from vivant.lift.regions import (
    HEAD,
    LEFT_ARM,
    LEFT_FOOT,
    LEFT_HAND,
    LEFT_LEG,
    RIGHT_FOOT,
    RIGHT_HAND,
    RIGHT_LEG,
    Regions,
)
from vivant.lift.sight import Picture, lookup
from vivant.lift.surface import Skin
from vivant.mesh import rasterize_mesh

GRID = 420
"""Pixels that the person's height has at most on the grid the sheets are solved on."""

THICKEST = 0.08
"""Metres from the sheets' middle to either of them, at most."""

ROUNDNESS = 0.8
"""2 inflates a strip to a round rope, less makes it flatter."""

HELD = 0.10
"""Metres of depth that the arm or hand may span that a piece hangs on."""

HANGING = 0.30
"""Metres below the head that hair is looked for."""


CORE_KIND, HEAD_KIND, ARM_KIND = 0, 1, 2
"""What a piece hangs on: trunk and legs, head, or arms and hands."""


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


def build_shell(
    skin: Skin,
    regions: Regions,
    lens: Lens,
    draped: Float[ndarray, "verts 3"],
    picture: Picture,
    hairlike: Bool[ndarray, "height width"],
    skirt: bool,
    budget: int,
    random: np.random.Generator,
) -> Shell | None:
    """Fill what the draped skin leaves empty of the mask; None if that is nothing worth while.

    Args:
        skin: The mesh.
        regions: Its parts.
        lens: The photo's camera.
        draped: The skin's vertices in the camera's axes.
        picture: The photo.
        hairlike: Where the photo has the hair's colour.
        skirt: Whether cloth spans both legs; else a piece between them is shared out.
        budget: Splats at most.
        random: Dice.
    """
    sheets = _span_sheets(skin, regions, lens, draped, picture, hairlike, skirt)
    if sheets is None:
        return None
    return _sample_sheets(sheets, skin, lens, picture, budget, random)


def _span_sheets(
    skin: Skin, regions: Regions, lens: Lens, draped: ndarray, picture: Picture, hairlike: ndarray, skirt: bool
) -> Sheets | None:
    scale = min(1.0, GRID / picture.size)
    small = _reduced(lens, scale)
    shape = (small.camera.height, small.camera.width)
    solid = shrink(picture.alpha, shape) > 0.5
    near = draw_depths(draped, skin.faces, small)
    corner = np.take_along_axis(skin.faces[near.face], near.barycentric.argmax(2)[..., None], 2)[..., 0]
    part = np.where(near.covered, regions.part[corner], -1)
    free = solid & ~near.covered
    empty, owner = _worth_filling(free, part, near.depth, float(solid.sum()))
    if not empty.any():
        return None
    far = _far_depth(draped, skin, small)
    metres = float(np.median(near.depth[near.covered])) / small.focal.mean()
    kind = np.where(near.covered, _kinds(regions)[corner], -1)
    kind = _claim(kind, empty, shrink(hairlike, shape) > 0.5, metres)
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


def _worth_filling(
    empty: Bool[ndarray, "rows columns"],
    part: Int[ndarray, "rows columns"],
    depth: Float[ndarray, "rows columns"],
    size: float,
) -> tuple[Bool[ndarray, "rows columns"], Int[ndarray, "rows columns"]]:
    """Leave out slivers along the outline, specks, and webs that would tear when limbs move apart.

    Args:
        empty: Cells of the mask that the skin leaves empty.
        part: The body part each covered cell shows, -1 elsewhere.
        depth: Of the skin in each cell.
        size: Cells of the whole mask.

    Returns:
        The cells to fill, and for pieces that stick out from arm and trunk alike the kind that owns them, else -1.
    """
    core = ndimage.binary_opening(empty, np.ones((3, 3)))
    labels, count = ndimage.label(ndimage.binary_propagation(core, mask=empty))
    kept, owner = np.zeros(count + 1, bool), np.full(count + 1, -1)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        grown = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in box)
        piece = labels[grown] == number
        ring = ndimage.binary_dilation(piece, iterations=2) & ~piece
        neighbors = part[grown][ring]
        open_share = float((neighbors < 0).mean()) if len(neighbors) else 0.0
        kept[number], owner[number] = _judge_piece(neighbors[neighbors >= 0], open_share, piece.sum() / size)
        if owner[number] == ARM_KIND:
            # What reaches from a hand in front to an elbow far behind is no one thing.
            held = depth[grown][ring & (part[grown] >= LEFT_ARM) & (part[grown] <= RIGHT_HAND)]
            kept[number] &= np.ptp(np.percentile(held, [10, 90])) < HELD
    return kept[labels], np.where(kept[labels], owner[labels], -1)


def _judge_piece(neighbors: Int[ndarray, " cells"], open_share: float, area: float) -> tuple[bool, int]:
    """Whether a piece of the mask hangs on the body, and on what if that cannot be left to distance.

    Between a hand and the trunk, or between two feet, the mask is filled by shadows, by ground, and by misfits of the
    body; spanned by a sheet they become webs. A skirt is large, and touches both legs far above the feet.

    Args:
        neighbors: Parts of the body that it touches.
        open_share: How much of its surroundings is background: a web has little.
        area: As a share of the mask.
    """
    if len(neighbors) == 0:
        return False, -1
    touched = np.bincount(neighbors, minlength=10) / len(neighbors)
    arms = touched[LEFT_ARM : RIGHT_HAND + 1].sum()
    if touched[HEAD] > 0.5:
        return area > 0.0005, -1
    if arms > 0.9 or (arms > 0.15 and open_share > 0.4):
        # A glove, a wide sleeve, something held; or a coat that a hand lies on.
        return area > 0.002, ARM_KIND if arms > 0.4 else CORE_KIND
    if touched[[LEFT_HAND, RIGHT_HAND]].sum() > 0.1 or arms > 0.15:
        return False, -1
    if touched[[LEFT_FOOT, RIGHT_FOOT]].sum() > 0.25:
        return False, -1
    between = min(touched[LEFT_LEG], touched[RIGHT_LEG]) > 0.1
    return area > (0.015 if between else 0.003), -1


def _far_depth(draped: ndarray, skin: Skin, lens: Lens) -> ndarray:
    """Depth of the last surface in each pixel: the nearest when looked at from behind, by flipping z in pixel space."""
    pixels = lens.pixels(draped)
    farthest = float(draped[:, 2].max()) + 1
    flipped = torch.from_numpy(np.concatenate([pixels, farthest - draped[:, 2:]], 1)).float()
    camera = Cameras(
        torch.eye(4)[None], torch.eye(3)[None], lens.camera.width, lens.camera.height, orthographic=True
    )
    drawn = rasterize_mesh(flipped, torch.from_numpy(skin.faces), camera)
    return np.where(drawn.face[0].numpy() >= 0, farthest - drawn.depth[0].numpy(), 0.0)


def _kinds(regions: Regions) -> ndarray:
    kinds = np.full(len(regions.part), CORE_KIND)
    kinds[regions.part == HEAD] = HEAD_KIND
    kinds[(regions.part >= LEFT_ARM) & (regions.part <= RIGHT_HAND)] = ARM_KIND
    return kinds


def _claim(kind: ndarray, empty: ndarray, hairlike: ndarray, metres: float) -> ndarray:
    """Whether each empty cell hangs at head, arm, or trunk and legs.

    An arm that merely passes by owns nothing: it must be far nearer than the rest. Hair belongs to the head
    even where it lies on a shoulder.
    """
    core, head, arm = (
        ndimage.distance_transform_edt(kind != number) * metres
        if (kind == number).any()
        else np.full(kind.shape, 9.0)
        for number in (CORE_KIND, HEAD_KIND, ARM_KIND)
    )
    result = kind.copy()
    hangs = hairlike & (head < HANGING)
    result[empty] = np.where(2.5 * arm < np.minimum(core, head), ARM_KIND, CORE_KIND)[empty]
    result[empty & ((head < core) & (head < arm) | hangs)] = HEAD_KIND
    return result


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
            index = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
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
        amount = _twice_box(rows.astype(np.float32), box)
        for joint in used:
            plane = np.where(rows, skin.weights[vertex, joint], 0.0)
            weights[rows, joint] = (_twice_box(plane, box) / np.maximum(amount, 1e-6))[rows]
    head_joint = skin.weights[regions.part == HEAD].sum(0).argmax()
    weights[empty & (kind == HEAD_KIND), head_joint] = 1.0
    return vertex, weights


def _twice_box(plane: ndarray, box: int) -> ndarray:
    """A blur whose cost does not grow with its size."""
    return ndimage.uniform_filter(ndimage.uniform_filter(plane, box, mode="constant"), box, mode="constant")


def _inflate(
    kind: ndarray, near: Depths, body_middle: ndarray, body_half: ndarray, empty: ndarray, metres: float
) -> tuple[ndarray, ndarray]:
    """Middle and half thickness of the sheets: a membrane, and the root of an inflated membrane of squares."""
    reach = max(2, round(0.012 / metres))
    free = empty | (near.covered & (ndimage.distance_transform_edt(~empty) <= reach))
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
    middle = linalg.spsolve(matrix.tocsc(), np.bincount(at, values[:, 0], count) + 1e-6 * typical)
    matrix = matrix + sparse.diags(np.bincount(edge, minlength=count).astype(float))
    squares = linalg.spsolve(matrix.tocsc(), np.bincount(at, values[:, 1], count) + ROUNDNESS * metres**2)
    half = np.sqrt(np.clip(squares, 0.004**2, THICKEST**2))
    full_middle, full_half = body_middle.copy(), body_half.copy()
    full_middle[free], full_half[free] = middle, half
    index = ndimage.distance_transform_edt(~(free | near.covered), return_distances=False, return_indices=True)
    return full_middle[index[0], index[1]], np.where(free | near.covered, full_half, 0.004)


def _sample_sheets(
    sheets: Sheets, skin: Skin, lens: Lens, picture: Picture, budget: int, random: np.random.Generator
) -> Shell:
    """Places on both sheets; the back, which nobody saw, has fewer."""
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
    index = ndimage.distance_transform_edt(~sheets.empty, return_distances=False, return_indices=True)
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
    """The sheets' colours without detail: for the back, and for the front where the photo is not to be trusted."""
    small = (max(8, picture.alpha.shape[0] // 4), max(8, picture.alpha.shape[1] // 4))
    cover = (shell.depth > 0) * picture.inside.clip(0, 3) * (picture.alpha > 0.95)
    planes = [shrink(cover * plane, small) for plane in (1.0, *np.moveaxis(picture.smooth, 2, 0))]
    plain = [shrink(plane, small) for plane in (np.ones_like(cover), *np.moveaxis(picture.smooth, 2, 0))]
    box = 2 * round(0.004 * picture.size) + 1
    total = [
        _twice_box(plane, box) + 0.01 * _twice_box(plane, 4 * box + 1) + 1e-9 * rest
        for plane, rest in zip(planes, plain, strict=True)
    ]
    where = pixels * [small[1] / picture.alpha.shape[1], small[0] / picture.alpha.shape[0]]
    amount, *tones = (lookup(plane, where) for plane in total)
    return np.stack(tones, 1) / amount[:, None]
