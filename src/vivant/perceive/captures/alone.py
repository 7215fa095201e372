"""A person whom only a mask tells of: cut out, and no point of the body known."""

from dataclasses import replace

import numpy as np
import torch

from vivant.core.errors import NoPersonError
from vivant.core.images import to_bytes, to_float
from vivant.perceive.foreground import estimate_foreground
from vivant.perceive.framing import frame_box
from vivant.perceive.person import PerceiveConfig
from vivant.records import Person, Photo


def cut_by_mask(photo: Photo, config: PerceiveConfig) -> Person:
    """Cut a person out by the photo's own mask, without looking for the body.

    Raises:
        NoPersonError: If there is no mask, or nothing in it.
    """
    shown = np.zeros((0, 2), np.int64) if photo.alpha is None else np.argwhere(photo.alpha.numpy() > 0.5)
    if photo.alpha is None or len(shown) == 0:
        raise NoPersonError(f"{photo.name} shows nobody, and no mask says where the person is.")
    (top, left), (bottom, right) = shown.min(0), shown.max(0) + 1
    height, width = photo.alpha.shape
    box = (float(left), float(top), float(right), float(bottom))
    frame = frame_box(box, (width, height), config.max_height, config.margin)
    image = to_float(frame.cut(to_bytes(photo.image)))
    alpha = to_float(frame.cut(to_bytes(photo.alpha)))
    return Person(
        image=image,
        foreground=torch.from_numpy(estimate_foreground(image.numpy(), alpha.numpy())),
        alpha=alpha,
        intrinsics=torch.eye(3),
        photo_from_image=frame.whole_from_crop,
        keypoints=torch.zeros(33, 2),
        keypoints_world=torch.zeros(33, 3),
        confidence=torch.zeros(33),
        spread_px=torch.ones(33),
        face=None,
        left_hand=None,
        right_hand=None,
        visible_parts=(),
        notes=("Cut out by its mask; the body's points could not be seen.",),
    )


def blindfold(person: Person) -> Person:
    """The same cut-out, but nothing known of the body: it tells no pose."""
    return replace(
        person, confidence=torch.zeros_like(person.confidence), face=None, left_hand=None, right_hand=None
    )
