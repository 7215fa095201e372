"""The textured renderer on the CPU: what `_textured_reference` computes, one output pixel after another."""

import math

import numpy as np
import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError
from vivant.core.jit import kernel, part
from vivant.core.threads import take_turns, thread_count
from vivant.mesh._kernels import FUNCTIONS, _prepare, _project_corners, rasterize
from vivant.mesh.rasterize import NEAR
from vivant.mesh.texture import linear_from_srgb
from vivant.mesh.textured import (
    SHADOW_SIZE,
    TAPS,
    Lighting,
    TexturedMesh,
    face_detail,
    texture_areas,
)

BANDS = 16
"""Bands of rows that threads take in turn."""

MAX_LAYERS = 1 << 26
"""Pieces of blended triangles in one picture; more would be no hair."""


def draw(
    verts_world: Tensor, normals: Tensor, mesh: TexturedMesh, cameras: Cameras, lighting: Lighting,
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
    solid, blended = (~mesh.face_blended).nonzero()[:, 0], mesh.face_blended.nonzero()[:, 0]
    texels, places = packed(mesh)
    scene = (
        verts_world.float().numpy(), normals.float().numpy(), mesh.faces.int().numpy(),
        mesh.uv.float().numpy(), mesh.uv_faces.int().numpy(), mesh.face_texture.int().numpy(),
        texels, places, linear_from_srgb(torch.arange(256) / 255).numpy(),
    )  # fmt: skip
    lamp = (
        rasterize(verts_world, mesh.faces, light, NEAR, threads)[0][0].numpy(),
        light.cam_from_world[0].float().numpy(),
        float(light.intrinsics[0, 0, 0]),
        lighting.ambient.float().numpy(), lighting.key_direction.float().numpy(),
        lighting.key_color.float().numpy(), float(lighting.softness),
    )  # fmt: skip
    areas = texture_areas(mesh)
    centers = cameras.centers_world.float().numpy()
    for view in range(views):
        seen = rasterize(verts_world, mesh.faces[solid], cameras[view], NEAR, threads)
        depth, face, weights = (picture[0].numpy() for picture in seen)
        corners = _project_corners(verts_world.double().numpy(), cameras, view)
        detail = face_detail(torch.from_numpy(corners), mesh, areas).numpy()
        layers = _layers(corners, mesh.faces[blended].int().numpy(), cameras, depth)
        frame = (
            cameras.cam_from_world[view].float().numpy(), centers[view], cameras.orthographic, samples,
            depth, face, weights, detail, solid.int().numpy(), blended.int().numpy(), *layers,
        )  # fmt: skip
        pictures = tuple(picture[view].numpy() for picture in out)

        def band(turn: int, frame: tuple = frame, pictures: tuple = pictures) -> None:
            top, bottom = height * turn // BANDS, height * (turn + 1) // BANDS
            _shade_band(top, bottom, *scene, *lamp, *frame, *pictures)

        take_turns(band, BANDS, threads)
    return out


def packed(mesh: TexturedMesh) -> tuple[np.ndarray, np.ndarray]:
    """All textures' texels in one array, and where each level begins, with its width and height."""
    count = max(len(texture.levels) for texture in mesh.textures)
    places = np.zeros((len(mesh.textures), count, 3), np.int64)
    pieces, begin, start = [], 0, 0
    for number, texture in enumerate(mesh.textures):
        for level in range(count):
            # The last level, one pixel, stands for all that would be smaller.
            have = texture.levels[min(level, len(texture.levels) - 1)]
            if level < len(texture.levels):
                pieces.append(have.reshape(-1, 4).numpy())
                start, begin = begin, begin + len(pieces[-1])
            places[number, level] = start, have.shape[1], have.shape[0]
    return np.concatenate(pieces), places


def _layers(
    corners: np.ndarray, faces: np.ndarray, cameras: Cameras, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pieces of blended triangles before the solid surface, for each sample, and the triangles' functions."""
    height, width = depth.shape
    functions = np.zeros((len(faces), FUNCTIONS))
    boxes = np.zeros((len(faces), 4), np.int32)
    _prepare(0, len(faces), corners, faces, cameras.orthographic, NEAR, width, height, functions, boxes)
    begins = np.zeros(height * width + 1, np.int64)
    none = np.zeros(0, np.int32), np.zeros(0, np.float64)
    if len(faces):
        _fill_layers(functions, boxes, cameras.orthographic, NEAR, depth, begins, *none)
    total = int(begins.sum())
    if total > MAX_LAYERS:
        raise BadInputError(
            f"Blended triangles cover {total} samples; {MAX_LAYERS} are the most. Draw fewer, or smaller."
        )
    begins = np.cumsum(begins) if total else begins
    layer_face, layer_depth = np.zeros(total, np.int32), np.zeros(total, np.float64)
    if total:
        # Filled from each sample's end, so that `begins` ends as the beginnings.
        _fill_layers(functions, boxes, cameras.orthographic, NEAR, depth, begins, layer_face, layer_depth)
    return functions, begins, layer_face, layer_depth


@kernel
def _fill_layers(functions, boxes, orthographic, near, depth, begins, layer_face, layer_depth):
    """Count the pieces of each sample, or write them if there is room for them."""
    write = layer_face.shape[0] > 0
    width = depth.shape[1]
    nearest = -near if orthographic else 1.0 / near
    for f in range(boxes.shape[0]):
        for row in range(boxes[f, 2], boxes[f, 3]):
            y = row + 0.5
            for column in range(boxes[f, 0], boxes[f, 1]):
                x = column + 0.5
                a = functions[f, 0] * x + (functions[f, 1] * y + functions[f, 2])
                b = functions[f, 3] * x + (functions[f, 4] * y + functions[f, 5])
                c = functions[f, 6] * x + (functions[f, 7] * y + functions[f, 8])
                if a < 0.0 or b < 0.0 or c < 0.0:
                    continue
                close = functions[f, 9] * x + (functions[f, 10] * y + functions[f, 11])
                if close >= nearest or not (orthographic or close > 0.0):
                    continue
                here = -close if orthographic else 1.0 / close
                solid = depth[row, column]
                if solid > 0.0 and here >= solid:
                    continue
                sample = row * width + column
                if write:
                    begins[sample] -= 1
                    layer_face[begins[sample]] = f
                    layer_depth[begins[sample]] = here
                else:
                    begins[sample] += 1


@kernel
def _shade_band(
    top, bottom,
    verts, normals, faces, uv, uv_faces, face_texture, texels, places, linear,
    shadow, light_from_world, light_scale, ambient, key_direction, key_color, softness,
    cam_from_world, center, orthographic, samples, depth, face, weights, detail, solid, blended,
    functions, begins, layer_face, layer_depth,
    out_color, out_alpha, out_depth, out_normal, out_face,
):  # fmt: skip
    """Shade all samples of some rows of output pixels, and average them."""
    width = depth.shape[1]
    got = np.zeros(7, np.float32)
    w = np.zeros(3, np.float32)
    share = 1.0 / (samples * samples)
    for row in range(top, bottom):
        for column in range(out_alpha.shape[1]):
            red, green, blue, cover = 0.0, 0.0, 0.0, 0.0
            nx, ny, nz = 0.0, 0.0, 0.0
            best, best_face = math.inf, -1
            for j in range(samples):
                y = row * samples + j
                for i in range(samples):
                    x = column * samples + i
                    sample = y * width + x
                    first, last = begins[sample], begins[sample + 1]
                    hit = face[y, x]
                    if hit < 0 and first == last:
                        continue
                    _sort(layer_face, layer_depth, first, last)
                    through, shown = 1.0, -1
                    mx, my, mz, mine = 0.0, 0.0, 0.0, 0.0
                    for layer in range(first, last + 1):
                        if layer < last:
                            g = layer_face[layer]
                            _weights(functions, g, x + 0.5, y + 0.5, w)
                            f, z = blended[g], layer_depth[layer]
                        elif hit >= 0:
                            w[0], w[1], w[2] = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
                            f, z = solid[hit], depth[y, x]
                        else:
                            break
                        _shade(
                            f, w, verts, normals, faces, uv, uv_faces, face_texture, texels, places, linear,
                            shadow, light_from_world, light_scale, ambient, key_direction, key_color,
                            softness, cam_from_world, center, orthographic, detail, got,
                        )  # fmt: skip
                        alpha = got[3] if layer < last else 1.0
                        part_of = through * alpha
                        red += part_of * got[0]
                        green += part_of * got[1]
                        blue += part_of * got[2]
                        through -= part_of
                        if shown < 0 and through <= 0.5:
                            shown, mine = f, z
                            mx, my, mz = got[4], got[5], got[6]
                        if through < 1e-4:
                            break
                    cover += 1.0 - through
                    if shown >= 0:
                        nx += mx
                        ny += my
                        nz += mz
                        if mine < best:
                            best, best_face = mine, shown
            if cover <= 0.0:
                out_alpha[row, column], out_depth[row, column], out_face[row, column] = 0.0, 0.0, -1
                for axis in range(3):
                    out_color[row, column, axis] = 0.0
                    out_normal[row, column, axis] = 0.0
                continue
            out_alpha[row, column] = cover * share
            out_color[row, column, 0] = _develop(red / cover)
            out_color[row, column, 1] = _develop(green / cover)
            out_color[row, column, 2] = _develop(blue / cover)
            out_face[row, column] = best_face
            out_depth[row, column] = best if best_face >= 0 else 0.0
            size = math.sqrt(nx * nx + ny * ny + nz * nz)
            size = 1.0 / size if size > 1e-6 else 0.0
            out_normal[row, column, 0] = nx * size
            out_normal[row, column, 1] = ny * size
            out_normal[row, column, 2] = nz * size


@part
def _sort(layer_face, layer_depth, first, last):
    """Nearest first; of equally near ones the first triangle (insertion: there are few)."""
    for i in range(first + 1, last):
        face, depth = layer_face[i], layer_depth[i]
        j = i - 1
        while j >= first and (layer_depth[j] > depth or (layer_depth[j] == depth and layer_face[j] > face)):
            layer_face[j + 1], layer_depth[j + 1] = layer_face[j], layer_depth[j]
            j -= 1
        layer_face[j + 1], layer_depth[j + 1] = face, depth


@part
def _weights(functions, f, x, y, w):
    a = functions[f, 0] * x + (functions[f, 1] * y + functions[f, 2])
    b = functions[f, 3] * x + (functions[f, 4] * y + functions[f, 5])
    c = functions[f, 6] * x + (functions[f, 7] * y + functions[f, 8])
    total = a + b + c
    w[0], w[1], w[2] = a / total, b / total, c / total


@part
def _develop(light):
    """Roll off what is too bright, and write as sRGB."""
    if light > 0.7:
        light = 0.7 + 0.3 * (1.0 - math.exp(-(light - 0.7) / 0.3))
    if light <= 0.0031308:
        return max(light, 0.0) * 12.92
    return 1.055 * light ** (1.0 / 2.4) - 0.055


@part
def _shade(
    f, w, verts, normals, faces, uv, uv_faces, face_texture, texels, places, linear,
    shadow, light_from_world, light_scale, ambient, key_direction, key_color, softness,
    cam_from_world, center, orthographic, detail, got,
):  # fmt: skip
    """Light, alpha and camera-space normal of one point of a triangle."""
    px = py = pz = nx = ny = nz = np.float32(0.0)
    u = v = np.float32(0.0)
    for k in range(3):
        i, t, s = faces[f, k], uv_faces[f, k], w[k]
        px += s * verts[i, 0]
        py += s * verts[i, 1]
        pz += s * verts[i, 2]
        nx += s * normals[i, 0]
        ny += s * normals[i, 1]
        nz += s * normals[i, 2]
        u += s * uv[t, 0]
        v += s * uv[t, 1]
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    size = np.float32(1.0) / max(size, np.float32(1e-12))
    nx, ny, nz = nx * size, ny * size, nz * size
    if orthographic:
        ex, ey, ez = -cam_from_world[2, 0], -cam_from_world[2, 1], -cam_from_world[2, 2]
    else:
        ex, ey, ez = center[0] - px, center[1] - py, center[2] - pz
    if nx * ex + ny * ey + nz * ez < 0.0:
        nx, ny, nz = -nx, -ny, -nz
    _texel(face_texture[f], u, v, detail[f], texels, places, linear, got)
    facing = nx * key_direction[0] + ny * key_direction[1] + nz * key_direction[2]
    lit = np.float32(0.0)
    if facing > 0.0:
        lit = facing * _unshadowed(px, py, pz, nx, ny, nz, facing, shadow, light_from_world, light_scale,
                                   softness)  # fmt: skip
    for channel in range(3):
        soft = max(_irradiance(nx, ny, nz, ambient, channel), np.float32(0.0))
        got[channel] *= soft + lit * key_color[channel]
    for axis in range(3):
        got[4 + axis] = (
            cam_from_world[axis, 0] * nx + cam_from_world[axis, 1] * ny + cam_from_world[axis, 2] * nz
        )


@part
def _irradiance(x, y, z, ambient, channel):
    """Nine real spherical harmonics, in the order of degree and then of order."""
    total = np.float32(0.28209479177387814) * ambient[0, channel]
    total += np.float32(0.4886025119029199) * (
        y * ambient[1, channel] + z * ambient[2, channel] + x * ambient[3, channel]
    )
    total += np.float32(1.0925484305920792) * (
        x * y * ambient[4, channel] + y * z * ambient[5, channel] + x * z * ambient[7, channel]
    )
    total += np.float32(0.31539156525252005) * (np.float32(3.0) * z * z - np.float32(1.0)) * ambient[6, channel]
    total += np.float32(0.5462742152960396) * (x * x - y * y) * ambient[8, channel]
    return total


@part
def _unshadowed(px, py, pz, nx, ny, nz, facing, shadow, light_from_world, scale, softness):
    """Part of the lamp that the point sees: a square of places round it asked in the lamp's picture."""
    # Off the surface, or it would shade itself; more where the light falls at a slant.
    lift = np.float32(0.004) + np.float32(0.008) * (np.float32(1.0) - facing)
    x, y, z = px + lift * nx, py + lift * ny, pz + lift * nz
    m = light_from_world
    lx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    ly = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    lz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    half = np.float32(SHADOW_SIZE * 0.5)
    cx, cy = lx * scale + half, ly * scale + half
    spread = softness * scale / (TAPS - 1)
    # The surface itself comes nearer to the lamp on one side: within the square that shades nothing.
    steep = spread / scale / max(facing, np.float32(0.2))
    slope_x = steep * (m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz)
    slope_y = steep * (m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz)
    free = 0
    for j in range(TAPS):
        for i in range(TAPS):
            right, down = i - np.float32((TAPS - 1) * 0.5), j - np.float32((TAPS - 1) * 0.5)
            tx, ty = int(math.floor(cx + right * spread)), int(math.floor(cy + down * spread))
            if tx < 0 or ty < 0 or tx >= SHADOW_SIZE or ty >= SHADOW_SIZE:
                free += 1
                continue
            blocker = shadow[ty, tx]
            if blocker <= 0.0 or blocker > lz + right * slope_x + down * slope_y - np.float32(0.006):
                free += 1
    return np.float32(free) / np.float32(TAPS * TAPS)


@part
def _texel(texture, u, v, detail, texels, places, linear, got):
    """Trilinear: between four pixels of each of two levels; the picture repeats."""
    deepest = places.shape[1] - 1
    detail = min(detail, np.float32(deepest))
    level = int(detail)
    share = detail - np.float32(level)
    u, v = u - np.float32(math.floor(u)), v - np.float32(math.floor(v))
    for channel in range(4):
        got[channel] = 0.0
    for step in range(2):
        factor = (np.float32(1.0) - share) if step == 0 else share
        if factor == 0.0:
            continue
        at_level = min(level + step, deepest)
        begin, width = places[texture, at_level, 0], places[texture, at_level, 1]
        height = places[texture, at_level, 2]
        x = u * np.float32(width) - np.float32(0.5)
        y = (np.float32(1.0) - v) * np.float32(height) - np.float32(0.5)
        left, upper = math.floor(x), math.floor(y)
        fx, fy = x - np.float32(left), y - np.float32(upper)
        x0, y0 = int(left), int(upper)
        x1, y1 = x0 + 1, y0 + 1
        x0, y0 = width - 1 if x0 < 0 else x0, height - 1 if y0 < 0 else y0
        x1, y1 = 0 if x1 >= width else x1, 0 if y1 >= height else y1
        for corner in range(4):
            column, row = x1 if corner & 1 else x0, y1 if corner & 2 else y0
            amount = factor * (fx if corner & 1 else np.float32(1.0) - fx)
            amount *= fy if corner & 2 else np.float32(1.0) - fy
            at = begin + row * width + column
            got[0] += amount * linear[texels[at, 0]]
            got[1] += amount * linear[texels[at, 1]]
            got[2] += amount * linear[texels[at, 2]]
            got[3] += amount * np.float32(texels[at, 3]) * np.float32(1.0 / 255.0)
