"""The textured renderer on the CPU: what `_textured_reference` computes, one output pixel after another."""

import math

import numpy as np
import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError
from vivant.core.jit import kernel
from vivant.core.threads import take_turns, thread_count
from vivant.core.workspace import Workspace
from vivant.mesh._kernels import FUNCTIONS, _prepare, find_nearest, project_corners
from vivant.mesh._shading_numba import shade_band
from vivant.mesh.lighting import Lighting
from vivant.mesh.rasterize import NEAR
from vivant.mesh.texture import linear_from_srgb
from vivant.mesh.textured import TexturedMesh

BANDS = 16
"""Bands of rows that threads take in turn."""

MAX_LAYERS = 1 << 26
"""Pieces of blended triangles in one picture; more would be no hair."""


def draw(
    verts_world: Tensor, mesh: TexturedMesh, cameras: Cameras, lighting: Lighting,
    light: Cameras, samples: int, threads: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Colour, alpha, depth, normal and face of each view; the cameras' pixels are the samples."""
    threads = threads or thread_count()
    views, height, width = len(cameras), cameras.height // samples, cameras.width // samples
    out = (
        torch.empty(views, height, width, 3), torch.empty(views, height, width),
        torch.empty(views, height, width), torch.empty(views, height, width, 3),
        torch.empty(views, height, width, dtype=torch.int32),
    )  # fmt: skip
    held = mesh.arrays
    places = verts_world.detach().double().numpy()
    corners = np.empty((len(places), 6), np.float32)
    _corner_normals(verts_world.detach().float().numpy(), held.faces, held.weld, corners)
    scene = (
        corners, held.faces, held.uv, held.uv_faces, held.face_texture, held.texels, held.places,
        linear_from_srgb(torch.arange(256) / 255).numpy(),
    )  # fmt: skip
    space = Workspace()
    lamp = (
        _lamp_picture(space, places, held.faces, light, threads),
        light.cam_from_world[0].float().numpy(),
        np.float32(light.intrinsics[0, 0, 0]),
        lighting.ambient.float().numpy(), lighting.key_direction.float().numpy(),
        lighting.key_color.float().numpy(), np.float32(lighting.softness),
    )  # fmt: skip
    centers = cameras.centers_world.float().numpy()
    detail = np.empty(len(held.faces), np.float32)
    for view in range(views):
        projected = project_corners(places, cameras, view)
        seen = find_nearest(space, projected, held.faces[held.solid], cameras[view], NEAR, threads)
        _face_detail(projected, held.faces, held.areas, detail)
        layers = _layers(projected, held.faces[held.blended], cameras, seen.nearness, seen.face)
        frame = (
            cameras.cam_from_world[view].float().numpy(), centers[view], cameras.orthographic, samples,
            seen.functions, seen.nearness, seen.face, detail, held.solid, held.blended, *layers,
        )  # fmt: skip
        pictures = tuple(picture[view].numpy() for picture in out)

        def band(turn: int, frame: tuple = frame, pictures: tuple = pictures) -> None:
            top, bottom = height * turn // BANDS, height * (turn + 1) // BANDS
            shade_band(top, bottom, *scene, *lamp, *frame, *pictures)

        take_turns(band, BANDS, threads)
    return out


def _lamp_picture(
    space: Workspace, places: np.ndarray, faces: np.ndarray, light: Cameras, threads: int
) -> np.ndarray:
    """How deep the lamp sees at each of its pixels; infinitely deep where nothing is."""
    seen = find_nearest(space, project_corners(places, light, 0), faces, light, NEAR, threads, name="lamp")
    return np.where(seen.face >= 0, -seen.nearness, np.inf).astype(np.float32)


@kernel
def _corner_normals(verts, faces, weld, corners):
    """Write each vertex' place and unit normal: the mean of the triangles round all vertices at its place."""
    corners[:, 3:] = 0.0
    for f in range(faces.shape[0]):
        i, j, k = weld[faces[f, 0]], weld[faces[f, 1]], weld[faces[f, 2]]
        ux, uy, uz = verts[j, 0] - verts[i, 0], verts[j, 1] - verts[i, 1], verts[j, 2] - verts[i, 2]
        vx, vy, vz = verts[k, 0] - verts[i, 0], verts[k, 1] - verts[i, 1], verts[k, 2] - verts[i, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for at in (i, j, k):
            corners[at, 3] += nx
            corners[at, 4] += ny
            corners[at, 5] += nz
    for i in range(verts.shape[0]):
        corners[i, 0], corners[i, 1], corners[i, 2] = verts[i, 0], verts[i, 1], verts[i, 2]
        nx, ny, nz = corners[i, 3], corners[i, 4], corners[i, 5]
        size = np.float32(1.0) / max(math.sqrt(nx * nx + ny * ny + nz * nz), np.float32(1e-12))
        corners[i, 3], corners[i, 4], corners[i, 5] = nx * size, ny * size, nz * size
    for i in range(verts.shape[0]):
        for axis in range(3, 6):
            corners[i, axis] = corners[weld[i], axis]


@kernel
def _face_detail(projected, faces, areas, detail):
    """As `textured.face_detail`."""
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        wi, wj, wk = max(projected[i, 2], 1e-6), max(projected[j, 2], 1e-6), max(projected[k, 2], 1e-6)
        x, y = projected[i, 0] / wi, projected[i, 1] / wi
        ux, uy = projected[j, 0] / wj - x, projected[j, 1] / wj - y
        vx, vy = projected[k, 0] / wk - x, projected[k, 1] / wk - y
        drawn = max(abs(ux * vy - uy * vx), 1e-3)
        texels = max(np.float64(areas[f]), 1e-6)
        # The logarithm is dear, and most near surfaces need their finest level.
        wanted = 0.5 * math.log2(texels / drawn) - 0.25 if texels > drawn else 0.0
        detail[f] = max(wanted, 0.0)


def _layers(
    corners: np.ndarray, faces: np.ndarray, cameras: Cameras, nearness: np.ndarray, face: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pieces of blended triangles before the solid surface, for each sample, and the triangles' functions."""
    height, width = face.shape
    functions = np.empty((len(faces), FUNCTIONS))
    boxes = np.empty((len(faces), 4), np.int32)
    begins, layer_face, layer_depth = np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float64)
    if len(faces) == 0:
        return functions, begins, layer_face, layer_depth
    _prepare(
        0, len(faces), corners, faces, cameras.orthographic, NEAR, width, height, functions, boxes, 0, None
    )
    begins = np.zeros(height * width + 1, np.int64)
    found = functions, boxes, cameras.orthographic, NEAR, nearness, face, begins
    _fill_layers(*found, layer_face, layer_depth)
    total = int(begins.sum())
    if total > MAX_LAYERS:
        raise BadInputError(
            f"Blended triangles cover {total} samples; {MAX_LAYERS} are the most. Draw fewer, or smaller."
        )
    if total == 0:
        return functions, begins[:1], layer_face, layer_depth
    np.cumsum(begins, out=begins)
    layer_face, layer_depth = np.empty(total, np.int32), np.empty(total, np.float64)
    # Filled from each sample's end, so that `begins` ends as the beginnings.
    _fill_layers(*found, layer_face, layer_depth)
    return functions, begins, layer_face, layer_depth


@kernel
def _fill_layers(functions, boxes, orthographic, near, nearness, face, begins, layer_face, layer_depth):
    """Count the pieces of each sample, or write them if there is room for them."""
    write = layer_face.shape[0] > 0
    width = face.shape[1]
    nearest = -near if orthographic else 1.0 / near
    for f in range(boxes.shape[0]):
        for row in range(boxes[f, 2], boxes[f, 3]):
            y = row + 0.5
            for column in range(boxes[f, 0], boxes[f, 1]):
                x = column + 0.5
                a = functions[f, 0] * x + (functions[f, 1] * y + functions[f, 2])
                b = functions[f, 3] * x + (functions[f, 4] * y + functions[f, 5])
                c = functions[f, 6] * x + (functions[f, 7] * y + functions[f, 8])
                if not ((a >= 0.0) & (b >= 0.0) & (c >= 0.0)):
                    continue
                close = functions[f, 9] * x + (functions[f, 10] * y + functions[f, 11])
                if close >= nearest or not (orthographic or close > 0.0):
                    continue
                here = -close if orthographic else 1.0 / close
                if face[row, column] >= 0:
                    solid = nearness[row, column]
                    if here >= np.float64(np.float32(-solid if orthographic else 1.0 / solid)):
                        continue
                sample = row * width + column
                if write:
                    begins[sample] -= 1
                    layer_face[begins[sample]] = f
                    layer_depth[begins[sample]] = here
                else:
                    begins[sample] += 1
