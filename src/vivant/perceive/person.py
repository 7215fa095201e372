"""The stage: a photo in, its person out."""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadInputError, NoPersonError
from vivant.core.images import resize_plane, to_bytes, to_float
from vivant.core.run import Context
from vivant.engines.catalog import load_vision
from vivant.engines.jobs import Pixels, VisionEngine
from vivant.perceive.choice import choose_person
from vivant.perceive.foreground import estimate_foreground
from vivant.perceive.framing import Frame, Turn, frame_box
from vivant.perceive.mask import cut_out
from vivant.perceive.people import Crowd, Found, find_people, paint_over
from vivant.perceive.points import BodyPoints, look_at_body, look_at_face, look_at_hands, reframe
from vivant.perceive.visible import bones_mask, confidence, tell_hidden, visible_parts
from vivant.records import Person, Photo

FOCAL_OF_SIDE = 1.2
"""Focal length over the photo's longer side where EXIF is silent: a normal lens."""

LOOK_SIDE = 768
"""Longer side of the picture for the closer look: the model works at 256 px."""

TURN_FROM = np.deg2rad(60)
"""A torso that leans further has the photo turned under it."""


@dataclass(frozen=True)
class PerceiveConfig:
    """How the person is found and cut out."""

    person: int | None = None
    """Which person, counted from left to right from 1, if several are in the photo."""

    engine: Literal["mediapipe"] = "mediapipe"
    """Who looks: the name of a vision engine."""

    max_height: int = 1600
    """Larger people are reduced to this many pixels."""

    min_height: int = 96
    """Smaller people are refused."""

    margin: float = 0.12
    """Room around the person, as a part of the person's longer side."""

    def __post_init__(self) -> None:
        """Check before long work what can be cut out.

        Raises:
            BadInputError: If a number is out of range.
        """
        if not 1 <= self.min_height <= self.max_height:
            raise BadInputError(
                f"Persons of {self.min_height} to {self.max_height} px; at least 1, the smaller first."
            )
        if not 0 <= self.margin <= 10:
            raise BadInputError(f"A margin of {self.margin}; 0 to 10 are possible.")


def perceive(context: Context, photo: Photo, config: PerceiveConfig) -> Person:
    """Find the person in a photo, measure body, face and hands, and cut the person out.

    Raises:
        NoPersonError: If nobody is there, too little of somebody, or somebody too small.
        ManyPersonsError: If several people are there and none was chosen.
    """
    engine = load_vision(config.engine)
    near = look_closely(context, engine, photo, config)
    turn, frame, body, notes = near.turn, near.frame, near.body, near.notes
    image = frame.cut(near.upright)
    context.advance(0.4)
    face = look_at_face(engine, image, body)
    left_hand, right_hand = look_at_hands(engine, image, body)
    context.advance(0.5)

    sure = confidence(body, image.shape[:2])
    hands = [hand for hand in (left_hand, right_hand) if hand is not None]
    keep = np.concatenate([body.points[sure > 0.6], *(hand.points.numpy() for hand in hands)])
    draw_inside = functools.partial(bones_mask, body, sure, hands)
    alpha = _alpha_in_file(photo, turn, frame, body)
    if alpha is None:
        alpha = cut_out(image, body.mask, body.size, draw_inside, keep)
    context.advance(0.8)
    foreground = estimate_foreground(to_float(image).numpy(), alpha)
    parts = visible_parts(sure, face is not None)
    notes += tell_hidden(parts, face is not None, left_hand, right_hand)
    for note in notes:
        context.note(note)
    return Person(
        image=to_float(image),
        foreground=torch.from_numpy(foreground),
        alpha=torch.from_numpy(alpha),
        intrinsics=_intrinsics(photo, turn, frame),
        photo_from_image=turn.photo_from_turned @ frame.whole_from_crop,
        keypoints=torch.from_numpy(body.points),
        keypoints_world=torch.from_numpy(body.points_world),
        confidence=torch.from_numpy(sure),
        spread_px=torch.from_numpy(body.spread),
        face=None if face is None else torch.from_numpy(face),
        left_hand=left_hand,
        right_hand=right_hand,
        visible_parts=parts,
        notes=notes,
    )


@dataclass(frozen=True)
class Closeup:
    """One person of a photo, found, turned upright and framed."""

    turn: Turn
    upright: Pixels
    """The whole photo after the turn."""

    frame: Frame
    body: BodyPoints
    notes: tuple[str, ...]


