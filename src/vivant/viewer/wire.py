"""A coarse net over a rig's body, for the page's wireframe: the full mesh would weigh more than the splats."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from vivant.records import Rig

KNOTS = 1400
"""About so many vertices of the net."""


@dataclass(frozen=True)
class Wire:
    """A net that rides on the rig's joints."""

    verts: Float[np.ndarray, "verts 3"]
    faces: Int[np.ndarray, "faces 3"]
    skin_joints: Int[np.ndarray, "verts 4"]
    skin_weights: Float[np.ndarray, "verts 4"]


def wire_of(rig: Rig, knots: int = KNOTS) -> Wire:
    """Choose vertices evenly, and join those whose nearest neighbourhoods meet.

    The neighbourhoods are geodesic Voronoi cells on the mesh; a triangle of the mesh whose corners lie in three
    cells makes one triangle of the net (the dual, as in Peyre and Cohen 2006).
    """
    verts, faces = rig.verts.numpy().astype(np.float64), rig.faces.numpy()
    seeds = _far_apart(verts, min(knots, len(verts)))
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    lengths = np.maximum(np.linalg.norm(verts[ends[:, 0]] - verts[ends[:, 1]], axis=1), 1e-9)
    graph = csr_array((lengths, (ends[:, 0], ends[:, 1])), shape=(len(verts), len(verts)))
    _, _, nearest = dijkstra(graph, directed=False, indices=seeds, min_only=True, return_predecessors=True)
    cell = np.full(len(verts) + 1, -1)
    cell[seeds] = np.arange(len(seeds))
    # What no seed reaches lies in no cell.
    corners = cell[np.where(nearest < 0, len(verts), nearest)[faces]]
    apart = (corners >= 0).all(1) & (corners[:, 0] != corners[:, 1])
    apart &= (corners[:, 1] != corners[:, 2]) & (corners[:, 2] != corners[:, 0])
    corners = corners[apart]
    _, first = np.unique(np.sort(corners, axis=1), axis=0, return_index=True)
    joints, weights = _four_heaviest(rig, seeds)
    return Wire(verts[seeds], corners[np.sort(first)], joints, weights)


def _far_apart(points: Float[np.ndarray, "points 3"], count: int) -> Int[np.ndarray, " count"]:
    """Farthest-point sampling (Gonzalez 1985)."""
    chosen = np.empty(count, np.int64)
    distance = np.full(len(points), np.inf)
    chosen[0] = 0
    for number in range(1, count):
        distance = np.minimum(distance, ((points - points[chosen[number - 1]]) ** 2).sum(1))
        chosen[number] = distance.argmax()
    # In the order of the mesh, so that neighbours in the list are neighbours on the body.
    return np.sort(chosen)


def _four_heaviest(
    rig: Rig, verts: Int[np.ndarray, " verts"]
) -> tuple[Int[np.ndarray, "verts 4"], Float[np.ndarray, "verts 4"]]:
    joints, weights = rig.skin_joints.numpy()[verts], rig.skin_weights.numpy()[verts].astype(np.float64)
    if joints.shape[1] < 4:
        more = ((0, 0), (0, 4 - joints.shape[1]))
        joints, weights = np.pad(joints, more), np.pad(weights, more)
    heaviest = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    joints, weights = np.take_along_axis(joints, heaviest, 1), np.take_along_axis(weights, heaviest, 1)
    return joints, weights / np.maximum(weights.sum(1, keepdims=True), 1e-12)
