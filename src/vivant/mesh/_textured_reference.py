"""The textured renderer in plain torch, on any device: the definition that `_textured_numba` is held to.

All pieces (a triangle at a sample) of all triangles are written out, in portions of bounded memory.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.mesh.lighting import Lighting, irradiance
from vivant.mesh.rasterize import NEAR
from vivant.mesh.texture import linear_from_srgb, srgb_from_linear
from vivant.mesh.textured import (
    SHADOW_SIZE,
    TAPS,
    TexturedMesh,
    face_detail,
    texture_areas,
)

PORTION = 1 << 23
"""At most about so many pieces are held at once."""


def draw(
    verts_world: Tensor, normals: Tensor, mesh: TexturedMesh, cameras: Cameras, lighting: Lighting,
    light: Cameras, samples: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Colour, alpha, depth, normal and face of each view; the cameras' pixels are the samples."""
    scene = _Scene(verts_world, normals, mesh, lighting, light)
    drawn = [scene.draw_view(cameras[view], samples) for view in range(len(cameras))]
    return tuple(torch.stack(pictures) for pictures in zip(*drawn, strict=True))  # pyright: ignore


class _Scene:
    """What all views share, on the device of the vertices."""

    def __init__(
        self, verts: Tensor, normals: Tensor, mesh: TexturedMesh, lighting: Lighting, light: Cameras
    ) -> None:
        device = verts.device
        self.verts, self.normals, self.mesh = verts, normals, mesh
        self.areas = texture_areas(mesh)
        count = max(len(texture.levels) for texture in mesh.textures)
        places = torch.zeros(len(mesh.textures), count, 3, dtype=torch.long)
        pieces, begin, start = [], 0, 0
        for number, texture in enumerate(mesh.textures):
            for level in range(count):
                have = texture.levels[min(level, len(texture.levels) - 1)]
                if level < len(texture.levels):
                    pieces.append(have.reshape(-1, 4))
                    start, begin = begin, begin + len(pieces[-1])
                places[number, level] = torch.tensor([start, have.shape[1], have.shape[0]])
        self.texels, self.places = torch.cat(pieces).to(device), places.to(device)
        self.linear = linear_from_srgb(torch.arange(256) / 255).to(device)
        self.ambient = lighting.ambient.float().to(device)
        self.key_direction = lighting.key_direction.float().to(device)
        self.key_color = lighting.key_color.float().to(device)
        self.softness = lighting.softness
        self.light = light.to(device)
        corners, _ = _project(verts, self.light)
        self.shadow = _nearest(corners, mesh.faces, self.light)[0]

    def draw_view(self, cameras: Cameras, samples: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        mesh, height, width = self.mesh, cameras.height, cameras.width
        cameras = cameras.to(self.verts.device)
        corners, _ = _project(self.verts, cameras)
        detail = face_detail(corners, mesh, self.areas)
        solid, blended = (~mesh.face_blended).nonzero()[:, 0], mesh.face_blended.nonzero()[:, 0]
        depth, face, weights = (
            picture.flatten(0, 1) for picture in _nearest(corners, mesh.faces[solid], cameras)
        )
        pixel = (face >= 0).nonzero()[:, 0]
        # Every piece of every sample: where, which triangle, how deep, its weights; the solid one comes last.
        pieces = [(pixel, solid[face[pixel]], depth[pixel].double(), weights[pixel], torch.ones_like(pixel))]
        for at, f, z, w in _pieces(corners, mesh.faces[blended], cameras):
            before = (depth[at] == 0) | (z < depth[at])
            at, f, z, w = at[before], f[before], z[before], w[before]
            pieces.append((at, blended[f], z, w.float(), torch.zeros_like(at)))
        goods = [torch.cat(parts) for parts in zip(*pieces, strict=True)]
        # Three stable sorts: by sample, within a sample by depth, within a depth by triangle.
        for key in (1, 2, 0):
            order = torch.sort(goods[key], stable=True).indices
            goods = [good[order] for good in goods]
        at, f, z, w, opaque = goods
        color, alpha, normal = self.shade(f, w, detail, cameras)
        alpha = torch.where(opaque > 0, torch.ones_like(alpha), alpha)
        return _average(at, f, z.float(), color, alpha, normal, (height, width), samples)

    def shade(self, f: Tensor, w: Tensor, detail: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor, Tensor]:
        """Light, alpha and camera-space normal of points of triangles."""
        corners = self.mesh.faces[f]
        points = (w[..., None] * self.verts[corners]).sum(1)
        normals = torch.nn.functional.normalize((w[..., None] * self.normals[corners]).sum(1), dim=-1)
        uv = (w[..., None] * self.mesh.uv[self.mesh.uv_faces[f]]).sum(1)
        rotation = cameras.cam_from_world[0, :3, :3]
        eye = -rotation[2].expand_as(points) if cameras.orthographic else cameras.centers_world[0] - points
        normals = torch.where(((normals * eye).sum(-1) < 0)[:, None], -normals, normals)
        rgba = self.texel(self.mesh.face_texture[f], uv, detail[f])
        facing = normals @ self.key_direction
        lit = facing.clamp(min=0) * self.unshadowed(points, normals, facing.clamp(min=0))
        light = irradiance(normals, self.ambient).clamp(min=0) + lit[:, None] * self.key_color
        return rgba[:, :3] * light, rgba[:, 3], normals @ rotation.T

    def texel(self, texture: Tensor, uv: Tensor, detail: Tensor) -> Tensor:
        """Trilinear: between four pixels of each of two levels; the picture repeats."""
        deepest = self.places.shape[1] - 1
        detail = detail.clamp(max=deepest)
        level = detail.floor()
        uv = uv - uv.floor()
        total = uv.new_zeros(len(uv), 4)
        for step in range(2):
            factor = (1 - (detail - level)) if step == 0 else detail - level
            begin, width, height = self.places[texture, (level.long() + step).clamp(max=deepest)].unbind(-1)
            x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
            left, upper = x.floor(), y.floor()
            for corner in range(4):
                column = (left.long() + (corner & 1)) % width
                row = (upper.long() + (corner >> 1)) % height
                amount = factor * (x - left if corner & 1 else 1 - (x - left))
                amount = amount * (y - upper if corner & 2 else 1 - (y - upper))
                found = self.texels[begin + row * width + column].long()
                rgba = torch.cat([self.linear[found[:, :3]], found[:, 3:] / 255], -1)
                total += amount[:, None] * rgba
        return total

    def unshadowed(self, points: Tensor, normals: Tensor, facing: Tensor) -> Tensor:
        """Part of the lamp that points see: a square of places round each asked in the lamp's picture."""
        lifted = points + (0.004 + 0.008 * (1 - facing))[:, None] * normals
        matrix, scale = self.light.cam_from_world[0], float(self.light.intrinsics[0, 0, 0])
        local = lifted @ matrix[:3, :3].T + matrix[:3, 3]
        middle = local[:, :2] * scale + SHADOW_SIZE / 2
        # The surface itself comes nearer to the lamp on one side: within the square that shades nothing.
        steep = self.softness / (TAPS - 1) / facing.clamp(min=0.2)
        slope = steep[:, None] * (normals @ matrix[:2, :3].T)
        free = torch.zeros_like(facing)
        for j in range(TAPS):
            for i in range(TAPS):
                shift = torch.tensor([i - (TAPS - 1) / 2, j - (TAPS - 1) / 2]).to(middle)
                place = (middle + shift * (self.softness * scale / (TAPS - 1))).floor().long()
                inside = ((place >= 0) & (place < SHADOW_SIZE)).all(-1)
                place = place.clamp(0, SHADOW_SIZE - 1)
                blocker = self.shadow[place[:, 1], place[:, 0]]
                free += (~inside | (blocker <= 0) | (blocker > local[:, 2] + slope @ shift - 0.006)).float()
        return free / TAPS**2


def _project(verts: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Homogeneous pixels (x w, y w, w) and z of vertices, in double precision."""
    matrix, k = cameras.cam_from_world[0].double(), cameras.intrinsics[0].double()
    cam = verts.double() @ matrix[:3, :3].T + matrix[:3, 3]
    w = torch.ones_like(cam[:, 2]) if cameras.orthographic else cam[:, 2]
    x, y = k[0, 0] * cam[:, 0] + k[0, 2] * w, k[1, 1] * cam[:, 1] + k[1, 2] * w
    return torch.stack([x, y, w, cam[:, 2]], 1), cam


def _nearest(corners: Tensor, faces: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor, Tensor]:
    """Depth, face and weights of the nearest triangle of each sample; of equally near ones the first."""
    height, width = cameras.height, cameras.width
    depth = corners.new_full((height * width,), torch.inf)
    face = torch.full((height * width,), -1, dtype=torch.long, device=corners.device)
    weights = corners.new_zeros(height * width, 3)
    for at, f, z, w in _pieces(corners, faces, cameras):
        closest = depth.scatter_reduce(0, at, z, "amin")
        winner = (z == closest[at]) & (z < depth[at])
        at, f, z, w = at[winner], f[winner], z[winner], w[winner]
        first = torch.full_like(face, len(faces)).scatter_reduce(0, at, f, "amin")
        winner = f == first[at]
        at, f, z, w = at[winner], f[winner], z[winner], w[winner]
        depth, face, weights = (old.index_put((at,), new) for old, new in ((depth, z), (face, f), (weights, w)))
    depth = torch.where(face >= 0, depth, 0.0)
    return (
        depth.float().reshape(height, width),
        face.reshape(height, width),
        weights.float().reshape(height, width, 3),
    )


def _pieces(
    corners: Tensor, faces: Tensor, cameras: Cameras
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Give, in portions: sample, triangle, depth and weights of all pieces before the near plane."""
    if not len(faces):
        return
    a, b, c = corners[faces.long()].unbind(1)
    rows = [torch.linalg.cross(p[:, :3], q[:, :3]) for p, q in ((b, c), (c, a), (a, b))]
    volume = (a[:, :3] * rows[0]).sum(-1)
    boxes = _boxes(a, b, c, cameras)
    extent = (boxes[:, 1] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 2]).clamp(min=0)
    count = torch.where(volume == 0, 0, extent)
    sign = torch.where(volume < 0, -1.0, 1.0).to(volume)
    rows = [row * sign[:, None] for row in rows]
    near = (1.0, 1.0, 1.0) if not cameras.orthographic else (-a[:, 3:], -b[:, 3:], -c[:, 3:])
    close = sum(n * row for n, row in zip(near, rows, strict=True)) / volume.abs().clamp(min=1e-300)[:, None]
    ends = count.cumsum(0)
    begin = 0
    while begin < len(faces):
        base = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(torch.searchsorted(ends, base + PORTION, right=True)))
        f = torch.repeat_interleave(torch.arange(begin, end, device=faces.device), count[begin:end])
        within = torch.arange(len(f), device=faces.device) - (ends - count)[f] + base
        across = (boxes[f, 1] - boxes[f, 0]).clamp(min=1)
        column, row = boxes[f, 0] + within % across, boxes[f, 2] + within // across
        x, y = column + 0.5, row + 0.5
        sides = torch.stack([r[f, 0] * x + (r[f, 1] * y + r[f, 2]) for r in rows], -1)
        value = close[f, 0] * x + (close[f, 1] * y + close[f, 2])
        limit = -NEAR if cameras.orthographic else 1 / NEAR
        inside = (sides >= 0).all(-1) & (value < limit) & ((value > 0) | cameras.orthographic)
        f, sides, value = f[inside], sides[inside], value[inside]
        depth = -value if cameras.orthographic else 1 / value
        yield (row * cameras.width + column)[inside], f, depth, sides / sides.sum(-1, keepdim=True)
        begin = end


