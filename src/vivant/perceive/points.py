"""Body, face and hand points, from several looks at the same person."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8

from vivant.core.images import resize_plane, sample_box
from vivant.engines.jobs import PoseSeen, Region, VisionEngine
from vivant.records import BODY_POINTS, Hand

Pixels = UInt8[np.ndarray, "height width 3"]

MIRRORED = tuple(
    BODY_POINTS.index(
        name.replace("left", "#").replace("right", "left").replace("#", "right") if "_" in name else name
    )
    for name in BODY_POINTS
)
"""Which point takes each point's place in a mirror."""

LOOK_SIDE = 768
"""Pictures for the body model need no more: it works at 256 px."""


@dataclass(frozen=True)
class BodyPoints:
    """What several looks at one person agree on, in pixels of one picture."""

    points: Float[np.ndarray, "33 2"]
    points_world: Float[np.ndarray, "33 3"]
    visibility: Float[np.ndarray, "33"]
    spread: Float[np.ndarray, "33"]
    """Mean distance of the looks from their median."""

    mask: Float[np.ndarray, "height width"]
    """Mean over the looks."""

    region: Region

    @property
    def extent(self) -> float:
        """Longer side of the box round the points likely to be seen."""
        shown = self.points[self.visibility > 0.3] if (self.visibility > 0.3).sum() > 1 else self.points
        return float(np.ptp(shown, axis=0).max())


def look_at_body(engine: VisionEngine, pixels: Pixels, region: Region) -> BodyPoints | None:
    """Read the body in four looks (first, refined, mirrored, mirrored and wider) and take their median.

    Give None if the first look sees nobody.
    """
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / LOOK_SIDE)
    small = sample_box(pixels, (0, 0, width, height), (round(width / scale), round(height / scale)))
    stretch = (width / small.shape[1], height / small.shape[0])
    at = Region(
        (region.center[0] / stretch[0], region.center[1] / stretch[1]), region.side / scale, region.angle
    )
    first = engine.see_pose(small, at)
    if first is None:
        return None
    looks = [first]
    for growth, mirrored in ((1.0, False), (1.0, True), (1.16, True)):
        at = Region(first.region.center, first.region.side * growth, first.region.angle)
        look = _look_mirrored(engine, small, at) if mirrored else engine.see_pose(small, at)
        if look is not None:
            looks.append(look)
    points = np.stack([look.points for look in looks]) * np.array(stretch, np.float32)
    median = np.median(points, 0)
    return BodyPoints(
        points=median,
        points_world=np.median([look.points_world for look in looks], 0),
        visibility=np.median([look.visibility for look in looks], 0),
        spread=np.linalg.norm(points - median, axis=-1).mean(0),
        mask=resize_plane(np.mean([look.mask for look in looks], 0), (width, height)).clip(0, 1),
        region=Region(
            (first.region.center[0] * stretch[0], first.region.center[1] * stretch[1]),
            first.region.side * scale,
            first.region.angle,
        ),
    )


def _look_mirrored(engine: VisionEngine, pixels: Pixels, region: Region) -> PoseSeen | None:
    width = pixels.shape[1]
    at = Region((width - region.center[0], region.center[1]), region.side, -region.angle)
    look = engine.see_pose(np.ascontiguousarray(pixels[:, ::-1]), at)
    if look is None:
        return None
    order = list(MIRRORED)
    points = look.points[order] * np.array([-1, 1], np.float32) + np.array([width, 0], np.float32)
    world = look.points_world[order] * np.array([-1, 1, 1], np.float32)
    mask = np.ascontiguousarray(look.mask[:, ::-1])
    return PoseSeen(points, world, look.visibility[order], mask, region)


def look_at_face(engine: VisionEngine, pixels: Pixels, body: BodyPoints) -> Float[np.ndarray, "478 3"] | None:
    """Read the face on crops of the head; None if it is turned away, covered or too small."""
    head = body.points[:11]
    center = head.mean(0)
    side = max(2.6 * float(np.ptp(head, axis=0).max()), 0.12 * body.extent)
    for growth in (1.0, 1.5):
        crop, corner, scale = _square(pixels, center, side * growth, 320)
        seen = engine.see_face(crop)
        if seen is not None:
            points = seen.points * np.float32(scale)
            points[:, :2] += corner
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
    reach = float(np.linalg.norm(body.points[wrist] - body.points[elbow]))
    size = max(0.95 * reach, 0.11 * body.extent)
    best: tuple[float, Hand] | None = None
    for growth in (1.0, 1.4):
        for mirrored in (False, True):
            crop, corner, scale = _square(pixels, center, size * growth, 256)
            seen = engine.see_hand(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop)
            if seen is None or (seen.is_left != mirrored) != (side == "left"):
                continue
            points, world = seen.points.copy(), seen.points_world.copy()
            if mirrored:
                points[:, 0], world[:, 0] = crop.shape[1] - points[:, 0], -world[:, 0]
            points = points * np.float32(scale) + corner
            miss = float(np.linalg.norm(points[0] - body.points[wrist])) / size
            score = seen.score - miss
            if miss < 0.45 and (best is None or score > best[0]):
                hand = Hand(torch.from_numpy(points), torch.from_numpy(world), max(0.0, seen.score - miss))
                best = (score, hand)
    return None if best is None else best[1]


def _square(
    pixels: Pixels, center: Float[np.ndarray, "2"], side: float, size: int
) -> tuple[Pixels, Float[np.ndarray, "2"], float]:
    """Cut a square, repeating the rim where it leaves the picture; give it, its corner and its scale."""
    height, width = pixels.shape[:2]
    side = max(4, round(side))
    left, top = round(float(center[0]) - side / 2), round(float(center[1]) - side / 2)
    rows = np.arange(top, top + side).clip(0, height - 1)
    columns = np.arange(left, left + side).clip(0, width - 1)
    crop = sample_box(pixels[rows[:, None], columns], (0, 0, side, side), (size, size))
    return crop, np.array([left, top], np.float32), side / size
