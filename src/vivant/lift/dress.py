"""Give the bare body at rest the plain shape of clothes: shoes without toes, cloth that spans hollows."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import sparse
from scipy.spatial import ConvexHull

from vivant.lift.evidence import Evidence
from vivant.lift.regions import LEFT_FOOT, LEFT_LEG, RIGHT_LEG, TRUNK, Regions
from vivant.lift.sight import ramp
from vivant.lift.surface import Skin, edges_of, normals_of

SOLE = 0.004
"""Metres that a shoe stands off the foot."""

TOES = 0.35
"""Part of the foot's length, from the front, that becomes a shoe's cap."""


def dress(skin: Skin, regions: Regions, evidence: Evidence) -> Skin:
    """Put shoes on feet that wear them, and let the trunk's cloth span its hollows."""
    verts = skin.verts
    for side in (0, 1):
        if evidence.shod[side]:
            verts = _shoe(verts, skin, regions.part == LEFT_FOOT + side, regions.share[:, LEFT_FOOT + side])
    if evidence.dressed:
        loose = regions.share[:, TRUNK] + regions.share[:, LEFT_LEG] + regions.share[:, RIGHT_LEG]
        legs = np.isin(regions.part, (LEFT_LEG, RIGHT_LEG))
        top = verts[legs, 1].max()
        neck = verts[regions.part == TRUNK, 1].max()
        loose = loose * ramp(verts[:, 1], top - 0.25, top - 0.1) * ramp(-verts[:, 1], 0.12 - neck, 0.2 - neck)
        verts = _span(verts, skin.faces, loose)
    return replace(skin, verts=verts)


def _shoe(verts: ndarray, skin: Skin, foot: ndarray, share: ndarray) -> ndarray:
    """Push toes and the gaps between them out to the hull of the foot's front, and everything a little off."""
    low, high = verts[foot, 2].min(), verts[foot, 2].max()
    cap = foot & (verts[:, 2] > high - TOES * (high - low))
    planes = ConvexHull(verts[cap]).equations
    depth = verts[cap] @ planes[:, :3].T + planes[:, 3]
    nearest = depth.argmax(1)
    step = -depth.max(1)[:, None] * planes[nearest, :3]
    amount = ramp(verts[cap, 2], high - TOES * (high - low), high - 0.7 * TOES * (high - low))
    shod = verts.copy()
    shod[cap] += amount[:, None] * step
    mean = _averaging(skin.faces, len(verts))
    for _ in range(6):
        shod[cap] = 0.5 * shod[cap] + 0.5 * (mean @ shod)[cap]
    return shod + SOLE * ramp(share, 0.2, 0.9)[:, None] * normals_of(shod, skin.faces)


def _span(verts: ndarray, faces: Int[ndarray, "faces 3"], loose: Float[ndarray, " verts"]) -> ndarray:
    """Lift hollows: repeated smoothing of which only outward moves are taken."""
    mean = _averaging(faces, len(verts))
    moved = verts
    for _ in range(25):
        normals = normals_of(moved, faces)
        lift = np.clip(((mean @ moved - moved) * normals).sum(1), 0, None)
        moved = moved + (0.7 * loose * lift)[:, None] * normals
    return moved


def _averaging(faces: Int[ndarray, "faces 3"], count: int) -> sparse.csr_matrix:
    """The mean of each vertex' neighbours."""
    a, b = edges_of(faces).T
    ones = np.ones(2 * len(a))
    links = sparse.coo_matrix((ones, (np.concatenate([a, b]), np.concatenate([b, a]))), (count, count)).tocsr()
    return sparse.diags(1 / np.maximum(np.asarray(links.sum(1)).ravel(), 1)) @ links