def _boxes(a: Tensor, b: Tensor, c: Tensor, cameras: Cameras) -> Tensor:
    """First and last (exclusive) column and row whose centres each triangle may cover."""
    low, high = a.new_full((len(a), 2), torch.inf), a.new_full((len(a), 2), -torch.inf)
    for p, q in ((a, b), (b, c), (c, a)):
        before = (p[:, 3] > NEAR)[:, None]
        at = p[:, :2] / p[:, 2:3]
        low, high = torch.where(before, low.minimum(at), low), torch.where(before, high.maximum(at), high)
        crosses = before ^ (q[:, 3] > NEAR)[:, None]
        share = (NEAR - p[:, 3:]) / torch.where(crosses, q[:, 3:] - p[:, 3:], 1.0)
        at = (p[:, :2] + share * (q[:, :2] - p[:, :2])) / (1.0 if cameras.orthographic else NEAR)
        low, high = torch.where(crosses, low.minimum(at), low), torch.where(crosses, high.maximum(at), high)
    size = low.new_tensor([cameras.width, cameras.height])
    first = (low.clamp(min=0).minimum(size) - 0.5).ceil().long().clamp(min=0)
    last = (high.clamp(min=-1).minimum(size) - 0.5).floor().long() + 1
    return torch.stack([first[:, 0], last[:, 0], first[:, 1], last[:, 1]], 1)


