"""Light, colour and normal of what a sample sees: the kernels of the textured renderer on the CPU.

Each part gives back numbers rather than filling an array: they stay in registers.
"""

import math

import numpy as np

from vivant.core.jit import kernel, part
from vivant.mesh.textured import SHADOW_SIZE, TAPS

ZERO, ONE = np.float32(0.0), np.float32(1.0)


@kernel
def shade_band(
    top, bottom,
    corners, faces, uv, uv_faces, face_texture, texels, places, linear,
    shadow, light_from_world, light_scale, ambient, key_direction, key_color, softness,
    cam_from_world, center, orthographic, samples, functions, nearness, face, detail, solid,
    blended, blended_functions, begins, layer_face, layer_depth,
    out_color, out_alpha, out_depth, out_normal, out_face,
):  # fmt: skip
    """Shade all samples of some rows of output pixels, and average them.

    `begins` has one number if there are no pieces of blended triangles at all.
    """
    width = face.shape[1]
    layered = begins.shape[0] > 1
    share = 1.0 / (samples * samples)
    m = cam_from_world
    for row in range(top, bottom):
        for column in range(out_alpha.shape[1]):
            red, green, blue, cover = 0.0, 0.0, 0.0, 0.0
            nx, ny, nz = 0.0, 0.0, 0.0
            best, best_face = math.inf, -1
            for j in range(samples):
                y = row * samples + j
                for i in range(samples):
                    x = column * samples + i
                    hit = face[y, x]
                    first, last = 0, 0
                    if layered:
                        first, last = begins[y * width + x], begins[y * width + x + 1]
                    if hit < 0 and first == last:
                        continue
                    if last - first > 1:
                        _sort(layer_face, layer_depth, first, last)
                    through, shown = 1.0, -1
                    mx, my, mz, mine = ZERO, ZERO, ZERO, 0.0
                    for layer in range(first, last + 1):
                        if layer < last:
                            g = layer_face[layer]
                            a, b, c = _weights(blended_functions, g, x + 0.5, y + 0.5)
                            f, z = blended[g], layer_depth[layer]
                        elif hit >= 0:
                            a, b, c = _weights(functions, hit, x + 0.5, y + 0.5)
                            close = nearness[y, x]
                            f, z = solid[hit], np.float64(np.float32(-close if orthographic else 1.0 / close))
                        else:
                            break
                        r, g_, b_, alpha, sx, sy, sz = _shade(
                            f, a, b, c, corners, faces, uv, uv_faces, face_texture, texels, places, linear,
                            shadow, light_from_world, light_scale, ambient, key_direction, key_color,
                            softness, m, center, orthographic, detail,
                        )  # fmt: skip
                        part_of = through * alpha if layer < last else through
                        red += part_of * r
                        green += part_of * g_
                        blue += part_of * b_
                        through -= part_of
                        if shown < 0 and through <= 0.5:
                            shown, mine = f, z
                            mx, my, mz = sx, sy, sz
                        if through < 1e-4:
                            break
                    cover += 1.0 - through
                    if shown >= 0:
                        nx += m[0, 0] * mx + m[0, 1] * my + m[0, 2] * mz
                        ny += m[1, 0] * mx + m[1, 1] * my + m[1, 2] * mz
                        nz += m[2, 0] * mx + m[2, 1] * my + m[2, 2] * mz
                        if mine < best:
                            best, best_face = mine, shown
            if cover <= 0.0:
                out_alpha[row, column], out_depth[row, column], out_face[row, column] = 0.0, 0.0, -1
                for axis in range(3):
                    out_color[row, column, axis] = 0.0
                    out_normal[row, column, axis] = 0.0
                continue
            out_alpha[row, column] = cover * share
            out_color[row, column, 0] = _develop(np.float32(red / cover))
            out_color[row, column, 1] = _develop(np.float32(green / cover))
            out_color[row, column, 2] = _develop(np.float32(blue / cover))
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
def _weights(functions, f, x, y):
    """Barycentrics of a triangle at a sample."""
    a = functions[f, 0] * x + (functions[f, 1] * y + functions[f, 2])
    b = functions[f, 3] * x + (functions[f, 4] * y + functions[f, 5])
    c = functions[f, 6] * x + (functions[f, 7] * y + functions[f, 8])
    total = a + b + c
    return np.float32(a / total), np.float32(b / total), np.float32(c / total)


