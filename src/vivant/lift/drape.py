"""Push the skin out to the mask: clothes, hair and shoes as a smooth field of shifts.

Where the body's outline meets the background, a ray is walked along the outline's normal until the mask ends.
Those shifts are spread over the skin by an energy of bending and stretching, so that sleeves widen as a whole
and nothing tears.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage, sparse

from vivant.lift.linear import factored
from vivant.lift.posed import Depths, Lens, carry, draw_depths, facing, posed_normals
from vivant.lift.regions import (
    HEAD,
    LEFT_HAND,
    RIGHT_HAND,
    Regions,
)
from vivant.lift.sight import lookup
from vivant.lift.surface import Skin, edges_of, laplacian, vertex_areas

OUTWARD = (0.10, 0.14, 0.07, 0.07, 0.02, 0.02, 0.10, 0.10, 0.07, 0.07)
"""Metres that each part's outline may be pushed out: beyond lies something else (a bag, a skirt's far side)."""

INWARD = (0.06, 0.04, 0.06, 0.06, 0.03, 0.03, 0.06, 0.06, 0.05, 0.05)
"""The same, for outlines that stand out of the mask and are drawn in."""

ROUND = (0.35, 0.9, 0.6, 0.6, 0.0, 0.0, 1.0, 1.0, 0.7, 0.7)
"""How much of the outline's outward shift the front and back of a part take along their normals.

Trousers are about as deep as they are wide: on people with known truth the outline from the side gains by it,
and the photo's own view loses 0.3 dB where they are wide. A trunk padded as much tears open under raised arms.
"""

BENDING = 0.025
"""Metres: detail of the field smaller than this is smoothed away."""

FIRM = 0.1
"""How much a point of the outline weighs, beside the bending of a strip of skin as wide as this in metres."""

INSET = 0.7
"""Pixels that the skin stays within the mask: splats at a rim spread about so far beyond it."""

MEETING = (0.07, 0.05, 0.07, 0.07, 0.03, 0.03, 0.14, 0.14, 0.04, 0.04)
"""Metres of a gap with nothing but mask in it that a part and another close half way each."""

ROUNDS = 3


@dataclass(frozen=True)
class Outline:
    """Points of the body's outline before the background, and how far the mask's edge lies from each."""

    ends: Int[ndarray, "points 2"]
    """Two vertices whose edge each point lies on."""

    share: Float[ndarray, " points"]
    """Place on that edge."""

    normal: Float[ndarray, "points 2"]
    """Unit, in the picture, away from the body."""

    shift: Float[ndarray, " points"]
    """Metres to the mask's edge along the normal; negative is inwards."""

    meets: Bool[ndarray, " points"]
    """Where the mask goes on to another part of the body: the shift is half the way to it."""


def drape(
    skin: Skin,
    regions: Regions,
    lens: Lens,
    alpha: Float[ndarray, "height width"],
    pinned: Float[ndarray, " verts"],
) -> Float[ndarray, "verts 3"]:
    """Shifts of the skin's vertices, in the camera's axes and metres, that bring its outline to the mask.

    Args:
        skin: At rest.
        regions: Its parts.
        lens: Poses it before the camera.
        alpha: The mask.
        pinned: How firmly a vertex stays (1 on a face that was fitted to its landmarks).
    """
    frames = lens.blend(skin.weights)
    bare = carry(frames, skin.verts)
    shifts = np.zeros_like(bare)
    stiffness = _stiffness(skin)
    areas = vertex_areas(skin.verts, skin.faces)
    edges = edges_of(skin.faces)
    met: list[tuple[sparse.csr_matrix, ndarray, ndarray]] = []
    for turn in range(ROUNDS):
        now = bare + shifts
        outline = find_outline(now, edges, skin, regions, lens, alpha)
        goal, weight, lines = _goals(outline, shifts, now, skin, regions)
        matrix, target = stiffness + sparse.diags(areas * (0.003 + 3.0 * pinned)), np.zeros_like(now)
        for some_lines, some_goal, some_weight in ((lines, goal, weight), *met):
            matrix = matrix + some_lines.T @ sparse.diags(some_weight) @ some_lines
            target = target + some_lines.T @ (some_weight[:, None] * some_goal)
        # Where two parts have met there is no outline any more; what brought them together holds them there.
        together = np.flatnonzero(outline.meets)
        met.append((lines[together], goal[together], weight[together]))
        if turn > 0:
            rounding, firmness = _rounding(outline, goal, now, skin, regions)
            firmness = firmness * areas * (1 - pinned)
            matrix = matrix + sparse.diags(firmness)
            target = target + firmness[:, None] * rounding
        shifts = factored(matrix).solve(target)
    return shifts


