"""Who is in the photo: everybody large enough, each seen for sure or not."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from vivant.engines.jobs import Pixels, PoseSeen, Region, VisionEngine
from vivant.perceive.framing import Frame, frame_box, frame_whole
from vivant.perceive.points import contradicts, head_square, look_mirrored
from vivant.records import BODY_POINTS, MIRRORED_POINTS

SEARCH_SIDE = 1024
"""The photo's longer side while searching."""

LOOK_SIDE = 512
"""The longer side of one candidate's picture."""

SMALLEST_WINDOW = 128
"""In the photo's pixels; nobody in a smaller one could be used."""

MAX_PEOPLE = 12
"""More are not told apart."""

HALF = 6
"""Core points of a half body: without a face, fewer in the picture can be anything."""

CORE = tuple(
    BODY_POINTS.index(f"{side}_{name}")
    for side in ("left", "right")
    for name in ("shoulder", "elbow", "hip", "knee", "ankle")
)
"""Points that must be the same in a mirrored picture, or else it is no person."""

BONES = tuple(
    (BODY_POINTS.index(a), BODY_POINTS.index(b))
    for a, b in (
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"), ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"),
        ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("right_hip", "right_knee"),
        ("right_knee", "right_ankle"), ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
    )
)  # fmt: skip
"""Lines that must lie inside a person's mask."""


@dataclass(frozen=True)
class Found:
    """Someone in the photo, and how much speaks for a person."""

    region: Region
    """In the photo's pixels."""

    mask: Bool[np.ndarray, "height width"]
    """In the searched picture."""

    disagreement: float
    """Median distance of points from those of a mirrored look, over the person's size."""

    overlap: float
    """Intersection over union of the two looks' masks."""

    bones_inside: float
    """Part of the skeleton's length that lies in the mask."""

    visibility: float
    """Mean over the core points in the picture, as the engine tells it."""

    has_face: bool

    points_shown: int
    """How many core points lie in the picture, of 10."""

    torso_shown: float
    """Part of the way from the shoulders to the hips that lies inside the picture, 0 to 1."""

    @property
    def size(self) -> float:
        """About the whole body's length in the photo's pixels, the hidden part included."""
        return self.region.side / 1.25

    @property
    def is_sure(self) -> bool:
        """Whether this is a person beyond doubt.

        Measured: people disagree by 0.003 to 0.017 and hold 0.96 of their bones or more; a standing dog
        disagrees by 0.02 to 0.06 and holds 0.76; a photographer hidden in a coat disagrees by 0.033 but has
        a face.
        """
        if self.has_face:
            return self.disagreement < 0.04 and self.bones_inside > 0.85 and self.visibility > 0.5
        steady = self.disagreement < 0.02 and self.bones_inside > 0.9 and self.visibility > 0.7
        return steady and self.points_shown >= HALF

    @property
    def is_likely(self) -> bool:
        """Whether it may pass for a person if nobody else is there: drawings, statues, hidden people.

        Hands, cats and cups come out with overlaps up to 0.91, visibilities below 0.6, or few points.
        """
        steady = self.disagreement < 0.06 and self.overlap > 0.915 and self.points_shown >= HALF
        return self.is_sure or (steady and self.bones_inside > 0.75 and self.visibility > 0.6)

    @property
    def has_outline(self) -> bool:
        """Whether all speaks for a whole person, but perhaps that two looks agree."""
        shown = self.overlap > 0.915 and self.points_shown >= HALF
        return shown and self.bones_inside > 0.9 and self.visibility > 0.8


@dataclass(frozen=True)
class Crowd:
    """Everybody found, and where they were searched."""

    people: tuple[Found, ...]
    """From left to right."""

    frame: Frame
    """The whole photo as it was searched."""


def find_people(engine: VisionEngine, pixels: Pixels) -> Crowd:
    """Search the whole photo, then smaller windows, for people.

    The engine tells one or two people at a time, so whoever is found is painted over and the window is
    looked at again. Windows shrink until somebody is found, and once more for others beside.
    """
    height, width = pixels.shape[:2]
    whole = frame_whole((width, height), SEARCH_SIDE)
    picture = whole.cut(pixels)
    found: list[Found] = []
    painted = picture
    for level, windows in enumerate(_windows(whole)):
        for window in windows:
            while fresh := _search(engine, painted, window, found):
                found += fresh
                painted = paint_over(picture, [person.mask for person in found])
                if len(found) >= MAX_PEOPLE:
                    break
        if level > 0 and any(person.is_sure for person in found):
            break
    people = [replace(person, region=whole.whole_region(person.region)) for person in found]
    return Crowd(tuple(sorted(people, key=lambda person: person.region.center[0])), whole)


def paint_over(picture: Pixels, masks: list[Bool[np.ndarray, "height width"]]) -> Pixels:
    """Hide people, and a rim round them, under the picture's mean colour."""
    if not masks:
        return picture
    rim = 2 * max(2, round(0.012 * max(picture.shape[:2]))) + 1
    hidden = np.any(masks, axis=0).view(np.uint8)
    hidden = ndimage.maximum_filter1d(ndimage.maximum_filter1d(hidden, rim, axis=0), rim, axis=1) > 0
    painted = picture.copy()
    painted[hidden] = picture[~hidden].mean(0) if not hidden.all() else 128
    return painted


