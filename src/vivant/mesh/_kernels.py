"""Homogeneous rasterisation on the CPU (Olano and Greer 1997): no clipping, right at the near plane.

With corners X_i = (x w, y w, w) in homogeneous pixels and M = [X_0 X_1 X_2], the point of the triangle that a
pixel sees has barycentrics proportional to M^-1 (x, y, 1): three linear functions of the pixel, which also test
the edges. A fourth linear function says how near the point is: 1 / z, or -z for an orthographic camera.

Neighbours evaluate their common edge with the same numbers but for the sign, so there are no gaps.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.jit import kernel, part
from vivant.core.threads import run_on_threads, take_turns, thread_count
from vivant.core.workspace import Workspace

BANDS = 4
"""Each thread draws about so many bands of the picture; all triangles are looked at for each band."""

CORNER_0, CORNER_1, CORNER_2, NEARNESS, FUNCTIONS = 0, 3, 6, 9, 12
"""Places of the four linear functions of a triangle: factors of column and row, and a constant."""

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
        seen = find_nearest(
            space, project_corners(corners, cameras, view), triangles, cameras[view], near, threads,
            face[view].numpy(),
        )  # fmt: skip
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
    threads = threads or thread_count()
    functions = space.take(f"{name} functions", (len(faces), FUNCTIONS), np.float64)
    boxes = space.take(f"{name} boxes", (len(faces), 4), np.int32)
    nearness = space.take(f"{name} nearness", (height, width), np.float64)
    if face is None:
        face = space.take(f"{name} face", (height, width), np.int32)
    numbers = face

    def prepare(thread: int) -> None:
        begin, end = len(faces) * thread // threads, len(faces) * (thread + 1) // threads
        _prepare(begin, end, corners, faces, orthographic, near, width, height, functions, boxes)

    bands = 1 if threads == 1 else threads * BANDS

    def draw(band: int) -> None:
        top, bottom = height * band // bands, height * (band + 1) // bands
        farthest = -math.inf if orthographic else 0.0
        nearest = -near if orthographic else 1 / near
        _draw_band(top, bottom, functions, boxes, farthest, nearest, nearness, numbers)

    run_on_threads(prepare, threads)
    take_turns(draw, bands, threads)
    return Nearest(functions, nearness, numbers)


def _resolve(
    seen: Nearest, orthographic: bool, depth: np.ndarray, barycentric: np.ndarray, threads: int | None
) -> None:
    height, count = len(depth), threads or thread_count()
    bands = 1 if count == 1 else count * BANDS

    def resolve(band: int) -> None:
        top, bottom = height * band // bands, height * (band + 1) // bands
        _resolve_band(top, bottom, seen.functions, orthographic, seen.nearness, seen.face, depth, barycentric)

    take_turns(resolve, bands, count)


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
def _prepare(begin, end, corners, faces, orthographic, near, width, height, functions, boxes):
    """Write the four functions of triangles, and the box of pixels whose centres each may cover."""
    for f in range(begin, end):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        boxes[f, 0], boxes[f, 1], boxes[f, 2], boxes[f, 3] = _bound(
            corners[i], corners[j], corners[k], orthographic, near, width, height
        )
        if boxes[f, 0] >= boxes[f, 1] or boxes[f, 2] >= boxes[f, 3]:
            boxes[f, 3] = boxes[f, 2]
            continue
        _cross(corners[j], corners[k], functions[f, CORNER_0:CORNER_1])
        _cross(corners[k], corners[i], functions[f, CORNER_1:CORNER_2])
        _cross(corners[i], corners[j], functions[f, CORNER_2:NEARNESS])
        volume = 0.0
        for axis in range(3):
            volume += corners[i, axis] * functions[f, axis]
        if volume == 0.0:
            boxes[f, 3] = boxes[f, 2]
            continue
        if volume < 0.0:
            volume = -volume
            for place in range(NEARNESS):
                functions[f, place] = -functions[f, place]
        a, b, c = 1.0, 1.0, 1.0
        if orthographic:
            a, b, c = -corners[i, 3], -corners[j, 3], -corners[k, 3]
        for axis in range(3):
            total = (
                a * functions[f, axis] + b * functions[f, CORNER_1 + axis] + c * functions[f, CORNER_2 + axis]
            )
            functions[f, NEARNESS + axis] = total / volume


@part
def _cross(a, b, out):
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@part
def _bound(a, b, c, orthographic, near, width, height):
    """First and last (exclusive) column and row; an empty box if nothing lies before the near plane."""
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
    if not (left < width and right > 0.0 and top < height and bottom > 0.0):
        return 0, 0, 0, 0
    first_column, first_row = math.ceil(max(left, 0.0) - 0.5), math.ceil(max(top, 0.0) - 0.5)
    last_column, last_row = math.floor(min(right, width) - 0.5), math.floor(min(bottom, height) - 0.5)
    return max(first_column, 0), last_column + 1, max(first_row, 0), last_row + 1


@kernel
def _draw_band(top, bottom, functions, boxes, farthest, nearest, nearness, face):
    """Find the nearest triangle of each pixel; of equally near ones the first."""
    nearness[top:bottom] = farthest
    face[top:bottom] = -1
    for f in range(boxes.shape[0]):
        first, last = max(boxes[f, 2], top), min(boxes[f, 3], bottom)
        if first >= last:
            continue
        left, right = boxes[f, 0], boxes[f, 1]
        a0, a1, a2 = functions[f, 0], functions[f, 1], functions[f, 2]
        b0, b1, b2 = functions[f, 3], functions[f, 4], functions[f, 5]
        c0, c1, c2 = functions[f, 6], functions[f, 7], functions[f, 8]
        n0, n1, n2 = functions[f, 9], functions[f, 10], functions[f, 11]
        for row in range(first, last):
            y = row + 0.5
            a_row, b_row, c_row, n_row = a1 * y + a2, b1 * y + b2, c1 * y + c2, n1 * y + n2
            for column in range(left, right):
                x = column + 0.5
                a, b, c = a0 * x + a_row, b0 * x + b_row, c0 * x + c_row
                # One branch, not three: which of them fails nobody can foretell.
                if (a >= 0.0) & (b >= 0.0) & (c >= 0.0):
                    near = n0 * x + n_row
                    if near > nearness[row, column] and near < nearest:
                        nearness[row, column] = near
                        face[row, column] = f


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
