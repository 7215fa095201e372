"""The door of the textured renderer: colour, alpha, depth, normals and face numbers in one pass.

Opaque triangles are found by the mesh rasteriser. Triangles of hair, brows and lashes are blended before them,
in the order of their depth at each sample. Light is added in linear space: surroundings in spherical harmonics
(Ramamoorthi and Hanrahan 2001) and one key light with a soft shadow from a depth picture (Reeves et al. 1987).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.core.cameras import Cameras, look_at
from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.mesh.lighting import Lighting
from vivant.mesh.normals import vertex_normals
from vivant.mesh.texture import Texture

SHADOW_SIZE = 512
"""Pixels a side of the picture that the key light takes."""

TAPS = 4
"""The shadow is asked at so many places each way."""


@dataclass(frozen=True)
class TexturedMesh:
    """Triangles with pictures on them; where the vertices are is said when it is drawn."""

    faces: Int[Tensor, "faces 3"]
    uv: Float[Tensor, "uvs 2"]
    """0 to 1, v up; outside, the picture repeats."""

    uv_faces: Int[Tensor, "faces 3"]
    face_texture: Int[Tensor, " faces"]
    textures: tuple[Texture, ...]
    face_blended: Bool[Tensor, " faces"]
    """True: alpha blends (hair, brows). False: the triangle is solid whatever its alpha."""

    weld: Int[Tensor, " verts"]
    """The first vertex at the same place: seams of a texture double vertices, normals go across them."""

    def __post_init__(self) -> None:
        """Check counts and numbers.

        Raises:
            BadInputError: If a count differs, or a face names what does not exist.
        """
        expect_counts(
            "TexturedMesh",
            faces=len(self.faces),
            uv_faces=len(self.uv_faces),
            face_texture=len(self.face_texture),
            face_blended=len(self.face_blended),
        )
        limits = {
            "faces": (self.faces, len(self.weld)),
            "uv_faces": (self.uv_faces, len(self.uv)),
            "face_texture": (self.face_texture, len(self.textures)),
            "weld": (self.weld, len(self.weld)),
        }
        for name, (index, limit) in limits.items():
            if index.numel() and (int(index.min()) < 0 or int(index.max()) >= limit):
                raise BadInputError(
                    f"`{name}` holds {int(index.min())} to {int(index.max())}; 0 to {limit - 1} exist."
                )

    @cached_property
    def arrays(self) -> "MeshArrays":
        """What compiled kernels take, made once: the same person is drawn many times."""
        texels, places = packed_textures(self.textures)
        blended = self.face_blended.numpy()
        return MeshArrays(
            self.faces.int().numpy(), self.weld.int().numpy(), self.uv.float().numpy(),
            self.uv_faces.int().numpy(), self.face_texture.int().numpy(), texture_areas(self).float().numpy(),
            np.flatnonzero(~blended).astype(np.int32), np.flatnonzero(blended).astype(np.int32), texels, places,
        )  # fmt: skip


class MeshArrays(NamedTuple):
    """A textured mesh for compiled kernels."""

    faces: np.ndarray
    weld: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    face_texture: np.ndarray
    areas: np.ndarray
    """Of `texture_areas`."""

    solid: np.ndarray
    """Numbers of the faces that do not blend."""

    blended: np.ndarray
    texels: np.ndarray
    """Pixels of all levels of all textures, one after another."""

    places: np.ndarray
    """For each texture and level: its first texel, width, and height."""


@dataclass(frozen=True)
class MeshPictures:
    """What cameras see of a textured mesh."""

    color: Float[Tensor, "views height width 3"]
    """sRGB, straight (not multiplied by alpha); 0 where nothing is."""

    alpha: Float[Tensor, "views height width"]
    depth: Float[Tensor, "views height width"]
    """Metres along the camera's z to the nearest sample that is more than half covered; 0 where nothing is."""

    normal: Float[Tensor, "views height width 3"]
    """Unit, camera axes (towards the camera is -z): the mean of the samples; 0 where nothing is."""

    face: Int[Tensor, "views height width"]
    """Triangle of the sample that `depth` belongs to; -1 where nothing is."""


def smooth_normals(mesh: TexturedMesh, verts_world: Float[Tensor, "verts 3"]) -> Float[Tensor, "verts 3"]:
    """Unit normals of corners that go across the seams of textures."""
    return vertex_normals(verts_world, mesh.weld[mesh.faces])[mesh.weld]


