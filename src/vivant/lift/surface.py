"""The body's outer skin, finer than the rig: where splats sit and colours spread."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse

from vivant.body import load_anny
from vivant.records import Body, Rig

EDGE = 0.020
"""Metres: longer edges of the rig's skin are halved, so that cloth can be shaped where the rig is coarse."""

HALVINGS = 2


@dataclass(frozen=True)
class Skin:
    """A triangle mesh on the rig's outer surface at rest; metres, the rig's axes."""

    verts: Float[ndarray, "verts 3"]
    faces: Int[ndarray, "faces 3"]
    rig_face: Int[ndarray, " faces"]
    """The rig's triangle each of ours is part of."""

    corner_barycentric: Float[ndarray, "faces 3 3"]
    """Where our corners lie in it."""

    weights: Float[ndarray, "verts joints"]
    """Skin weights of every joint."""


def fine_skin(body: Body) -> Skin:
    """Take the rig's outer triangles and halve long edges."""
    rig = body.rig
    verts = rig.verts.double().numpy()
    outer = np.flatnonzero(_outer_faces(body))
    faces = rig.faces.numpy()[outer]
    corners = np.tile(np.eye(3), (len(faces), 1, 1))
    # Corners that only inner triangles use are dropped.
    used, flat = np.unique(faces, return_inverse=True)
    verts, weights, faces = verts[used], _dense_weights(rig)[used], flat.reshape(-1, 3)
    for _ in range(HALVINGS):
        verts, weights, faces, outer, corners = _halve(verts, weights, faces, outer, corners)
    return Skin(verts, faces, outer, corners, weights)


def edges_of(faces: Int[ndarray, "faces 3"]) -> Int[ndarray, "edges 2"]:
    """Every edge once, the smaller number first."""
    pairs = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    base = int(faces.max()) + 1
    key = np.unique(pairs.min(1) * base + pairs.max(1))
    return np.stack([key // base, key % base], 1)


def normals_of(verts: Float[ndarray, "verts 3"], faces: Int[ndarray, "faces 3"]) -> Float[ndarray, "verts 3"]:
    """Unit normals of corners, weighted by area."""
    from vivant.lift import _kernels

    return _kernels.corner_normals(np.ascontiguousarray(verts, float), np.ascontiguousarray(faces))


def areas_of(verts: Float[ndarray, "verts 3"], faces: Int[ndarray, "faces 3"]) -> Float[ndarray, " faces"]:
    """Square metres."""
    a, b, c = verts[faces[:, 0]], verts[faces[:, 1]], verts[faces[:, 2]]
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def laplacian(verts: Float[ndarray, "verts 3"], faces: Int[ndarray, "faces 3"]) -> sparse.csr_matrix:
    """Cotangent Laplacian (positive), with weights kept above a small share so that slivers do no harm."""
    rows, columns, values = [], [], []
    for corner in range(3):
        i, j, k = faces[:, corner], faces[:, (corner + 1) % 3], faces[:, (corner + 2) % 3]
        u, v = verts[i] - verts[k], verts[j] - verts[k]
        cotangent = (u * v).sum(1) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-12)
        rows += [i, j]
        columns += [j, i]
        values += [np.clip(cotangent / 2, 0.02, 5.0)] * 2
    adjacent = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (len(verts), len(verts))
    ).tocsr()
    return (sparse.diags(np.asarray(adjacent.sum(1)).ravel()) - adjacent).tocsr()


def vertex_areas(verts: Float[ndarray, "verts 3"], faces: Int[ndarray, "faces 3"]) -> Float[ndarray, " verts"]:
    """A third of the triangles around each corner, in square metres."""
    return np.bincount(faces.ravel(), np.repeat(areas_of(verts, faces) / 3, 3), len(verts)) + 1e-9


def _outer_faces(body: Body) -> ndarray:
    """Triangles that a camera can see from somewhere: no mouth, no eye sockets."""
    if body.shape.model == "anny":
        return load_anny().face_region.numpy() != 2
    return np.ones(len(body.rig.faces), bool)


def _dense_weights(rig: Rig) -> ndarray:
    weights = np.zeros((len(rig.verts), len(rig.joint_names)), np.float32)
    rows = np.broadcast_to(np.arange(len(weights))[:, None], rig.skin_joints.shape)
    np.add.at(weights, (rows, rig.skin_joints.numpy()), rig.skin_weights.numpy())
    return weights


def _halve(
    verts: ndarray, weights: ndarray, faces: ndarray, rig_face: ndarray, corners: ndarray
) -> tuple[ndarray, ...]:
    """Put a vertex in the middle of each long edge; triangles become two, three or four, without cracks."""
    base = len(verts)
    edges = edges_of(faces)
    key = edges[:, 0] * base + edges[:, 1]
    long = np.linalg.norm(verts[edges[:, 0]] - verts[edges[:, 1]], axis=1) > EDGE
    middle = np.full(len(edges), -1)
    middle[long] = base + np.arange(long.sum())
    verts = np.concatenate([verts, verts[edges[long]].mean(1)])
    weights = np.concatenate([weights, weights[edges[long]].mean(1)])

    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1), axis=-1).reshape(-1, 2)
    return (
        verts,
        weights,
        *_split(faces, middle[np.searchsorted(key, sides @ [base, 1])].reshape(-1, 3), rig_face, corners),
    )


def _split(
    faces: ndarray, middle: ndarray, rig_face: ndarray, corners: ndarray
) -> tuple[ndarray, ndarray, ndarray]:
    """Replace triangles by their parts.

    Args:
        faces: Corners.
        middle: The vertex in the middle of the side from corner k to k + 1, or -1.
        rig_face: The rig's triangle each is part of.
        corners: Its corners' barycentrics there.
    """
    # Numbers 0 to 2 are corners, 3 to 5 the middles. A pattern is turned until its first sides are the halved.
    patterns = {
        0: [(0, 1, 2)],
        1: [(0, 3, 2), (3, 1, 2)],
        2: [(3, 1, 4), (0, 3, 4), (0, 4, 2)],
        3: [(0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)],
    }
    halved = middle >= 0
    count = halved.sum(1)
    turn = np.zeros(len(faces), int)
    turn[count == 1] = halved[count == 1].argmax(1)
    turn[count == 2] = (halved[count == 2].argmin(1) + 1) % 3
    order = (turn[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, order, 1)
    middle = np.take_along_axis(middle, order, 1)
    corners = np.take_along_axis(corners, order[..., None], 1)
    six = np.concatenate([faces, middle], 1)
    places = np.concatenate([corners, (corners + np.roll(corners, -1, axis=1)) / 2], 1)
    parts = [
        (six[rows][:, list(part)], rig_face[rows], places[rows][:, list(part)])
        for number, pattern in patterns.items()
        for rows in [count == number]
        for part in pattern
    ]
    new_faces, new_rig_face, new_corners = (np.concatenate(column) for column in zip(*parts, strict=True))
    return new_faces, new_rig_face, new_corners