@part
def _develop(light):
    """Roll off what is too bright, and write as sRGB."""
    if light > np.float32(0.7):
        light = np.float32(0.7) + np.float32(0.3) * (
            ONE - math.exp((np.float32(0.7) - light) * np.float32(1.0 / 0.3))
        )
    if light <= np.float32(0.0031308):
        return max(light, ZERO) * np.float32(12.92)
    return np.float32(1.055) * light ** np.float32(1.0 / 2.4) - np.float32(0.055)


@part
def _shade(
    f, a, b, c, corners, faces, uv, uv_faces, face_texture, texels, places, linear,
    shadow, light_from_world, light_scale, ambient, key_direction, key_color, softness,
    cam_from_world, center, orthographic, detail,
):  # fmt: skip
    """Light, alpha and normal in world axes of one point of a triangle."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    px = a * corners[i, 0] + b * corners[j, 0] + c * corners[k, 0]
    py = a * corners[i, 1] + b * corners[j, 1] + c * corners[k, 1]
    pz = a * corners[i, 2] + b * corners[j, 2] + c * corners[k, 2]
    nx = a * corners[i, 3] + b * corners[j, 3] + c * corners[k, 3]
    ny = a * corners[i, 4] + b * corners[j, 4] + c * corners[k, 4]
    nz = a * corners[i, 5] + b * corners[j, 5] + c * corners[k, 5]
    i, j, k = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
    u = a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0]
    v = a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1]
    size = ONE / max(math.sqrt(nx * nx + ny * ny + nz * nz), np.float32(1e-12))
    nx, ny, nz = nx * size, ny * size, nz * size
    if orthographic:
        ex, ey, ez = -cam_from_world[2, 0], -cam_from_world[2, 1], -cam_from_world[2, 2]
    else:
        ex, ey, ez = center[0] - px, center[1] - py, center[2] - pz
    if nx * ex + ny * ey + nz * ez < ZERO:
        nx, ny, nz = -nx, -ny, -nz
    red, green, blue, alpha = _texel(face_texture[f], u, v, detail[f], texels, places, linear)
    facing = nx * key_direction[0] + ny * key_direction[1] + nz * key_direction[2]
    lit = ZERO
    if facing > ZERO:
        lit = facing * _unshadowed(px, py, pz, nx, ny, nz, facing, shadow, light_from_world, light_scale,
                                   softness)  # fmt: skip
    red *= max(_irradiance(nx, ny, nz, ambient, 0), ZERO) + lit * key_color[0]
    green *= max(_irradiance(nx, ny, nz, ambient, 1), ZERO) + lit * key_color[1]
    blue *= max(_irradiance(nx, ny, nz, ambient, 2), ZERO) + lit * key_color[2]
    return red, green, blue, alpha, nx, ny, nz


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
    total += np.float32(0.31539156525252005) * (np.float32(3.0) * z * z - ONE) * ambient[6, channel]
    total += np.float32(0.5462742152960396) * (x * x - y * y) * ambient[8, channel]
    return total


@part
def _unshadowed(px, py, pz, nx, ny, nz, facing, shadow, light_from_world, scale, softness):
    """Part of the lamp that the point sees: a square of places round it asked in the lamp's picture."""
    # Off the surface, or it would shade itself; more where the light falls at a slant.
    lift = np.float32(0.004) + np.float32(0.008) * (ONE - facing)
    x, y, z = px + lift * nx, py + lift * ny, pz + lift * nz
    m = light_from_world
    lx = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    ly = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    lz = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    half = np.float32(SHADOW_SIZE * 0.5)
    cx, cy = lx * scale + half, ly * scale + half
    spread = softness * scale * np.float32(1.0 / (TAPS - 1))
    # The surface itself comes nearer to the lamp on one side: within the square that shades nothing.
    steep = spread / scale / max(facing, np.float32(0.2))
    slope_x = steep * (m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz)
    slope_y = steep * (m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz)
    limit = lz - np.float32(0.006)
    reach = np.float32((TAPS - 1) * 0.5)
    free = 0
    low, high = min(cx, cy) - reach * spread, max(cx, cy) + reach * spread
    if low >= ZERO and high < np.float32(SHADOW_SIZE):
        for j in range(TAPS):
            down = np.float32(j) - reach
            ty, base = np.int32(cy + down * spread), limit + down * slope_y
            for i in range(TAPS):
                right = np.float32(i) - reach
                free += shadow[ty, np.int32(cx + right * spread)] > base + right * slope_x
        return np.float32(free) * np.float32(1.0 / (TAPS * TAPS))
    for j in range(TAPS):
        down = np.float32(j) - reach
        ty, base = int(math.floor(cy + down * spread)), limit + down * slope_y
        for i in range(TAPS):
            right = np.float32(i) - reach
            tx = int(math.floor(cx + right * spread))
            if tx < 0 or ty < 0 or tx >= SHADOW_SIZE or ty >= SHADOW_SIZE:
                free += 1
            else:
                free += shadow[ty, tx] > base + right * slope_x
    return np.float32(free) * np.float32(1.0 / (TAPS * TAPS))


