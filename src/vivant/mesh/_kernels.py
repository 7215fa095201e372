"""Homogeneous rasterisation on the CPU (Olano and Greer 1997): no clipping, right at the near plane.

With corners X_i = (x w, y w, w) in homogeneous pixels and M = [X_0 X_1 X_2], the point of the triangle that a
pixel sees has barycentrics proportional to M^-1 (x, y, 1): three linear functions of the pixel, which also test
the edges. A fourth linear function says how near the point is: 1 / z, or -z for an orthographic camera.

Neighbours evaluate their common edge with the same numbers but for the sign, so there are no gaps.

Threads draw tiles of the picture (`core.tiles`), each tile's triangles in the order of the mesh.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.instructions import prefetch, trailing_zeros
from vivant.core.jit import kernel, part
from vivant.core.threads import run_on_threads, take_turns, thread_count
from vivant.core.tiles import (
    count_box,
    fill_tiles,
    fullest_first,
    next_tile,
    start_tiles,
    tile_box,
    tiles_along,
)
from vivant.core.workspace import Workspace

BANDS = 4
"""Each thread turns about so many bands of rows into depth and barycentrics."""

SHARE, PIXELS = 1000, 1 << 15
"""Another thread is worth its while for so many triangles to prepare, or pixels to fill."""

NARROW, SMALL = 4, 8
"""A triangle of at most so many columns is drawn by bits. Two widths, known when the loops are compiled."""

AHEAD, LINE = 8, 8
"""Triangles that memory is asked for before their turn, and float64 numbers in a line of cache."""

uintp = np.uintp
"""An index that cannot be negative: signed ones cost a comparison."""

NO_PIXEL = np.uint64(0)

NEARNESS, FUNCTIONS = 9, 12
"""Places of nearness and of the end; each function is factors of column and row, and a constant."""

PLACES = 6
"""Numbers of a projected corner."""


def rasterize(
    verts_world: Tensor, faces: Tensor, cameras: Cameras, near: float, threads: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Depth, face and barycentrics of each view."""
    views, height, width = len(cameras), cameras.height, cameras.width
    depth = torch.empty(views, height, width)
    face = torch.empty(views, height, width, dtype=torch.int32)
    barycentric = torch.empty(views, height, width, 3)
    corners = verts_world.detach().cpu().double().numpy()
    triangles = np.ascontiguousarray(faces.cpu().numpy(), np.int32)
    space = Workspace()
    for view in range(views):
        projected = project_corners(corners, cameras, view)
        seen = find_nearest(space, projected, triangles, cameras[view], near, threads, face[view].numpy())
        _resolve(seen, cameras.orthographic, depth[view].numpy(), barycentric[view].numpy(), threads)
    device = verts_world.device
    return depth.to(device), face.to(device), barycentric.to(device)


def project_corners(corners: np.ndarray, cameras: Cameras, view: int) -> np.ndarray:
    """Homogeneous pixels (x w, y w, w), z, and the pixels themselves."""
    matrix = cameras.cam_from_world[view].detach().cpu().double().numpy()
    intrinsics = cameras.intrinsics[view].detach().cpu().double().numpy()
    projected = np.empty((len(corners), PLACES))
    _project(np.ascontiguousarray(corners), matrix, intrinsics, cameras.orthographic, projected)
    return projected


class Nearest(NamedTuple):
    """What a picture's centres see, and the triangles' functions; in a workspace's memory."""

    functions: np.ndarray
    """As `_prepare` writes them."""

    nearness: np.ndarray
    """1 / z, or -z for an orthographic camera, where `face` is one."""

    face: np.ndarray
    """Number of the nearest triangle; -1 where nothing is."""


