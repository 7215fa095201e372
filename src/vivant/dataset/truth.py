"""All that is known about one picture of a person."""

import io
import json
import math
import zipfile
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import forward_kinematics, pose_verts
from vivant.core.cameras import Cameras, project
from vivant.core.images import encode_image
from vivant.dataset.figure import ANNY_FROM_MIXAMO, Figure, pose_figure
from vivant.mesh import Lighting, MeshPictures, draw_textured, interpolate, rasterize_mesh, vertex_normals
from vivant.records import Pose

SCHEMA = 1
"""Version of what a sample holds."""

MAIN_JOINTS = (
    "upperarm01.L", "upperarm01.R", "lowerarm01.L", "lowerarm01.R", "wrist.L", "wrist.R",
    "upperleg01.L", "upperleg01.R", "lowerleg01.L", "lowerleg01.R", "foot.L", "foot.R",
)  # fmt: skip
"""The twelve joints by which bodies are aligned and compared."""

BONES = (
    ("neck01", "head"), ("spine03", "neck01"), ("root", "spine03"),
    *((a + side, b + side) for side in (".L", ".R") for a, b in (
        ("clavicle", "upperarm01"), ("upperarm01", "lowerarm01"), ("lowerarm01", "wrist"),
        ("wrist", "finger2-1"), ("wrist", "finger1-1"), ("wrist", "finger5-1"),
        ("upperleg01", "lowerleg01"), ("lowerleg01", "foot"), ("foot", "toe2-1"))),
)  # fmt: skip
"""Lines of the skeleton map, each in a colour of its own."""


@dataclass(frozen=True)
class Truth:
    """A picture and what is in it."""

    verts: Float[Tensor, "verts 3"]
    """The dressed surface, metres, world."""

    pictures: MeshPictures
    """Colour, alpha, depth, camera-space normals, triangles."""

    guide_normals: Float[Tensor, "views height width 3"]
    """Camera-space normals of the anny body alone; 0 beside it."""

    joints_world: Float[Tensor, "joints 3"]
    """Of the anny body."""


def observe(
    figure: Figure, pose: Pose, cameras: Cameras, lighting: Lighting, threads: int | None = None
) -> Truth:
    """Draw a figure in a pose with everything that is known."""
    verts = pose_figure(figure, pose)
    pictures = draw_textured(verts, figure.mesh, cameras, lighting, threads=threads)
    body = pose_verts(figure.body, pose)
    return Truth(verts, pictures, body_normals(body, figure, cameras), posed_joints(figure, pose))


def body_normals(
    body: Float[Tensor, "verts 3"], figure: Figure, cameras: Cameras
) -> Float[Tensor, "views height width 3"]:
    """Draw the anny body's normals in camera axes."""
    faces = figure.body.faces
    seen = rasterize_mesh(body, faces, cameras)
    world = interpolate(seen, faces, vertex_normals(body, faces))
    turned = world @ cameras.cam_from_world[:, None, :3, :3].transpose(-1, -2)
    return torch.nn.functional.normalize(turned, dim=-1)


def posed_joints(figure: Figure, pose: Pose) -> Float[Tensor, "joints 3"]:
    """Where the anny joints are in a pose."""
    rest = figure.body.joints_world
    transforms = forward_kinematics(figure.body.joint_parents, rest, pose)
    return (transforms[:, :3, :3] @ rest[..., None])[..., 0] + transforms[:, :3, 3]


