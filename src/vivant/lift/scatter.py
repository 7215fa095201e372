"""Scatter splats over the skin: dense on detail, face and hands, thin where the photo shows nothing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vivant.lift.posed import Depths, Lens, facing
from vivant.lift.regions import HEAD, LEFT_FOOT, LEFT_HAND, RIGHT_FOOT, RIGHT_HAND, Regions
from vivant.lift.surface import Skin, areas_of

PACKED = 0.47
"""Darts of one radius fill a plane with this many in a square of that radius."""

CANDIDATES = 7
"""Darts thrown for each that shall stick."""

FINEST = 1.15
"""Splats a pixel at most where the photo sees the skin straight on."""


@dataclass(frozen=True)
class Points:
    """Places on the skin."""

    face: Int[ndarray, " points"]
    barycentric: Float[ndarray, "points 3"]

    def __len__(self) -> int:
        return len(self.face)

    def take(self, faces: Int[ndarray, "faces 3"], values: Float[ndarray, "verts *channels"]) -> ndarray:
        """Spread what is known at the vertices."""
        from vivant.lift import _kernels

        flat = np.ascontiguousarray(values.reshape(len(values), -1))
        taken = _kernels.interpolate(faces, self.face, self.barycentric, flat)
        return taken.reshape(len(self), *values.shape[1:])


def scatter(
    skin: Skin,
    regions: Regions,
    lens: Lens,
    posed_cam: Float[ndarray, "verts 3"],
    normals_cam: Float[ndarray, "verts 3"],
    depths: Depths,
    detail: Float[ndarray, "height width"],
    count: int,
    random: np.random.Generator,
) -> Points:
    """About `count` places on the posed skin, at distances that follow the density wanted.

    Args:
        skin: The mesh.
        regions: Its parts.
        lens: The photo's camera.
        posed_cam: The skin's vertices, draped, in the camera's axes.
        normals_cam: Their normals.
        depths: What the photo sees of them.
        detail: How much happens around each pixel; about 1, 0.3 to 1.6.
        count: How many.
        random: Dice.
    """
    area = areas_of(posed_cam, skin.faces)
    base = _base_density(regions)[skin.faces].mean(1)
    upper = base + _pixels_per_area(posed_cam, normals_cam, lens)[skin.faces].max(1) * _in_sight(skin, depths)
    chance = area * upper
    points = _dice(chance / chance.sum(), CANDIDATES * count, random)
    place = points.take(skin.faces, posed_cam)
    normal = points.take(skin.faces, normals_cam)
    seen = _pixels_of(place, normal, lens, depths) * detail_at(detail, lens.pixels(place))
    floor = points.take(skin.faces, _base_density(regions))
    density = _balance(seen, floor, upper[points.face], chance.sum() / len(points), count)
    radius = np.sqrt(PACKED / density)
    kept = _stick(place, radius)
    return Points(points.face[kept], points.barycentric[kept])


def detail_at(detail: Float[ndarray, "height width"], pixels: Float[ndarray, "points 2"]) -> ndarray:
    """The picture's value at each place, the border's beyond it."""
    column, row = np.floor(pixels).astype(int).T
    return detail[np.clip(row, 0, detail.shape[0] - 1), np.clip(column, 0, detail.shape[1] - 1)]


def _base_density(regions: Regions) -> ndarray:
    """Splats a square metre that a place has even if nothing is seen of it, up to a common factor."""
    density = np.full(len(regions.part), 11000.0)
    density[regions.part == HEAD] = 40000.0
    density[np.isin(regions.part, (LEFT_HAND, RIGHT_HAND))] = 55000.0
    density[np.isin(regions.part, (LEFT_FOOT, RIGHT_FOOT))] = 22000.0
    return density + 160000.0 * regions.face


def _pixels_per_area(posed_cam: ndarray, normals_cam: ndarray, lens: Lens) -> ndarray:
    """Pixels a square metre of skin fills, if seen."""
    straight = np.clip(facing(posed_cam, normals_cam), 0.0, 1.0)
    return FINEST * 1.6 * straight * lens.focal.prod() / np.maximum(posed_cam[:, 2], 0.05) ** 2


def _in_sight(skin: Skin, depths: Depths) -> ndarray:
    """1 for triangles that the photo sees something of, or a neighbour of."""
    seen = np.zeros(len(skin.faces))
    seen[np.unique(depths.face[depths.covered])] = 1.0
    near = np.zeros(len(skin.verts))
    near[skin.faces[seen > 0]] = 1.0
    return near[skin.faces].max(1)


def _pixels_of(place: ndarray, normal: ndarray, lens: Lens, depths: Depths) -> ndarray:
    """Pixels a square metre round each place fills; 0 if it is hidden."""
    straight = np.clip(facing(place, normal / np.linalg.norm(normal, axis=1, keepdims=True)), 0.0, 1.0)
    before = detail_at(depths.depth, lens.pixels(place))
    seen = (before > 0) & (place[:, 2] < before + 0.02)
    return np.where(seen, straight * lens.focal.prod() / np.maximum(place[:, 2], 0.05) ** 2, 0.0)


def _balance(seen: ndarray, floor: ndarray, drawn: ndarray, area_unit: float, count: int) -> ndarray:
    """Densities that give the wished number: the seen part takes what the unseen part leaves.

    Args:
        seen: Pixels a square metre at each candidate.
        floor: The least density there.
        drawn: Density that the candidates were drawn with, up to a factor.
        area_unit: Square metres a candidate stands for, times `drawn`.
        count: The wished number.
    """
    area = area_unit / drawn
    low, high = 0.02, FINEST
    for _ in range(30):
        middle = 0.5 * (low + high)
        total = float((np.maximum(floor, middle * seen) * area).sum())
        low, high = (middle, high) if total < count else (low, middle)
    density = np.maximum(floor, low * seen)
    return density * (count / float((density * area).sum()))


def _dice(chance: ndarray, count: int, random: np.random.Generator) -> Points:
    """Random places on triangles: evenly spread numbers, so that no triangle is forgotten."""
    ladder = np.cumsum(chance)
    face = np.searchsorted(ladder / ladder[-1], (np.arange(count) + random.random(count)) / count)
    face = random.permutation(np.clip(face, 0, len(chance) - 1))
    u, v = random.random((2, count))
    root = np.sqrt(u)
    return Points(face, np.stack([1 - root, root * (1 - v), root * v], 1))


def _stick(place: ndarray, radius: ndarray) -> ndarray:
    from vivant.lift import _kernels

    return _kernels.throw_darts(place, radius, float(radius.max()))