@part
def _texel(texture, u, v, detail, texels, places, linear):
    """Trilinear: between four pixels of each of two levels; the picture repeats."""
    deepest = places.shape[1] - 1
    detail = min(detail, np.float32(deepest))
    level = int(detail)
    share = detail - np.float32(level)
    u, v = u - np.float32(math.floor(u)), v - np.float32(math.floor(v))
    red, green, blue, alpha = _bilinear(texture, level, u, v, texels, places, linear)
    if share > ZERO:
        r, g, b, a = _bilinear(texture, min(level + 1, deepest), u, v, texels, places, linear)
        keep = ONE - share
        red, green, blue = keep * red + share * r, keep * green + share * g, keep * blue + share * b
        alpha = keep * alpha + share * a
    return red, green, blue, alpha * np.float32(1.0 / 255.0)


@part
def _bilinear(texture, level, u, v, texels, places, linear):
    begin, width, height = places[texture, level, 0], places[texture, level, 1], places[texture, level, 2]
    x = u * np.float32(width) - np.float32(0.5)
    y = (ONE - v) * np.float32(height) - np.float32(0.5)
    x0, y0 = int(math.floor(x)), int(math.floor(y))
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    x1, y1 = x0 + 1, y0 + 1
    x0, y0 = width - 1 if x0 < 0 else x0, height - 1 if y0 < 0 else y0
    x1, y1 = 0 if x1 >= width else x1, 0 if y1 >= height else y1
    above, below = begin + y0 * width, begin + y1 * width
    gx, gy = ONE - fx, ONE - fy
    a, b, c, d = gx * gy, fx * gy, gx * fy, fx * fy
    i, j, k, n = above + x0, above + x1, below + x0, below + x1
    red = a * linear[texels[i, 0]] + b * linear[texels[j, 0]]
    red += c * linear[texels[k, 0]] + d * linear[texels[n, 0]]
    green = a * linear[texels[i, 1]] + b * linear[texels[j, 1]]
    green += c * linear[texels[k, 1]] + d * linear[texels[n, 1]]
    blue = a * linear[texels[i, 2]] + b * linear[texels[j, 2]]
    blue += c * linear[texels[k, 2]] + d * linear[texels[n, 2]]
    alpha = a * np.float32(texels[i, 3]) + b * np.float32(texels[j, 3])
    alpha += c * np.float32(texels[k, 3]) + d * np.float32(texels[n, 3])
    return red, green, blue, alpha
