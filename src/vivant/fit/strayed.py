"""A hand that no detector could read, found by the room that the mask leaves for it.

A gloved hand, or one seen end on, is often put somewhere on the sleeve. Where the mask then has a piece the
size of a hand that the body leaves empty, within reach of the wrist, the hand is tried there.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt, label
from torch import Tensor

from vivant.fit.hands import SURE
from vivant.fit.reduced import State, place_points
from vivant.fit.silhouette import Mask, draw_body
from vivant.fit.stages import Case, fit_outline, posed_verts
from vivant.records import BODY_POINTS

SEEN = 0.7
"""A wrist with less confidence may not be in the picture at all."""

HALF_WIDTH = 2.0
"""Percent of a stature: half the width of the narrowest empty piece that a fist may fill."""

LARGEST = 120.0
"""Squared percents of a stature: an empty piece that is larger is cloth, not a hand."""

REACH = 10.0
"""Percent of a stature, from the wrist to the piece's middle."""

FILLED = 0.6
"""Part of the empty piece that the body must fill afterwards."""

ELBOW = 4.0
"""Percent of a stature by which the elbow may miss its point afterwards."""


@dataclass(frozen=True)
class Room:
    """An empty piece of the mask."""

    center: Float[Tensor, "2"]
    """Image pixels."""

    area: Bool[Tensor, "rows columns"]
    """Of the mask's field."""


def follow_strayed_hands(case: Case, state: State, mask: Mask | None) -> tuple[State, tuple[str, ...]]:
    """Move each unread hand to the piece of the mask that waits for it.

    Returns:
        The state, and the sides ("left", "right") whose hand was moved.
    """
    moved = []
    for side, hand in (("left", case.person.left_hand), ("right", case.person.right_hand)):
        if mask is None or (hand is not None and hand.confidence > SURE):
            continue
        empty = _empty(case, state, mask)
        room = find_room(case, state, mask, empty, side)
        if room is None:
            continue
        tried = fit_outline(_told(case, side, room), state, mask)
        if _is_better(case, mask, room, side, empty, tried):
            state = tried
            moved.append(side)
    return state, tuple(moved)


def find_room(
    case: Case, state: State, mask: Mask, empty: Bool[Tensor, "rows columns"], side: str
) -> Room | None:
    """The thickest empty piece near the wrist, if a hand would fit into it.

    Args:
        case: The person.
        state: The body as fitted so far.
        mask: The person's.
        empty: Where the mask shows the person and the body is not.
        side: "left" or "right".
    """
    if float(case.evidence.confidence[BODY_POINTS.index(f"{side}_wrist")]) < SEEN:
        return None
    percent = case.evidence.sigma_px * mask.scale
    thickness = torch.from_numpy(distance_transform_edt(empty.numpy())).float() / percent
    wrist = place_of(case, state, f"{side}_wrist") * mask.scale
    rows, columns = torch.meshgrid(*(torch.arange(size) + 0.5 for size in empty.shape), indexing="ij")
    near = (columns - wrist[0]).hypot(rows - wrist[1]) < REACH * percent
    peak = int((thickness * near).argmax())
    if float(thickness.flatten()[peak] * near.flatten()[peak]) < HALF_WIDTH:
        return None
    # Without its fringes, which may lead on along the sleeve's rim.
    found: Any = label((thickness > 0.5 * HALF_WIDTH).numpy())
    numbers = torch.from_numpy(found[0])
    area = numbers == numbers.flatten()[peak]
    if float(area.sum()) / percent**2 > LARGEST:
        return None
    center = torch.stack([columns[area].mean(), rows[area].mean()]) / mask.scale
    return Room(center, area)


def place_of(case: Case, state: State, name: str) -> Float[Tensor, "2"]:
    """Image pixels of a body point on the fitted body."""
    places = place_points(case.landmarks.body, case.anatomy.pose(state))
    return case.evidence.camera.project(places)[case.evidence.row(name)]


def _told(case: Case, side: str, room: Room) -> Case:
    """The person as if the knuckles had been seen in the empty piece, and the wrist not at all."""
    evidence = case.evidence
    points, trust, confidence = (
        evidence.points.clone(),
        evidence.trust.clone(),
        evidence.confidence.clone(),
    )
    for knuckle in ("pinky", "index"):
        points[evidence.row(f"{side}_{knuckle}")] = room.center
        trust[evidence.row(f"{side}_{knuckle}")] = 1.0
    for doubtful in ("thumb", "wrist"):
        trust[evidence.row(f"{side}_{doubtful}")] = 0.0
    # Nor does the detector then know where the forearm points in space.
    confidence[BODY_POINTS.index(f"{side}_wrist")] = 0.0
    return replace(case, evidence=replace(evidence, points=points, trust=trust, confidence=confidence))


def _is_better(
    case: Case, mask: Mask, room: Room, side: str, empty: Bool[Tensor, "rows columns"], tried: State
) -> bool:
    """The piece is filled, nothing else is laid bare, and the elbow stays."""
    now = _empty(case, tried, mask)
    filled = 1 - float((now & room.area).sum()) / float(room.area.sum())
    elbow = place_of(case, tried, f"{side}_elbow")
    miss = float((elbow - case.evidence.points[case.evidence.row(f"{side}_elbow")]).norm())
    fewer = int(now.sum()) < int(empty.sum())
    return filled > FILLED and fewer and miss < ELBOW * case.evidence.sigma_px


def _empty(case: Case, state: State, mask: Mask) -> Bool[Tensor, "rows columns"]:
    height, width = case.person.alpha.shape
    verts = posed_verts(case.anatomy, state)
    drawn = draw_body(case.evidence.camera, mask, verts, case.anatomy.model.faces, (width, height))
    return (mask.field[0] <= 0) & ~drawn