def skeleton_map(
    figure: Figure, joints_world: Float[Tensor, "joints 3"], cameras: Cameras, view: int = 0
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the skeleton on black, each bone in its own colour: what pose-guided models are given."""
    height, width = cameras.height, cameras.width
    pixels, depth = project(joints_world, cameras, view)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    image = np.zeros((height, width, 3), np.uint8)
    radius = max(1.5, height / 128)
    for number, (a, b) in enumerate(BONES):
        i, j = figure.body.joint(a), figure.body.joint(b)
        if min(float(depth[i]), float(depth[j])) < 0.05:
            continue
        p, q = pixels[i].numpy(), pixels[j].numpy()
        way = q - p
        share = (((x - p[0]) * way[0] + (y - p[1]) * way[1]) / max(float(way @ way), 1e-6)).clip(0, 1)
        near = (x - p[0] - share * way[0]) ** 2 + (y - p[1] - share * way[1]) ** 2 < radius**2
        hue = 2 * math.pi * number / len(BONES)
        image[near] = [int(127 + 127 * math.cos(hue + turn)) for turn in (0, 2.1, 4.2)]
    return image


def canonical_colors(figure: Figure) -> UInt8[np.ndarray, "verts 3"]:
    """Colour of the dressed surface over each vertex of the body, without light: sRGB."""
    surface = pose_figure(figure, figure.start)
    body = pose_verts(figure.body, figure.start)
    mesh = figure.mesh
    corner = mesh.faces.flatten()
    # Any triangle at a vertex tells its texture and where in it.
    face = torch.zeros(len(surface), dtype=torch.long)
    place = torch.zeros(len(surface), dtype=torch.long)
    face[corner] = torch.arange(len(corner)) // 3
    place[corner] = mesh.uv_faces.flatten()
    used = torch.zeros(len(surface), dtype=torch.bool)
    used[corner] = True
    used &= ~mesh.face_blended[face]
    candidates = used.nonzero()[:, 0]
    _, index = KDTree(surface[candidates].numpy()).query(body.numpy())
    nearest = candidates[torch.from_numpy(index)]
    colors = np.zeros((len(body), 3), np.uint8)
    texture, uv = mesh.face_texture[face[nearest]], mesh.uv[place[nearest]]
    for number, pyramid in enumerate(mesh.textures):
        level = pyramid.levels[min(2, len(pyramid.levels) - 1)]
        here = (texture == number).nonzero()[:, 0]
        size = torch.tensor([level.shape[1], level.shape[0]])
        at = ((uv[here] % 1.0) * size).long().minimum(size - 1)
        colors[here.numpy()] = level[size[1] - 1 - at[:, 1], at[:, 0], :3].numpy()
    return colors


def sample_files(
    figure: Figure, pose: Pose, truth: Truth, cameras: Cameras, lighting: Lighting, told: dict, photo: bytes,
    canonical: UInt8[np.ndarray, "verts 3"],
) -> dict[str, bytes]:  # fmt: skip
    """Write one sample's files, by suffix."""
    pictures = truth.pictures
    rgba = torch.cat([pictures.color[0], pictures.alpha[0][..., None]], -1)
    pixels, depth = project(truth.joints_world, cameras)
    twin = {theirs: ours for theirs, ours in ANNY_FROM_MIXAMO.items()}
    facts = {
        "schema": SCHEMA,
        **told,
        "figure": figure.name,
        "identity": figure.identity,
        "parts": list(figure.parts),
        "licence": figure.licence,
        "body_is_exact": figure.exact,
        "body_error_mm": round(figure.fit_error_mm, 3),
        "camera": {
            "cam_from_world": _rounded(cameras.cam_from_world[0]),
            "intrinsics": _rounded(cameras.intrinsics[0]),
            "size": [cameras.width, cameras.height],
        },
        "pose": {"local_quats": _rounded(pose.local_quats), "root": _rounded(pose.root)},
        "shape": {"model": figure.shape.model, "coefficients": _rounded(figure.shape.coefficients),
                  "actions": _rounded(figure.shape.actions)},
        "joints": {"names": list(figure.body.joint_names), "world": _rounded(truth.joints_world),
                   "pixels": _rounded(pixels), "depth": _rounded(depth), "mixamo": twin},
        "light": {"ambient": _rounded(lighting.ambient), "direction": _rounded(lighting.key_direction),
                  "color": _rounded(lighting.key_color), "softness": round(lighting.softness, 5)},
    }  # fmt: skip
    arrays = {
        "depth_tenth_mm": (pictures.depth[0].double() * 1e4)
        .round()
        .clamp(0, 2**32 - 1)
        .numpy()
        .astype(np.uint32),
        "normal_127": (pictures.normal[0] * 127).round().to(torch.int8).numpy(),
        "guide_normal_127": (truth.guide_normals[0] * 127).round().to(torch.int8).numpy(),
        "canonical_color": canonical,
    }
    skeleton = torch.from_numpy(skeleton_map(figure, truth.joints_world, cameras)).float() / 255
    return {
        "photo.jpg": photo,
        "rgba.png": encode_image(rgba, "png"),
        "skeleton.png": encode_image(skeleton, "png"),
        "truth.npz": _npz(arrays),
        "json": json.dumps(facts, separators=(",", ":")).encode(),
    }


def _rounded(values: Tensor) -> list:
    return np.round(values.double().numpy(), 6).tolist()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    """As `numpy.savez_compressed`, but faster, and the same bytes every time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            held = io.BytesIO()
            np.lib.format.write_array(held, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), held.getvalue(), zipfile.ZIP_DEFLATED, 1)
    return out.getvalue()