def look_closely(context: Context, engine: VisionEngine, photo: Photo, config: PerceiveConfig) -> Closeup:
    """Choose the person and read the body's points.

    Raises:
        NoPersonError: If nobody is there, too little of somebody, or somebody too small.
        ManyPersonsError: If several people are there and none was chosen.
    """
    pixels = to_bytes(_on_grey(photo))
    crowd = find_people(engine, pixels)
    found, notes = choose_person(engine, pixels, crowd, config.person, config.min_height)
    context.advance(0.2)
    turn, turn_notes = _turn_upright(found, pixels)
    upright = turn.turn(pixels)
    frame, body = frame_person(engine, upright, turn, crowd, found, config)
    return Closeup(turn, upright, frame, body, notes + turn_notes)


def _on_grey(photo: Photo) -> Float[Tensor, "height width 3"]:
    """Put a cut-out before plain grey: what a file hides under its transparency can be anything."""
    if photo.alpha is None:
        return photo.image
    return photo.image * photo.alpha[..., None] + 0.5 * (1 - photo.alpha[..., None])


def _turn_upright(found: Found, pixels: Pixels) -> tuple[Turn, tuple[str, ...]]:
    """Turn the photo by quarters if the person's head does not point up."""
    height, width = pixels.shape[:2]
    quarters = round(found.region.angle / (np.pi / 2)) % 4
    if abs(found.region.angle) < TURN_FROM or quarters == 0:
        return Turn(0, width, height), ()
    how = {1: "a quarter to the left", 2: "by a half", 3: "a quarter to the right"}[quarters]
    return Turn(quarters, width, height), (f"The person's head does not point up: the photo was turned {how}.",)


def frame_person(
    engine: VisionEngine, upright: Pixels, turn: Turn, crowd: Crowd, found: Found, config: PerceiveConfig
) -> tuple[Frame, BodyPoints]:
    """Look at the person closely, and choose the crop."""
    size = (upright.shape[1], upright.shape[0])
    region = turn.turn_region(found.region)
    (x, y), reach = region.center, 0.65 * region.side
    near = frame_box((x - reach, y - reach, x + reach, y + reach), size, LOOK_SIDE)
    others = [turn.turn(p.mask & ~found.mask) for p in crowd.people if p is not found and p.is_sure]
    picture = paint_over(near.cut(upright), [near.cut_mask(other, size) for other in others])
    body = look_at_body(engine, picture, near.crop_region(region))
    if body is None:
        raise NoPersonError("The person was lost at a closer look; crop the photo round the person.")
    frame = frame_box(_box(near, body), size, config.max_height, config.margin)
    return frame, reframe(body, near, frame)


def _box(near: Frame, body: BodyPoints) -> tuple[float, float, float, float]:
    """What the person takes up in the whole picture: mask and sure points, as far as they are in it."""
    sure = confidence(body, body.mask.shape) > 0.5
    rows, columns = np.nonzero(body.mask > 0.4)
    x = np.concatenate([columns, columns + 1, body.points[sure, 0]]) * near.scale + near.left
    y = np.concatenate([rows, rows + 1, body.points[sure, 1]]) * near.scale + near.top
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _alpha_in_file(
    photo: Photo, turn: Turn, frame: Frame, body: BodyPoints
) -> Float[np.ndarray, "height width"] | None:
    """Give the file's own cut-out if it is one of this person; rounded corners and the like are not."""
    if photo.alpha is None:
        return None
    alpha = to_float(frame.cut(turn.turn(to_bytes(photo.alpha)))).numpy()
    body_mask = resize_plane(body.mask, (alpha.shape[1], alpha.shape[0]), smooth=False) > 0.3
    opaque = alpha > 0.5
    strangers = opaque & ~body_mask
    return alpha if strangers.sum() < 0.5 * opaque.sum() else None


def _intrinsics(photo: Photo, turn: Turn, frame: Frame) -> Float[Tensor, "3 3"]:
    """Camera of the whole photo, told in the crop's pixels."""
    height, width = photo.image.shape[:2]
    focal = photo.focal_px or FOCAL_OF_SIDE * max(height, width)
    center = torch.tensor([width / 2, height / 2, 1.0])
    x, y, _ = torch.linalg.solve(turn.photo_from_turned @ frame.whole_from_crop, center).tolist()
    return torch.tensor([[focal / frame.scale, 0, x], [0, focal / frame.scale, y], [0, 0, 1.0]])
