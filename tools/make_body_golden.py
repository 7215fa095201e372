"""Write what the `anny` package itself says about a few bodies: the truth for tests/body/test_anny.py.

Run it with a Python that has `anny` 0.6.2:

    python tools/make_body_golden.py tests/golden/anny.npz

Everything is in anny's own axes (z up, facing -y), as it left the package; the tests turn it.
"""

import sys
import warnings
from pathlib import Path

import anny
import numpy as np
import torch

OURS_FROM_ANNY = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
NUM_SHAPES = 6
NUM_VERTS = 400
TURN = 0.35
"""Typical size of a joint's turn along each axis, in radians."""


def main() -> None:
    """Draw random bodies, ask anny, write."""
    warnings.simplefilter("ignore")
    random = np.random.default_rng(7)
    model = anny.Anny(facial_actions="all", skinning_method="lbs").double()
    phenotypes = random.uniform(0, 1, (NUM_SHAPES, 6))
    phenotypes[:, 1] = random.uniform(-1 / 3, 1, NUM_SHAPES)
    phenotypes[0] = [0.5, 0.7, 0.5, 0.5, 0.5, 0.5]
    actions = random.uniform(0, 1, (NUM_SHAPES, 52)) * (random.uniform(0, 1, (NUM_SHAPES, 52)) < 0.2)
    rotvecs = random.normal(0, TURN, (NUM_SHAPES, len(model.bone_labels), 3))
    root = random.normal(0, 0.5, (NUM_SHAPES, 3))
    index = np.sort(random.choice(len(model.template_vertices), NUM_VERTS, replace=False))

    shape = {"phenotype_kwargs": torch.tensor(phenotypes), "facial_actions": torch.tensor(actions)}
    with torch.no_grad():
        rest = model(**shape)
        frames = rest["rest_bone_poses"].numpy()
        targets = bone_frames(rotvecs, root, frames, model.bone_parents)
        posed = model(torch.tensor(targets), **shape, pose_parameterization="world-orient")
        keypoints = anny.KeypointsRegressor.coco(model)({"vertices": rest["rest_vertices"]})
    np.savez_compressed(
        Path(sys.argv[1]),
        phenotypes=phenotypes,
        actions=actions,
        rotvecs=rotvecs,
        root=root,
        index=index,
        rest_verts=rest["rest_vertices"].numpy()[:, index].astype(np.float32),
        rest_joints=frames[:, :, :3, 3].astype(np.float32),
        rest_frames=frames[:, :, :3, :3].astype(np.float32),
        lowest=rest["rest_vertices"].numpy()[:, :, 2].min(1),
        posed_verts=posed["vertices"].numpy()[:, index].astype(np.float32),
        keypoints=keypoints.numpy().astype(np.float32),
    )


def bone_frames(rotvecs: np.ndarray, root: np.ndarray, frames: np.ndarray, parents: list[int]) -> np.ndarray:
    """Bones' world orientations when each joint turns, in vivant's world axes, relative to its parent."""
    turns = np.zeros((*rotvecs.shape[:2], 3, 3))
    targets = frames.copy()
    for joint, parent in enumerate(parents):
        local = OURS_FROM_ANNY.T @ rotations(rotvecs[:, joint]) @ OURS_FROM_ANNY
        turns[:, joint] = local if parent < 0 else turns[:, parent] @ local
        targets[:, joint, :3, :3] = turns[:, joint] @ frames[:, joint, :3, :3]
    targets[:, 0, :3, 3] += root @ OURS_FROM_ANNY
    return targets


def rotations(rotvecs: np.ndarray) -> np.ndarray:
    """Rodrigues' formula."""
    angle = np.linalg.norm(rotvecs, axis=-1)[:, None, None]
    axis = rotvecs / angle[:, 0]
    cross = np.stack([np.cross(axis, e) for e in np.eye(3)], axis=-1)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


if __name__ == "__main__":
    main()
