"""Give the bare body at rest the plain shape of clothes: shoes without toes, cloth that spans hollows."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy import ndimage, sparse
from scipy.spatial import ConvexHull

from vivant.lift.evidence import Evidence
from vivant.lift.regions import LEFT_FOOT, LEFT_LEG, RIGHT_LEG, TRUNK, Regions
from vivant.lift.sight import ramp
from vivant.lift.surface import Skin, edges_of, normals_of

SOLE = 0.004
"""Metres that a shoe stands off the foot."""

TOES = 0.35
"""Part of the foot's length, from the front, that becomes a shoe's cap."""


HANG_CELL = 0.02
"""Metres of height that one value of the trunk's profile stands for."""

SECTORS = 40
"""Angles at which the profile is measured."""


def dress(skin: Skin, regions: Regions, evidence: Evidence) -> Skin:
    """Put shoes on feet that wear them, and let the trunk's cloth span its hollows."""
    verts = skin.verts
    for side in (0, 1):
        if evidence.shod:
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


def hang(
    verts: Float[ndarray, "verts 3"],
    skin: Skin,
    regions: Regions,
    free: Float[ndarray, " verts"],
    amount: float,
) -> Float[ndarray, "verts 3"]:
    """Let the trunk's cloth fall straight from chest and shoulder blades over belly and small of the back.

    Around an upright axis, at each angle, the cloth's distance grows towards the concave hull of the body's.

    Args:
        verts: The dressed skin at rest.
        skin: Its mesh.
        regions: Its parts.
        free: How far each vertex may move: 0 on the outline, which the mask has settled.
        amount: 0 for a second skin, 1 for cloth that spans every hollow.
    """
    core = np.isin(regions.part, (TRUNK, LEFT_LEG, RIGHT_LEG))
    legs = np.isin(regions.part, (LEFT_LEG, RIGHT_LEG))
    hip = verts[legs, 1].max()
    neck = verts[regions.part == TRUNK, 1].max()
    low, high = hip - 0.14, neck - 0.16
    mine = core & (verts[:, 1] > low) & (verts[:, 1] < high)
    if amount <= 0 or mine.sum() < 100:
        return verts
    axis = np.median(verts[mine], 0)
    arms = verts[mine][:, [0, 2]] - axis[[0, 2]]
    angle, radius = np.arctan2(arms[:, 0], arms[:, 1]), np.linalg.norm(arms, axis=1)
    level = np.clip(((verts[mine, 1] - low) / HANG_CELL).astype(int), 0, int((high - low) / HANG_CELL))
    sector = ((angle / (2 * np.pi) + 0.5) * SECTORS).astype(int) % SECTORS
    profile = np.zeros((SECTORS, level.max() + 1))
    np.maximum.at(profile, (sector, level), radius)
    profile = _filled(profile)
    hull = ndimage.gaussian_filter(
        np.stack([_concave_hull(row) for row in profile]), (1.0, 1.0), mode=("wrap", "nearest")
    )
    lift = np.clip(ndimage.map_coordinates(
        hull - ndimage.gaussian_filter(profile, (1.0, 1.0), mode=("wrap", "nearest")),
        [(angle / (2 * np.pi) + 0.5) * SECTORS - 0.5, (verts[mine, 1] - low) / HANG_CELL - 0.5],
        order=1, mode="nearest",
    ), 0, 0.08)  # fmt: skip
    fade = ramp(verts[mine, 1], low, low + 0.10) * ramp(-verts[mine, 1], -high, -high + 0.06)
    moved = verts.copy()
    outward = np.stack([arms[:, 0], np.zeros(len(arms)), arms[:, 1]], 1) / np.maximum(radius, 1e-6)[:, None]
    moved[mine] += (amount * fade * free[mine] * lift)[:, None] * outward
    return moved


def _filled(profile: ndarray) -> ndarray:
    """Give empty cells the nearest value at the same angle."""
    index = np.asarray(
        ndimage.distance_transform_edt(
            profile == 0, sampling=(3, 1), return_distances=False, return_indices=True
        )
    )
    return profile[index[0], index[1]]


def _concave_hull(values: ndarray) -> ndarray:
    """The lowest concave curve above some values."""
    corners: list[int] = []
    for i in range(len(values)):
        while len(corners) > 1:
            a, b = corners[-2], corners[-1]
            if (values[b] - values[a]) * (i - b) > (values[i] - values[b]) * (b - a):
                break
            corners.pop()
        corners.append(i)
    return np.interp(np.arange(len(values)), corners, values[corners])
