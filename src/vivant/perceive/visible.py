"""What the picture shows of the person: how sure each point is, which parts are there, what is guessed."""

import numpy as np
from jaxtyping import Bool, Float

from vivant.perceive.points import HEAD, BodyPoints
from vivant.records import BODY_POINTS, Hand

SHAKY = 0.03
"""Looks that lie this far apart, over the person's size, make a point worth 1/e."""

LIMBS = tuple(
    (BODY_POINTS.index(f"{side}_{a}"), BODY_POINTS.index(f"{side}_{b}"))
    for side in ("left", "right")
    for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
)
"""Bones that lie well inside the body's outline; the sides of the torso do not."""

FINGERS = tuple((0 if joint % 4 == 1 else joint - 1, joint) for joint in range(1, 21))
"""Bones of a hand."""

PARTS = {
    "torso": ("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
    "left_arm": ("left_shoulder", "left_elbow", "left_wrist"),
    "right_arm": ("right_shoulder", "right_elbow", "right_wrist"),
    "left_hand": ("left_wrist", "left_index", "left_pinky"),
    "right_hand": ("right_wrist", "right_index", "right_pinky"),
    "left_leg": ("left_hip", "left_knee", "left_ankle"),
    "right_leg": ("right_hip", "right_knee", "right_ankle"),
    "left_foot": ("left_ankle", "left_foot_index"),
    "right_foot": ("right_ankle", "right_foot_index"),
}
"""A part is shown if most of these points are."""


def confidence(body: BodyPoints, shape: tuple[int, ...]) -> Float[np.ndarray, "33"]:
    """How sure each point is, 0 to 1; 0 outside the picture (height, width)."""
    x, y = body.points.T
    inside = (x >= 0) & (x <= shape[1]) & (y >= 0) & (y <= shape[0])
    agreement = np.exp(-((body.spread / (SHAKY * body.size)) ** 2))
    return (body.visibility * agreement * inside).astype(np.float32)


def visible_parts(sure: Float[np.ndarray, "33"], has_face: bool) -> tuple[str, ...]:
    """Name the parts the picture shows."""
    shown = ["head"] if has_face or sure[HEAD].max() > 0.5 else []
    for part, names in PARTS.items():
        points = sure[[BODY_POINTS.index(name) for name in names]]
        if np.median(points) > 0.4:
            shown.append(part)
    return tuple(shown)


def tell_hidden(
    parts: tuple[str, ...], has_face: bool, left_hand: Hand | None, right_hand: Hand | None
) -> tuple[str, ...]:
    """Say in plain sentences what the picture does not show."""
    notes = []
    if not has_face:
        notes.append("The face could not be read (turned away, covered or too small): its shape is guessed.")
    for part in ("arm", "leg", "foot"):
        plural = "feet" if part == "foot" else f"{part}s"
        hidden = [side for side in ("left", "right") if f"{side}_{part}" not in parts]
        if len(hidden) == 2:
            notes.append(f"The {plural} are hidden or not in the picture: guessed.")
        elif hidden:
            notes.append(f"The {hidden[0]} {part} is hidden or not in the picture: guessed.")
    unread = [side for side, hand in (("left", left_hand), ("right", right_hand)) if hand is None]
    if len(unread) == 2:
        notes.append("The hands could not be read (hidden, gloved or too small): their fingers are guessed.")
    elif unread:
        notes.append(
            f"The {unread[0]} hand could not be read (hidden, gloved or too small): its fingers are guessed."
        )
    return tuple(notes)


def bones_mask(
    body: BodyPoints, sure: Float[np.ndarray, "33"], hands: list[Hand], shape: tuple[int, ...], scale: float
) -> Bool[np.ndarray, "height width"]:
    """Pixels that must be the person: along bones seen for sure, and along fingers.

    Args:
        body: The points.
        sure: Their confidence.
        hands: Hands found.
        shape: Height and width of the mask.
        scale: The mask's pixels for one of the points'.
    """
    mask = np.zeros(shape, bool)
    for a, b in LIMBS:
        if min(sure[a], sure[b]) > 0.7:
            _draw(mask, body.points[a] * scale, body.points[b] * scale, 0.006 * body.size * scale)
    for hand in hands:
        if hand.confidence < 0.6:
            continue
        points = hand.points.numpy() * np.float32(scale)
        thick = 0.035 * float(np.linalg.norm(points[9] - points[0]))
        for a, b in FINGERS:
            # The tips are the least certain, so bones end a little before them.
            _draw(mask, points[a], points[a] * 0.15 + points[b] * 0.85, thick)
    return mask


def _draw(
    mask: Bool[np.ndarray, "height width"],
    start: Float[np.ndarray, "2"],
    end: Float[np.ndarray, "2"],
    radius: float,
) -> None:
    """Set the pixels within a radius of a line."""
    height, width = mask.shape
    radius = max(radius, 0.7)
    left, top = np.floor(np.minimum(start, end) - radius).astype(int).clip(0)
    right, bottom = np.ceil(np.maximum(start, end) + radius).astype(int).clip(0, [width, height])
    if right <= left or bottom <= top:
        return
    x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    along = end - start
    place = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(float(along @ along), 1e-6)
    place = place.clip(0, 1)
    apart = np.hypot(x - start[0] - place * along[0], y - start[1] - place * along[1])
    mask[top:bottom, left:right] |= apart <= radius
