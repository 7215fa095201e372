"""Homogeneous rasterisation on the CPU (Olano and Greer 1997): no clipping, right at the near plane.

With corners X_i = (x w, y w, w) in homogeneous pixels and M = [X_0 X_1 X_2], the point of the triangle that a pixel
sees has barycentrics proportional to M^-1 (x, y, 1): three linear functions of the pixel, which are also the edge tests.
"""

import math

import numpy as np
import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.jit import kernel, part


def rasterize(
    verts_world: Tensor, faces: Tensor, cameras: Cameras, near: float, threads: int | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Depth, face and barycentrics of each view."""
    views, height, width = len(cameras), cameras.height, cameras.width
    depth = torch.zeros(views, height, width)
    face = torch.full((views, height, width), -1, dtype=torch.int32)
    barycentric = torch.zeros(views, height, width, 3)
    corners = verts_world.detach().cpu().double().numpy()
    triangles = faces.cpu().to(torch.int32).numpy()
    for view in range(views):
        _draw(
            corners, triangles, cameras.cam_from_world[view].detach().cpu().double().numpy(),
            cameras.intrinsics[view].detach().cpu().double().numpy(), cameras.orthographic, near,
            depth[view].numpy(), face[view].numpy(), barycentric[view].numpy(),
        )  # fmt: skip
    return depth.to(verts_world.device), face.to(verts_world.device), barycentric.to(verts_world.device)


@kernel
def _draw(verts, faces, cam_from_world, intrinsics, orthographic, near, depth, face, barycentric):
    cam = np.empty((verts.shape[0], 3))
    for i in range(verts.shape[0]):
        for j in range(3):
            cam[i, j] = (
                cam_from_world[j, 0] * verts[i, 0] + cam_from_world[j, 1] * verts[i, 1]
                + cam_from_world[j, 2] * verts[i, 2] + cam_from_world[j, 3]
            )  # fmt: skip
    height, width = depth.shape
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    corners = np.empty((3, 3))
    edges = np.empty((3, 3))
    zs = np.empty(3)
    box = np.empty(4, np.int64)
    for f in range(faces.shape[0]):
        for k in range(3):
            x, y, z = cam[faces[f, k]]
            w = 1.0 if orthographic else z
            zs[k] = z
            corners[k, 0] = fx * x + cx * w
            corners[k, 1] = fy * y + cy * w
            corners[k, 2] = w
        if not _bound(corners, zs, orthographic, near, width, height, box):
            continue
        for k in range(3):
            p, q = corners[(k + 1) % 3], corners[(k + 2) % 3]
            edges[k, 0] = p[1] * q[2] - p[2] * q[1]
            edges[k, 1] = p[2] * q[0] - p[0] * q[2]
            edges[k, 2] = p[0] * q[1] - p[1] * q[0]
        det = corners[0, 0] * edges[0, 0] + corners[0, 1] * edges[0, 1] + corners[0, 2] * edges[0, 2]
        if det == 0.0 or not math.isfinite(det):
            continue
        if det < 0:
            for k in range(3):
                for j in range(3):
                    edges[k, j] = -edges[k, j]
        _fill(f, edges, zs, near, box, depth, face, barycentric)


@part
def _bound(corners, zs, orthographic, near, width, height, box):
    """Pixels whose centres the part of a triangle before the near plane can touch; False if none."""
    left, right, top, bottom = math.inf, -math.inf, math.inf, -math.inf
    for k in range(3):
        n = (k + 1) % 3
        for step in range(2):
            # Each corner before the plane, and each point where an edge goes through it.
            share = 0.0
            if step == 1:
                if (zs[k] > near) == (zs[n] > near):
                    continue
                share = (near - zs[k]) / (zs[n] - zs[k])
            elif zs[k] <= near:
                continue
            w = corners[k, 2] + share * (corners[n, 2] - corners[k, 2])
            if not orthographic and step == 1:
                w = near
            x = (corners[k, 0] + share * (corners[n, 0] - corners[k, 0])) / w
            y = (corners[k, 1] + share * (corners[n, 1] - corners[k, 1])) / w
            left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
    if not (left < width and right > 0 and top < height and bottom > 0):
        return False
    box[0] = int(math.floor(max(left, 0.0)))
    box[1] = int(math.ceil(min(right, float(width))))
    box[2] = int(math.floor(max(top, 0.0)))
    box[3] = int(math.ceil(min(bottom, float(height))))
    return True


@part
def _fill(f, edges, zs, near, box, depth, face, barycentric):
    for row in range(box[2], box[3]):
        y = row + 0.5
        for column in range(box[0], box[1]):
            x = column + 0.5
            a = edges[0, 0] * x + edges[0, 1] * y + edges[0, 2]
            b = edges[1, 0] * x + edges[1, 1] * y + edges[1, 2]
            c = edges[2, 0] * x + edges[2, 1] * y + edges[2, 2]
            if a < 0 or b < 0 or c < 0:
                continue
            total = a + b + c
            if total <= 0:
                continue
            z = (a * zs[0] + b * zs[1] + c * zs[2]) / total
            if z <= near:
                continue
            if face[row, column] >= 0 and z >= depth[row, column]:
                continue
            depth[row, column] = z
            face[row, column] = f
            barycentric[row, column, 0] = a / total
            barycentric[row, column, 1] = b / total
            barycentric[row, column, 2] = c / total