def find_outline(
    points_cam: Float[ndarray, "verts 3"],
    edges: Int[ndarray, "edges 2"],
    skin: Skin,
    regions: Regions,
    lens: Lens,
    alpha: Float[ndarray, "height width"],
) -> Outline:
    """Points of edges where the surface turns away from the camera and the background begins."""
    normals = posed_normals(skin, points_cam)
    towards = facing(points_cam, normals)
    a, b = edges.T
    crossing = (towards[a] > 0) != (towards[b] > 0)
    a, b = a[crossing], b[crossing]
    share = towards[a] / (towards[a] - towards[b])
    point = points_cam[a] + share[:, None] * (points_cam[b] - points_cam[a])
    normal = normals[a] + share[:, None] * (normals[b] - normals[a])
    # The picture of a normal: its own x and y, less what the point's slanted ray takes.
    flat = normal[:, :2]
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    pixels = lens.pixels(point)
    drawn = draw_depths(points_cam, skin.faces, lens)
    metres_per_px = point[:, 2] / lens.focal.mean()
    reach = np.maximum(2.0, 0.006 / metres_per_px)
    free = ~_sample(drawn.covered, pixels + flat * reach[:, None]) & _sample_near(drawn.covered, pixels)
    free &= (point[:, 2] > 0.05) & _inside_picture(pixels, alpha.shape)
    part = regions.part[a]
    a, b, share, flat, pixels = a[free], b[free], share[free], flat[free], pixels[free]
    shift, found, meets = _walk(pixels, flat, part[free], metres_per_px[free], drawn, alpha)
    return Outline(np.stack([a, b], 1)[found], share[found], flat[found], shift[found], meets[found])


def _walk(
    pixels: ndarray, flat: ndarray, part: ndarray, metres_per_px: ndarray, drawn: Depths, alpha: ndarray
) -> tuple[ndarray, ndarray, ndarray]:
    """Metres from outline points to the mask's edge, where one was found, and where a part came before."""
    inside = lookup(alpha, pixels) > 0.5
    sign = np.where(inside, 1.0, -1.0)
    limit = np.where(inside, np.array(OUTWARD)[part], np.array(INWARD)[part]) / metres_per_px
    longest = max(float(limit.max(initial=1.0)), float((max(MEETING) / metres_per_px).max(initial=1.0)))
    steps = np.arange(0.0, longest + 0.5, 0.5)
    places = pixels[:, None] + (sign[:, None] * steps)[..., None] * flat[:, None]
    values = lookup(alpha, places.reshape(-1, 2)).reshape(len(pixels), -1)
    crossed = np.where(inside[:, None], values < 0.5, values >= 0.5)
    other = inside[:, None] & (steps > 4) & _sample(drawn.covered, places.reshape(-1, 2)).reshape(values.shape)
    # At the picture's border nothing is known.
    beyond = ~_inside_picture(places.reshape(-1, 2), alpha.shape).reshape(values.shape)
    rows, first = np.arange(len(pixels)), crossed.argmax(1)
    reached, stopped = _first(other), _first(beyond | (steps > limit[:, None]))
    found = crossed.any(1) & (np.minimum(stopped, reached) > first)
    farthest = np.array(MEETING)[part] / metres_per_px
    meets = (reached < _first(crossed)) & (reached < _first(beyond | (steps > farthest[:, None])))
    # Between two steps the edge lies where the values pass one half.
    before = np.maximum(first - 1, 0)
    low, high = values[rows, before] - 0.5, values[rows, first] - 0.5
    part_step = np.where(first > 0, low / np.where(np.abs(low - high) < 1e-6, 1.0, low - high), 0.0)
    distance = sign * (steps[before] + 0.5 * np.clip(part_step, 0, 1)) - INSET
    half_way = 0.5 * steps[np.minimum(reached, len(steps) - 1)] + INSET
    return np.where(meets, half_way, distance) * metres_per_px, found | meets, meets


def _first(events: Bool[ndarray, "points steps"]) -> Int[ndarray, " points"]:
    """The step of each row's first event; the number of steps if there is none."""
    return np.where(events.any(1), events.argmax(1), events.shape[1])