def _average(
    at: Tensor,
    f: Tensor,
    z: Tensor,
    color: Tensor,
    alpha: Tensor,
    normal: Tensor,
    size: tuple[int, int],
    samples: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Blend the pieces of each sample, nearest first, and average samples to pixels."""
    height, width = size
    total = height * width
    starts = torch.searchsorted(at, torch.arange(total, device=at.device))
    counts = torch.bincount(at, minlength=total)
    through = color.new_ones(total)
    light, normals = color.new_zeros(total, 3), color.new_zeros(total, 3)
    depth = color.new_full((total,), torch.inf)
    face = torch.full((total,), -1, dtype=torch.long, device=at.device)
    for layer in range(int(counts.max()) if len(at) else 0):
        here = ((counts > layer) & (through >= 1e-4)).nonzero()[:, 0]
        piece = starts[here] + layer
        share = through[here] * alpha[piece]
        light[here] += share[:, None] * color[piece]
        through[here] -= share
        shown = (face[here] < 0) & (through[here] <= 0.5)
        here, piece = here[shown], piece[shown]
        face[here], depth[here], normals[here] = f[piece], z[piece], normal[piece]

    def blocks(values: Tensor) -> Tensor:
        shape = (height // samples, samples, width // samples, samples, -1)
        return values.reshape(shape).transpose(1, 2).flatten(2, 3)

    cover = blocks(1 - through)[..., 0].sum(-1)
    mean = blocks(light).sum(2) / cover.clamp(min=1e-9)[..., None]
    nearest = blocks(depth)[..., 0].min(-1)
    face = blocks(face)[..., 0].gather(-1, nearest.indices[..., None])[..., 0]
    normal = blocks(normals).sum(2)
    size_ = normal.norm(dim=-1, keepdim=True)
    normal = torch.where(size_ > 1e-6, normal / size_.clamp(min=1e-6), 0.0)
    return (
        torch.where(cover[..., None] > 0, _develop(mean), 0.0),
        cover / samples**2,
        torch.where(nearest.values.isinf(), 0.0, nearest.values),
        normal,
        face.int(),
    )


def _develop(light: Tensor) -> Tensor:
    """Roll off what is too bright, and write as sRGB."""
    soft = 0.7 + 0.3 * (1 - torch.exp(-(light - 0.7) / 0.3))
    return srgb_from_linear(torch.where(light > 0.7, soft, light.clamp(min=0)))