def find_nearest(
    space: Workspace, corners: np.ndarray, faces: np.ndarray, cameras: Cameras, near: float,
    threads: int | None, face: np.ndarray | None = None, name: str = "",
) -> Nearest:  # fmt: skip
    """Find each pixel's nearest triangle.

    Args:
        space: Holds the result; ask under another `name` for another that shall live beside it.
        corners: Projected.
        faces: Three corners each.
        cameras: One.
        near: Nothing nearer is drawn.
        threads: All processors if None.
        face: Where to write the triangles' numbers; in `space` if None.
        name: Of the result in `space`.
    """
    height, width, orthographic = cameras.height, cameras.width, cameras.orthographic
    threads, across = threads or thread_count(), tiles_along(width)
    num, tiles = len(faces), across * tiles_along(height)
    sharing = min(threads, 1 + num // SHARE + height * width // PIXELS)
    functions = space.take(f"{name} functions", (num, FUNCTIONS), np.float64)
    boxes = space.take(f"{name} boxes", (num, 4), np.int32)
    nearness = space.take(f"{name} nearness", (height, width), np.float64)
    numbers = space.take(f"{name} face", (height, width), np.int32) if face is None else face
    counts = space.take(f"{name} counts", (sharing, tiles), np.int32)
    starts = space.take(f"{name} tile_starts", (tiles + 1,), np.int32)
    farthest, nearest = (-math.inf, -near) if orthographic else (0.0, 1 / near)

    def prepare(thread: int) -> None:
        top, bottom = height * thread // sharing, height * (thread + 1) // sharing
        numbers[top:bottom], nearness[top:bottom] = -1, farthest
        begin, end = num * thread // sharing, num * (thread + 1) // sharing
        _prepare(
            begin, end, corners, faces, orthographic, near, width, height, functions, boxes, across,
            counts[thread],
        )  # fmt: skip

    def fill(thread: int) -> None:
        begin, end = num * thread // sharing, num * (thread + 1) // sharing
        fill_tiles(begin, end, boxes, across, counts[thread], tile_faces)

    def draw(_: int) -> None:
        _draw_tiles(ticket, order, across, starts, tile_faces, functions, boxes, nearest, nearness, numbers)

    run_on_threads(prepare, sharing)
    start_tiles(counts, starts)
    tile_faces = space.take(f"{name} tile_faces", (int(starts[-1]),), np.int32)
    run_on_threads(fill, sharing)
    order, ticket = fullest_first(starts), np.zeros(1, np.int64)
    run_on_threads(draw, min(threads, tiles))
    return Nearest(functions, nearness, numbers)


def _resolve(
    seen: Nearest, orthographic: bool, depth: np.ndarray, barycentric: np.ndarray, threads: int | None
) -> None:
    height, threads = len(depth), min(threads or thread_count(), 1 + depth.size // PIXELS)
    bands = 1 if threads == 1 else threads * BANDS

    def resolve(band: int) -> None:
        top, bottom = height * band // bands, height * (band + 1) // bands
        _resolve_band(top, bottom, seen.functions, orthographic, seen.nearness, seen.face, depth, barycentric)

    take_turns(resolve, bands, threads)


@kernel
def _project(corners, cam_from_world, intrinsics, orthographic, out):
    m = cam_from_world
    for i in range(corners.shape[0]):
        x, y, z = corners[i, 0], corners[i, 1], corners[i, 2]
        cam_x = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
        cam_y = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
        cam_z = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        w = 1.0 if orthographic else cam_z
        out[i, 0] = intrinsics[0, 0] * cam_x + intrinsics[0, 2] * w
        out[i, 1] = intrinsics[1, 1] * cam_y + intrinsics[1, 2] * w
        out[i, 2], out[i, 3] = w, cam_z
        out[i, 4], out[i, 5] = out[i, 0] / w, out[i, 1] / w


@kernel
def _prepare(
    begin, end, corners, faces, orthographic, near, width, height, functions, boxes, tiles_across, counts
):
    """Write the four functions of triangles, and the box of pixels whose centres each may cover.

    Unless `counts` is None, it is told how many of them touch each tile.
    """
    if counts is not None:
        counts[:] = 0
    for face in range(begin, end):
        f = uintp(face)
        i, j, k = uintp(faces[f, 0]), uintp(faces[f, 1]), uintp(faces[f, 2])
        left, right, top, bottom = _bound(corners[i], corners[j], corners[k], orthographic, near, width, height)
        boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = left, right, top, bottom
        if left >= right or top >= bottom:
            boxes[f, 3] = boxes[f, 2]
            continue
        ax, ay, az = _cross(corners, j, k)
        bx, by, bz = _cross(corners, k, i)
        cx, cy, cz = _cross(corners, i, j)
        volume = corners[i, 0] * ax + corners[i, 1] * ay + corners[i, 2] * az
        if volume == 0.0:
            boxes[f, 3] = boxes[f, 2]
            continue
        if volume < 0.0:
            volume = -volume
            ax, ay, az, bx, by, bz, cx, cy, cz = -ax, -ay, -az, -bx, -by, -bz, -cx, -cy, -cz
        functions[f, 0], functions[f, 1], functions[f, 2] = ax, ay, az
        functions[f, 3], functions[f, 4], functions[f, 5] = bx, by, bz
        functions[f, 6], functions[f, 7], functions[f, 8] = cx, cy, cz
        a, b, c = 1.0, 1.0, 1.0
        if orthographic:
            a, b, c = -corners[i, 3], -corners[j, 3], -corners[k, 3]
        functions[f, 9] = (a * ax + b * bx + c * cx) / volume
        functions[f, 10] = (a * ay + b * by + c * cy) / volume
        functions[f, 11] = (a * az + b * bz + c * cz) / volume
        if counts is not None:
            count_box(left, right, top, bottom, tiles_across, counts)


@part
def _cross(corners, i, j):
    """Cross product of two corners in homogeneous pixels."""
    ax, ay, az = corners[i, 0], corners[i, 1], corners[i, 2]
    bx, by, bz = corners[j, 0], corners[j, 1], corners[j, 2]
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


@part
def _bound(a, b, c, orthographic, near, width, height):
    """First and last (exclusive) column and row; an empty box if nothing lies before the near plane."""
    if a[3] > near and b[3] > near and c[3] > near:
        left, right = min(min(a[4], b[4]), c[4]), max(max(a[4], b[4]), c[4])
        top, bottom = min(min(a[5], b[5]), c[5]), max(max(a[5], b[5]), c[5])
    else:
        left, right, top, bottom = _bound_cut(a, b, c, orthographic, near)
    if not (left < width and right > 0.0 and top < height and bottom > 0.0):
        return 0, 0, 0, 0
    first_column, first_row = math.ceil(max(left, 0.0) - 0.5), math.ceil(max(top, 0.0) - 0.5)
    last_column, last_row = math.floor(min(right, width) - 0.5), math.floor(min(bottom, height) - 0.5)
    return max(first_column, 0), last_column + 1, max(first_row, 0), last_row + 1


@part
def _bound_cut(a, b, c, orthographic, near):
    """Bounds of what lies before the near plane."""
    left, right, top, bottom = math.inf, -math.inf, math.inf, -math.inf
    for turn in range(3):
        p, q = (a, b) if turn == 0 else ((b, c) if turn == 1 else (c, a))
        if p[3] > near:
            x, y = p[4], p[5]
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
        if (p[3] > near) != (q[3] > near):
            # The edge goes through the near plane: the point there bounds what is seen.
            share = (near - p[3]) / (q[3] - p[3])
            w = 1.0 if orthographic else near
            x, y = (p[0] + share * (q[0] - p[0])) / w, (p[1] + share * (q[1] - p[1])) / w
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    return left, right, top, bottom


@kernel
def _draw_tiles(
    ticket, tile_order, tiles_across, tile_starts, tile_faces, functions, boxes, nearest, nearness, face
):
    """Find each pixel's nearest triangle, of equally near ones the first; threads draw tickets for tiles."""
    height, width = face.shape
    while True:
        tile = next_tile(ticket, tile_order)
        if tile < 0:
            break
        tile_left, tile_right, tile_top, tile_bottom = tile_box(tile, tiles_across, width, height)
        begin, end = tile_starts[tile], tile_starts[tile + 1]
        for entry in range(begin, end):
            if entry + AHEAD < end:
                ahead = tile_faces[entry + AHEAD]
                prefetch(boxes, ahead * 4)
                prefetch(functions, ahead * FUNCTIONS)
                prefetch(functions, ahead * FUNCTIONS + LINE)
            f = uintp(tile_faces[entry])
            left, right = max(boxes[f, 0], tile_left), min(boxes[f, 1], tile_right)
            top, bottom = max(boxes[f, 2], tile_top), min(boxes[f, 3], tile_bottom)
            if right - left <= NARROW and bottom - top <= 64 // NARROW:
                _draw_small(f, left, right, top, bottom, functions, nearest, nearness, face, NARROW)
            elif right - left <= SMALL and bottom - top <= 64 // SMALL:
                _draw_small(f, left, right, top, bottom, functions, nearest, nearness, face, SMALL)
            elif _may_cover(f, left, right, top, bottom, functions):
                _draw_large(f, left, right, top, bottom, functions, nearest, nearness, face)


@part
def _draw_small(f, left, right, top, bottom, functions, nearest, nearness, face, columns):
    """Draw a triangle whose pixels fit one integer's bits: so many columns a row.

    First all edges are tested, without a branch; then the pixels that passed are drawn.
    """
    a0, a1, a2 = functions[f, 0], functions[f, 1], functions[f, 2]
    b0, b1, b2 = functions[f, 3], functions[f, 4], functions[f, 5]
    c0, c1, c2 = functions[f, 6], functions[f, 7], functions[f, 8]
    inside = NO_PIXEL
    for row in range(bottom - 1, top - 1, -1):
        y, in_row = row + 0.5, np.uint32(0)
        a_row, b_row, c_row = a1 * y + a2, b1 * y + b2, c1 * y + c2
        for step in range(columns):
            x = left + 0.5 + step
            passed = (a0 * x + a_row >= 0.0) & (b0 * x + b_row >= 0.0) & (c0 * x + c_row >= 0.0)
            in_row |= np.uint32(passed) << np.uint32(step)
        in_row &= (np.uint32(1) << np.uint32(right - left)) - np.uint32(1)
        inside = (inside << np.uint64(columns)) | np.uint64(in_row)
    n0, n1, n2 = functions[f, 9], functions[f, 10], functions[f, 11]
    while inside != NO_PIXEL:
        bit = np.int64(trailing_zeros(inside))
        inside &= inside - np.uint64(1)
        row, column = top + bit // columns, left + bit % columns
        near = n0 * (column + 0.5) + (n1 * (row + 0.5) + n2)
        if near > nearness[uintp(row), uintp(column)] and near < nearest:
            nearness[uintp(row), uintp(column)] = near
            face[uintp(row), uintp(column)] = f


@part
def _may_cover(f, left, right, top, bottom, functions):
    """Whether each edge has pixels of a box on its inner side.

    Asks the corner of the box where the edge's function is largest. It is computed as for each pixel, and
    rounding keeps the order of numbers, so no pixel is lost.
    """
    for place in range(0, NEARNESS, 3):
        by_column, by_row, rest = functions[f, place], functions[f, place + 1], functions[f, place + 2]
        x = right - 0.5 if by_column > 0.0 else left + 0.5
        y = bottom - 0.5 if by_row > 0.0 else top + 0.5
        if by_column * x + (by_row * y + rest) < 0.0:
            return False
    return True


@part
def _draw_large(f, left, right, top, bottom, functions, nearest, nearness, face):
    """Draw a triangle row by row: without a branch, so that several pixels go at once."""
    a0, a1, a2 = functions[f, 0], functions[f, 1], functions[f, 2]
    b0, b1, b2 = functions[f, 3], functions[f, 4], functions[f, 5]
    c0, c1, c2 = functions[f, 6], functions[f, 7], functions[f, 8]
    n0, n1, n2 = functions[f, 9], functions[f, 10], functions[f, 11]
    for row in range(top, bottom):
        y = row + 0.5
        a_row, b_row, c_row, n_row = a1 * y + a2, b1 * y + b2, c1 * y + c2, n1 * y + n2
        row_nearness, row_face = nearness[uintp(row), left:right], face[uintp(row), left:right]
        for step in range(right - left):
            x = left + 0.5 + step
            near, before, there = n0 * x + n_row, row_nearness[step], row_face[step]
            inside = (a0 * x + a_row >= 0.0) & (b0 * x + b_row >= 0.0) & (c0 * x + c_row >= 0.0)
            wins = inside & (near > before) & (near < nearest)
            row_nearness[step] = near if wins else before
            row_face[step] = f if wins else there


@kernel
def _resolve_band(top, bottom, functions, orthographic, nearness, face, depth, barycentric):
    """Turn nearness into depth, and find barycentrics, for what is seen only."""
    for row in range(top, bottom):
        y = row + 0.5
        for column in range(face.shape[1]):
            f = face[row, column]
            if f < 0:
                depth[row, column] = 0.0
                for corner in range(3):
                    barycentric[row, column, corner] = 0.0
                continue
            x, total = column + 0.5, 0.0
            for corner in range(3):
                place = corner * 3
                total += functions[f, place] * x + (functions[f, place + 1] * y + functions[f, place + 2])
            for corner in range(3):
                place = corner * 3
                value = functions[f, place] * x + (functions[f, place + 1] * y + functions[f, place + 2])
                barycentric[row, column, corner] = value / total
            near = nearness[row, column]
            depth[row, column] = -near if orthographic else 1.0 / near
