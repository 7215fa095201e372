"""Triangles: rasterised to depth and barycentrics, their normals, and what a camera sees of them."""

from vivant.mesh.normals import face_normals, vertex_normals
from vivant.mesh.rasterize import MeshBuffers, interpolate, rasterize_mesh
from vivant.mesh.visibility import point_visibility, vertex_visibility

__all__ = [
    "MeshBuffers",
    "face_normals",
    "interpolate",
    "point_visibility",
    "rasterize_mesh",
    "vertex_normals",
    "vertex_visibility",
]