def draw_textured(
    verts_world: Float[Tensor, "verts 3"],
    mesh: TexturedMesh,
    cameras: Cameras,
    lighting: Lighting,
    *,
    samples: int = 2,
    backend: str = "auto",
    threads: int | None = None,
) -> MeshPictures:
    """Draw a lit, textured mesh.

    Args:
        verts_world: Where the vertices are now.
        mesh: What is on them.
        cameras: Perspective or orthographic; one picture each.
        lighting: What falls on them.
        samples: Along each side of a pixel.
        backend: `numba` (CPU), `torch` (plain torch, any device), or `auto`: numba unless the vertices lie on
            another device than the CPU.
        threads: Of the numba backend; all processors if None.

    Raises:
        BadInputError: If vertices are not finite or of another number, or the backend is unknown.
    """
    expect_counts("draw_textured", verts_world=len(verts_world), mesh=len(mesh.weld))
    if not bool(torch.isfinite(verts_world).all()):
        raise BadInputError("`verts_world` has corners that are not finite; a mesh needs numbers.")
    if not 1 <= samples <= 8:
        raise BadInputError(f"{samples} samples along a pixel's side; 1 to 8 are possible.")
    if backend not in ("auto", "numba", "torch"):
        raise BadInputError(f"There is no backend {backend!r}; there are auto, numba and torch.")
    fine = cameras.resized(cameras.width * samples, cameras.height * samples)
    light = light_camera(verts_world, lighting)
    if backend == "torch" or (backend == "auto" and verts_world.device.type != "cpu"):
        from vivant.mesh import _textured_reference

        normals = smooth_normals(mesh, verts_world)
        return MeshPictures(
            *_textured_reference.draw(verts_world, normals, mesh, fine, lighting, light, samples)
        )
    from vivant.mesh import _textured_numba

    return MeshPictures(*_textured_numba.draw(verts_world, mesh, fine, lighting, light, samples, threads))


def light_camera(verts_world: Float[Tensor, "verts 3"], lighting: Lighting) -> Cameras:
    """Look at the whole mesh from the key light's side."""
    low, high = verts_world.amin(0).cpu(), verts_world.amax(0).cpu()
    middle, reach = (low + high) / 2, float((high - low).norm()) / 2 + 0.05
    pose = look_at(middle + 2 * reach * lighting.key_direction.cpu(), middle)
    scale = SHADOW_SIZE / 2 / reach
    half = SHADOW_SIZE / 2
    intrinsics = torch.tensor([[scale, 0, half], [0, scale, half], [0, 0, 1.0]])
    return Cameras(pose[None], intrinsics[None], SHADOW_SIZE, SHADOW_SIZE, orthographic=True)


def face_detail(
    corners: Float[Tensor, "verts 4"], mesh: TexturedMesh, areas: Float[Tensor, " faces"]
) -> Float[Tensor, " faces"]:
    """Level of each triangle's texture at which its pixels are as large as the picture's samples.

    Args:
        corners: Homogeneous pixels of the vertices.
        mesh: Of `areas` too.
        areas: Of the triangles in their textures, in pixels of the first level.
    """
    pixels = corners[:, :2] / corners[:, 2:3].clamp(min=1e-6)
    a, b, c = pixels[mesh.faces].unbind(1)
    u, v = b - a, c - a
    drawn = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs().clamp(min=1e-3)
    # Half a level sharper than one sample a texel: several samples make a pixel.
    detail = 0.5 * torch.log2(areas.to(drawn).clamp(min=1e-6) / drawn) - 0.25
    return detail.clamp(min=0).float()


def texture_areas(mesh: TexturedMesh) -> Float[Tensor, " faces"]:
    """Twice each triangle's area in its texture, in pixels of the first level."""
    a, b, c = mesh.uv[mesh.uv_faces].unbind(1)
    u, v = b - a, c - a
    sizes = torch.tensor([float(t.levels[0].shape[0] * t.levels[0].shape[1]) for t in mesh.textures])
    return (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs() * sizes.to(mesh.uv.device)[mesh.face_texture]


def packed_textures(textures: tuple[Texture, ...]) -> tuple[np.ndarray, np.ndarray]:
    """All textures' texels in one array, and where each level begins, with its width and height."""
    count = max(len(texture.levels) for texture in textures)
    places = np.zeros((len(textures), count, 3), np.int64)
    pieces, begin, start = [], 0, 0
    for number, texture in enumerate(textures):
        for level in range(count):
            # The last level, one pixel, stands for all that would be smaller.
            have = texture.levels[min(level, len(texture.levels) - 1)]
            if level < len(texture.levels):
                pieces.append(have.reshape(-1, 4).numpy())
                start, begin = begin, begin + len(pieces[-1])
            places[number, level] = start, have.shape[1], have.shape[0]
    return np.concatenate(pieces), places
