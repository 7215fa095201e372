"""Triangles: drawn with textures and light, rasterised to depth and barycentrics, normals, what cameras see."""

from vivant.mesh.lighting import Lighting, irradiance, random_lighting
from vivant.mesh.normals import face_normals, normals_at, vertex_normals
from vivant.mesh.rasterize import MeshBuffers, interpolate, rasterize_mesh
from vivant.mesh.texture import Texture, linear_from_srgb, srgb_from_linear
from vivant.mesh.textured import MeshPictures, TexturedMesh, draw_textured
from vivant.mesh.visibility import point_visibility, vertex_visibility

__all__ = [
    "Lighting",
    "MeshBuffers",
    "MeshPictures",
    "Texture",
    "TexturedMesh",
    "draw_textured",
    "face_normals",
    "interpolate",
    "irradiance",
    "linear_from_srgb",
    "normals_at",
    "point_visibility",
    "random_lighting",
    "rasterize_mesh",
    "srgb_from_linear",
    "vertex_normals",
    "vertex_visibility",
]
