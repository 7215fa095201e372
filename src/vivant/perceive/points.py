"""Body, face and hand points, from several looks at the same person."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8

from vivant.core.images import resize_pixels
from vivant.engines.jobs import HandSeen, Pixels, PoseSeen, Region, VisionEngine
from vivant.perceive.framing import Frame
from vivant.records import BODY_POINTS, MIRRORED_POINTS, Hand

Square = UInt8[np.ndarray, "side side 3"]

HEAD = slice(0, 11)
"""The body points on the head."""

BODY = slice(11, 33)
"""All others."""

SIDES = np.array([1 if name.startswith("left") else -1 for name in BODY_POINTS[BODY]])

SURPRISING = 0.03
"""Looks at one person differ by less, over the side of the crop, if they agree."""

FARTHEST_WRIST = 0.45
"""A hand whose wrist is farther from the body's wrist, over the crop's side, is not this person's."""


@dataclass(frozen=True)
class BodyPoints:
    """What several looks at one person agree on, in pixels of one crop."""

    points: Float[np.ndarray, "33 2"]
    points_world: Float[np.ndarray, "33 3"]
    visibility: Float[np.ndarray, "33"]
    spread: Float[np.ndarray, "33"]
    """Mean distance of the looks from their median."""

    size: float
    """The person's whole length, the hidden part included."""

    mask: Float[np.ndarray, "height width"]
    """Mean over the looks; it shows the crop at the looks' own, lower resolution."""


def look_at_body(engine: VisionEngine, pixels: Pixels, region: Region) -> BodyPoints | None:
    """Read the body in four looks (refined, wider, and both mirrored) and take their median.

    Give None if a first look sees nobody.
    """
    first = engine.see_pose(pixels, region)
    if first is None:
        return None
    looks = []
    for growth in (1.0, 1.16):
        at = replace(first.region, side=first.region.side * growth)
        looks += [engine.see_pose(pixels, at), look_mirrored(engine, pixels, at)]
    seen = [look for look in looks if look is not None] or [first]
    seen = _facing_alike(engine, pixels, seen)
    points = np.stack([look.points for look in seen])
    median = np.median(points, 0)
    return BodyPoints(
        points=median,
        points_world=np.median([look.points_world for look in seen], 0),
        visibility=np.median([look.visibility for look in seen], 0),
        spread=np.linalg.norm(points - median, axis=-1).mean(0),
        size=first.region.side / 1.25,
        mask=np.mean([look.mask for look in seen], 0),
    )


def _facing_alike(engine: VisionEngine, pixels: Pixels, looks: list[PoseSeen]) -> list[PoseSeen]:
    """Leave out looks that take front for back: their left is the others' right, and no median holds.

    Where a face is seen, those are right whose left side is the face's left, which the picture shows on the
    right; without a face, those who are more.
    """
    first = looks[0]
    swapped = [contradicts(look, first) for look in looks]
    if not any(swapped):
        return looks
    groups = [
        [look for look, is_other in zip(looks, swapped, strict=True) if is_other == k] for k in (False, True)
    ]
    if engine.see_face(head_square(pixels, first)) is None:
        return max(groups, key=len)
    return max(groups, key=lambda group: np.mean([_left_minus_right(look) for look in group]))


def contradicts(look: PoseSeen, other: PoseSeen) -> bool:
    """Whether one look takes a person's front for the back: points agree far better with sides swapped."""
    apart, swapped = (
        float(np.median(np.linalg.norm(points - other.points, axis=1)[BODY]))
        for points in (look.points, look.points[list(MIRRORED_POINTS)])
    )
    return apart > SURPRISING * other.region.side and swapped < 0.4 * apart


def _left_minus_right(look: PoseSeen) -> float:
    """How far a person's left side is to the right of the right side in an upright crop."""
    across = look.points[BODY] - look.points[list(MIRRORED_POINTS)][BODY]
    upright = np.array([np.cos(look.region.angle), np.sin(look.region.angle)])
    return float(((across @ upright) * SIDES).sum())


def look_mirrored(engine: VisionEngine, pixels: Pixels, region: Region) -> PoseSeen | None:
    """Read the body in a mirrored picture, and tell it as if the picture were not mirrored."""
    width = pixels.shape[1]
    at = Region((width - region.center[0], region.center[1]), region.side, -region.angle)
    look = engine.see_pose(np.ascontiguousarray(pixels[:, ::-1]), at)
    if look is None:
        return None
    order = list(MIRRORED_POINTS)
    back = look.region
    return PoseSeen(
        points=look.points[order] * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32),
        points_world=look.points_world[order] * np.array([-1, 1, 1], np.float32),
        visibility=look.visibility[order],
        mask=np.ascontiguousarray(look.mask[:, ::-1]),
        region=Region((width - back.center[0], back.center[1]), back.side, -back.angle),
    )