def _goals(
    outline: Outline, shifts: ndarray, now: ndarray, skin: Skin, regions: Regions
) -> tuple[ndarray, ndarray, sparse.csr_matrix]:
    """Where the outline's points shall go, how firmly, and the matrix that picks them from the vertices."""
    rows = np.arange(len(outline.share))
    values = np.concatenate([1 - outline.share, outline.share])
    lines = sparse.csr_matrix(
        (values, (np.tile(rows, 2), outline.ends.T.ravel())), shape=(len(rows), len(skin.verts))
    )
    goal = lines @ shifts
    goal[:, :2] += outline.shift[:, None] * outline.normal
    length = np.linalg.norm(now[outline.ends[:, 0]] - now[outline.ends[:, 1]], axis=1)
    firm = np.where(np.isin(regions.part[outline.ends[:, 0]], (LEFT_HAND, RIGHT_HAND)), 0.2, 1.0)
    return goal, firm * FIRM * length, lines


def _rounding(
    outline: Outline, goal: ndarray, now: ndarray, skin: Skin, regions: Regions
) -> tuple[ndarray, ndarray]:
    """Shifts along the normals that give front and back some of the thickness seen at the outline.

    Left and right are averaged at each height of a part, so that a limb that merely lies beside its place in
    the mask is moved and not thickened.
    """
    total = np.where(outline.meets, 0.0, (goal[:, :2] * outline.normal).sum(1))
    rounding, firmness = np.zeros_like(now), np.zeros(len(now))
    normals = posed_normals(skin, now)
    towards = np.abs(facing(now, normals))
    ends = outline.ends[:, 0]
    for part, amount in enumerate(ROUND):
        mine = regions.part == part
        seen = mine[ends]
        if amount == 0 or seen.sum() < 4:
            continue
        bins = np.round(regions.along / 0.02).astype(int)
        low, high = bins[mine].min(), bins[mine].max()
        lefts = (outline.normal[:, 0] > 0)[seen]
        thickness, weight = np.zeros(high - low + 1), np.zeros(high - low + 1)
        both = []
        for chosen in (lefts, ~lefts):
            at = bins[ends[seen][chosen]] - low
            sums = np.bincount(at, total[seen][chosen], len(thickness))
            count = np.bincount(at, None, len(thickness)).astype(float)
            both.append((ndimage.gaussian_filter1d(sums, 1.5), ndimage.gaussian_filter1d(count, 1.5)))
        means = [total / np.maximum(count, 1e-3) for total, count in both]
        weight = np.minimum(both[0][1], both[1][1])
        thickness = np.clip((means[0] + means[1]) / 2, 0, None)
        known = np.clip(weight / 0.3, 0, 1)
        at = bins[mine] - low
        rounding[mine] = normals[mine] * (amount * thickness[at])[:, None]
        # Hair is as thick on the crown, which the camera sees edge on, as around it.
        straight = 1.0 if part == HEAD else towards[mine] ** 2
        firmness[mine] = 0.3 * known[at] * straight
    return rounding, firmness * np.where(regions.part == HEAD, regions.scalp, 1.0)


def _stiffness(skin: Skin) -> sparse.csr_matrix:
    """Energy of bending and of stretching the field."""
    surface = laplacian(skin.verts, skin.faces)
    areas = vertex_areas(skin.verts, skin.faces)
    return (BENDING**4 * (surface @ sparse.diags(1 / areas) @ surface) + (0.2 * BENDING) ** 2 * surface).tocsr()


def _sample(picture: ndarray, pixels: ndarray) -> Bool[ndarray, " points"]:
    """Whether the pixel at each place is set; outside is not."""
    column, row = np.floor(pixels).astype(int).T
    height, width = picture.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return inside & picture[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]


def _sample_near(picture: ndarray, pixels: ndarray) -> Bool[ndarray, " points"]:
    """Whether any pixel within one of each place is set."""
    return _sample(ndimage.binary_dilation(picture, iterations=1), pixels)


def _inside_picture(pixels: ndarray, shape: tuple[int, ...]) -> Bool[ndarray, " points"]:
    return (
        (pixels[:, 0] > 1) & (pixels[:, 0] < shape[1] - 1) & (pixels[:, 1] > 1) & (pixels[:, 1] < shape[0] - 1)
    )