def _windows(whole: Frame) -> Iterator[list[Frame]]:
    """Give the whole picture, then overlapping squares, ever smaller ones."""
    width, height = whole.width, whole.height
    yield [frame_whole((width, height), SEARCH_SIDE)]
    for part in (0.62, 0.3):
        side = part * max(min(width, height), 0.5 * max(width, height))
        if side * whole.scale < SMALLEST_WINDOW:
            return
        yield [
            frame_box((left, top, left + side, top + side), (width, height), SEARCH_SIDE)
            for top in _starts(height, side)
            for left in _starts(width, side)
        ]


def _starts(length: int, side: float) -> list[float]:
    """Where windows start so that neighbours share a third."""
    if side >= length:
        return [0.0]
    return np.linspace(0, length - side, math.ceil((length - side) / (0.65 * side)) + 1).tolist()


def _search(engine: VisionEngine, painted: Pixels, window: Frame, found: list[Found]) -> list[Found]:
    """Look for people in one window of a picture in which those found already are hidden."""
    fresh: list[Found] = []
    for candidate in engine.see_people(window.cut(painted)):
        person = _examine(engine, painted, window.whole_region(candidate.region))
        if person is not None and not _is_known(person, found + fresh):
            fresh.append(person)
    return fresh


def _is_known(person: Found, others: list[Found]) -> bool:
    area = person.mask.sum()
    return any((person.mask & other.mask).sum() > 0.5 * min(area, other.mask.sum()) for other in others)


def _examine(engine: VisionEngine, picture: Pixels, region: Region) -> Found | None:
    """Look twice, once in the mirror: people stay the same, most other things do not.

    None if there is so little of a person that it needs no name.
    """
    height, width = picture.shape[:2]
    half = 0.6 * region.side
    x, y = region.center
    left, top, right, bottom = x - half, y - half, x + half, y + half
    if right < 8 or bottom < 8 or left > width - 8 or top > height - 8:
        return None
    frame = frame_box((left, top, right, bottom), (width, height), LOOK_SIDE)
    crop = frame.cut(picture)
    first = engine.see_pose(crop, frame.crop_region(region))
    look = engine.see_pose(crop, first.region) if first else None
    if look is None or _bones_inside(look) < 0.6:
        return None
    mirrored = look_mirrored(engine, crop, look.region)
    # Points outside the picture are guesses and may differ.
    inside = [i for i in CORE if _is_inside(look.points[i], crop)]
    if mirrored is None or len(inside) < 2:
        return None
    # A face under hair may be taken for the back of the head in one of the looks.
    again = mirrored.points[list(MIRRORED_POINTS)] if contradicts(mirrored, look) else mirrored.points
    apart = np.linalg.norm(look.points - again, axis=1)[inside]
    both, either = (
        np.minimum(look.mask, mirrored.mask) > 0.5,
        np.maximum(look.mask, mirrored.mask) > 0.5,
    )
    if both.sum() < 0.5 * either.sum() or not both.any():
        return None
    return Found(
        region=frame.whole_region(look.region),
        mask=_put_back(both, frame, (height, width)),
        disagreement=float(np.median(apart)) / (look.region.side / 1.25),
        overlap=float(both.sum() / either.sum()),
        bones_inside=_bones_inside(look),
        visibility=float(look.visibility[inside].mean()),
        points_shown=len(inside),
        has_face=engine.see_face(head_square(crop, look)) is not None,
        torso_shown=_torso_shown(look.points, crop),
    )


def _bones_inside(look: PoseSeen) -> float:
    """Part of the skeleton, as far as it is in the picture, that the mask covers."""
    starts, ends = np.array(BONES).T
    along = np.linspace(0, 1, 9, dtype=np.float32)[:, None, None]
    points = (look.points[starts] * (1 - along) + look.points[ends] * along).reshape(-1, 2)
    columns, rows = np.floor(points).astype(int).T
    height, width = look.mask.shape
    shown = (rows >= 0) & (columns >= 0) & (rows < height) & (columns < width)
    return float((look.mask[rows[shown], columns[shown]] > 0.5).mean()) if shown.any() else 0.0


def _put_back(
    area: Bool[np.ndarray, "h w"], frame: Frame, shape: tuple[int, int]
) -> Bool[np.ndarray, "height width"]:
    """Bring a crop's mask back to the picture it was cut from."""
    ys = np.floor((np.arange(shape[0]) + 0.5 - frame.top) / frame.scale).astype(int)
    xs = np.floor((np.arange(shape[1]) + 0.5 - frame.left) / frame.scale).astype(int)
    inside_y, inside_x = (ys >= 0) & (ys < area.shape[0]), (xs >= 0) & (xs < area.shape[1])
    full = np.zeros(shape, bool)
    full[np.ix_(inside_y, inside_x)] = area[np.ix_(ys[inside_y], xs[inside_x])]
    return full


def _is_inside(point: Float[np.ndarray, "2"], picture: Pixels) -> bool:
    return bool(0 <= point[0] <= picture.shape[1] and 0 <= point[1] <= picture.shape[0])


def _torso_shown(points: Float[np.ndarray, "33 2"], picture: Pixels) -> float:
    shoulders = points[[BODY_POINTS.index("left_shoulder"), BODY_POINTS.index("right_shoulder")]].mean(0)
    hips = points[[BODY_POINTS.index("left_hip"), BODY_POINTS.index("right_hip")]].mean(0)
    steps = np.linspace(0, 1, 41)[:, None] * (hips - shoulders) + shoulders
    return float(np.mean([_is_inside(step, picture) for step in steps]))