def reframe(body: BodyPoints, old: Frame, new: Frame) -> BodyPoints:
    """Tell the points in another crop's pixels; the mask keeps its resolution and shows the new crop."""
    shift = np.array([old.left - new.left, old.top - new.top], np.float32)
    grown = np.float32(old.scale / new.scale)
    points = (body.points * np.float32(old.scale) + shift) / np.float32(new.scale)
    # The new crop at the old one's resolution.
    height, width = round(new.height / grown), round(new.width / grown)
    rows = (np.arange(height) + 0.5) * new.height / height * new.scale - shift[1]
    columns = (np.arange(width) + 0.5) * new.width / width * new.scale - shift[0]
    mask = _resample(body.mask, rows / old.scale - 0.5, axis=0)
    mask = _resample(mask, columns / old.scale - 0.5, axis=1)
    return replace(body, points=points, spread=body.spread * grown, size=body.size * float(grown), mask=mask)


def _resample(
    plane: Float[np.ndarray, "height width"], places: Float[np.ndarray, " places"], axis: int
) -> Float[np.ndarray, "new_height new_width"]:
    """Read a plane at fractional rows or columns; 0 outside."""
    length = plane.shape[axis]
    lower = np.floor(places).astype(int)
    part = (places - lower).astype(np.float32)
    part = part[:, None] if axis == 0 else part[None]
    low = plane.take(lower.clip(0, length - 1), axis)
    high = plane.take((lower + 1).clip(0, length - 1), axis)
    inside = (places > -1) & (places < length)
    return (low * (1 - part) + high * part) * (inside[:, None] if axis == 0 else inside[None])


def head_square(pixels: Pixels, look: PoseSeen) -> Square:
    """Cut the head out, upright to the next quarter turn, as the face engine wants it."""
    head = look.points[HEAD]
    side = max(3.1 * float(np.ptp(head, axis=0).max()), 0.14 * look.region.side)
    crop, _, _ = _square(pixels, head.mean(0), side, 256)
    return np.ascontiguousarray(np.rot90(crop, round(look.region.angle / (np.pi / 2))))


def look_at_face(engine: VisionEngine, pixels: Pixels, body: BodyPoints) -> Float[np.ndarray, "478 3"] | None:
    """Read the face on crops of the head; None if it is turned away, covered or too small."""
    head = body.points[HEAD]
    side = max(2.6 * float(np.ptp(head, axis=0).max()), 0.12 * body.size)
    for growth in (1.0, 1.5):
        crop, corner, scale = _square(pixels, head.mean(0), side * growth, 320)
        seen = engine.see_face(crop)
        if seen is None:
            continue
        points = seen.points * np.float32(scale)
        points[:, :2] += corner
        # A face elsewhere in the crop is somebody else's.
        middle, extent = points[:, :2].mean(0), float(np.ptp(points[:, :2], axis=0).max())
        if float(np.linalg.norm(middle - head[0])) < 0.6 * extent:
            return points
    return None


def look_at_hands(engine: VisionEngine, pixels: Pixels, body: BodyPoints) -> tuple[Hand | None, Hand | None]:
    """Read the left and the right hand on crops round the wrists."""
    return _look_at_hand(engine, pixels, body, "left"), _look_at_hand(engine, pixels, body, "right")


def _look_at_hand(engine: VisionEngine, pixels: Pixels, body: BodyPoints, side: str) -> Hand | None:
    elbow, wrist, index, pinky = (
        BODY_POINTS.index(f"{side}_{name}") for name in ("elbow", "wrist", "index", "pinky")
    )
    if body.visibility[wrist] < 0.3:
        return None
    center = body.points[[wrist, index, pinky]].mean(0)
    forearm = float(np.linalg.norm(body.points[wrist] - body.points[elbow]))
    size = max(0.95 * forearm, 0.1 * body.size)
    best: tuple[float, Hand] | None = None
    for growth in (1.0, 1.4):
        for mirrored in (False, True):
            crop, corner, scale = _square(pixels, center, size * growth, 256)
            seen = engine.see_hand(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop)
            if seen is None:
                continue
            seen = _unmirrored(seen, crop.shape[1]) if mirrored else seen
            points = seen.points * np.float32(scale) + corner
            miss = float(np.linalg.norm(points[0] - body.points[wrist])) / size
            score = seen.score - miss
            if seen.is_left != (side == "left") or miss > FARTHEST_WRIST:
                continue
            if best is None or score > best[0]:
                found = Hand(torch.from_numpy(points), torch.from_numpy(seen.points_world), max(0.0, score))
                best = (score, found)
    return None if best is None else best[1]


def _unmirrored(hand: HandSeen, width: int) -> HandSeen:
    return HandSeen(
        points=hand.points * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32),
        points_world=hand.points_world * np.array([-1, 1, 1], np.float32),
        is_left=not hand.is_left,
        score=hand.score,
    )


def _square(
    pixels: Pixels, center: Float[np.ndarray, "2"], side: float, size: int
) -> tuple[Square, Float[np.ndarray, "2"], float]:
    """Cut a square, repeating the rim where it leaves the picture; give it, its corner and its scale."""
    height, width = pixels.shape[:2]
    whole = max(4, round(side))
    left, top = round(float(center[0]) - whole / 2), round(float(center[1]) - whole / 2)
    rows = np.arange(top, top + whole).clip(0, height - 1)
    columns = np.arange(left, left + whole).clip(0, width - 1)
    crop = resize_pixels(pixels[rows[:, None], columns], (size, size))
    return crop, np.array([left, top], np.float32), whole / size
