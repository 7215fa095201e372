"""The stage: a photo in, its person out."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vivant.core.errors import NoPersonError
from vivant.core.images import to_bytes, to_float
from vivant.core.run import Context
from vivant.engines.catalog import load_vision
from vivant.perceive.framing import Frame, frame_box
from vivant.perceive.points import BodyPoints, look_at_body, look_at_face, look_at_hands
from vivant.records import Person, Photo

FOCAL_OF_SIDE = 1.2
"""Focal length over the photo's longer side where EXIF is silent: a normal lens."""


@dataclass(frozen=True)
class PerceiveConfig:
    """How the person is found and cut out."""

    engine: Literal["mediapipe"] = "mediapipe"
    """Who looks: the name of a vision engine."""

    person: int | None = None
    """Which person, counted from left to right from 1, if several are in the photo."""

    max_height: int = 1600
    """Larger people are reduced to this many pixels."""

    min_height: int = 96
    """Smaller people are refused."""

    margin: float = 0.12
    """Room around the person, as a part of the person's height."""


def perceive(context: Context, photo: Photo, config: PerceiveConfig) -> Person:
    """Find the person in a photo, measure body, face and hands, and cut the person out.

    Raises:
        NoPersonError: If nobody is there, or too small.
        ManyPersonsError: If several people are there and none was chosen.
    """
    engine = load_vision(config.engine)
    pixels = to_bytes(photo.image)
    height, width = pixels.shape[:2]
    whole = frame_box((0, 0, width, height), (width, height), 1280)
    people = engine.see_people(whole.cut(pixels))
    if not people:
        raise NoPersonError("No person was found in the photo.")
    region = whole.region_to_photo(people[0].region)
    half = region.side * 0.6
    x, y = region.center
    frame = frame_box((x - half, y - half, x + half, y + half), (width, height), 1.3 * config.max_height)
    image = frame.cut(pixels)
    body = look_at_body(engine, image, frame.region_from_photo(region))
    if body is None:
        raise NoPersonError("No person was found in the photo.")
    context.advance(0.3)
    face = look_at_face(engine, image, body)
    left_hand, right_hand = look_at_hands(engine, image, body)
    alpha = torch.from_numpy(((body.mask - 0.3) / 0.4).clip(0, 1))
    return Person(
        image=to_float(image),
        foreground=to_float(image),
        alpha=alpha,
        intrinsics=_intrinsics(photo, frame),
        photo_from_image=frame.photo_from_image,
        keypoints=torch.from_numpy(body.points),
        keypoints_world=torch.from_numpy(body.points_world),
        confidence=torch.from_numpy(_confidence(body, image)),
        spread_px=torch.from_numpy(body.spread),
        face=None if face is None else torch.from_numpy(face),
        left_hand=left_hand,
        right_hand=right_hand,
        visible_parts=(),
        notes=(),
    )


def _confidence(body: BodyPoints, image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "33"]:
    height, width = image.shape[:2]
    x, y = body.points.T
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    agreement = np.exp(-((body.spread / (0.03 * body.extent)) ** 2))
    return (body.visibility * agreement * inside).astype(np.float32)


def _intrinsics(photo: Photo, frame: Frame) -> Float[Tensor, "3 3"]:
    """Camera of the whole photo, told in the crop's pixels."""
    height, width = photo.image.shape[:2]
    focal = photo.focal_px or FOCAL_OF_SIDE * max(height, width)
    return torch.tensor(
        [
            [focal / frame.scale, 0, (width / 2 - frame.left) / frame.scale],
            [0, focal / frame.scale, (height / 2 - frame.top) / frame.scale],
            [0, 0, 1.0],
        ]
    )
