"""The stage: pictures of a film in, what is seen of the person in each out."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import ManyPersonsError, NoPersonError
from vivant.core.run import Context
from vivant.engines.catalog import load_vision
from vivant.engines.jobs import VisionEngine
from vivant.perceive.choice import choose_person
from vivant.perceive.framing import Turn
from vivant.perceive.people import find_people
from vivant.perceive.person import PerceiveConfig, frame_person
from vivant.perceive.points import look_at_hands
from vivant.perceive.visible import confidence
from vivant.records import Footage, Hand, Sightings


@dataclass(frozen=True)
class _Seen:
    keypoints: Float[Tensor, "33 2"]
    world: Float[Tensor, "33 3"]
    confidence: Float[Tensor, "33"]
    spread: Float[Tensor, "33"]
    hands: tuple[Hand | None, Hand | None]
    scale: float
    corner: Float[Tensor, "2"]


def watch(context: Context, footage: Footage, config: PerceiveConfig) -> Sightings:
    """Find the person in each picture, and measure body and hands. No mask is made.

    Pictures in which nobody is found are marked so; it is the next stage's business whether enough are left.
    """
    engine = load_vision(config.engine)
    frames, height, width, _ = footage.images.shape
    seen = torch.zeros(frames, dtype=torch.bool)
    body = [torch.zeros(frames, 33, size) for size in (2, 3)]
    sure, spread = torch.zeros(frames, 33), torch.ones(frames, 33)
    hands, hands_world = torch.zeros(frames, 2, 21, 2), torch.zeros(frames, 2, 21, 3)
    hands_sure = torch.zeros(frames, 2)
    for frame, image in enumerate(footage.images):
        found = _look(engine, image.numpy(), config)
        context.advance((frame + 1) / frames)
        if found is None:
            continue
        seen[frame] = True
        body[0][frame] = found.keypoints * found.scale + found.corner
        body[1][frame], sure[frame], spread[frame] = found.world, found.confidence, found.spread * found.scale
        for side, hand in enumerate(found.hands):
            if hand is not None:
                hands[frame, side] = hand.points * found.scale + found.corner
                hands_world[frame, side], hands_sure[frame, side] = hand.points_world, hand.confidence
    return Sightings(
        seen=seen,
        keypoints=body[0],
        keypoints_world=body[1],
        confidence=sure,
        spread_px=spread,
        hands=hands,
        hands_world=hands_world,
        hands_confidence=hands_sure,
        width=width,
        height=height,
        fps=footage.fps,
    )


def _look(engine: VisionEngine, pixels: np.ndarray, config: PerceiveConfig) -> _Seen | None:
    height, width = pixels.shape[:2]
    pixels = np.ascontiguousarray(pixels)
    try:
        crowd = find_people(engine, pixels)
        found, _ = choose_person(engine, pixels, crowd, config.person, config.min_height)
        frame, body = frame_person(engine, pixels, Turn(0, width, height), crowd, found, config)
    except (NoPersonError, ManyPersonsError):
        # In a film people come and go; the stage tells which pictures they are missing from.
        return None
    image = frame.cut(pixels)
    hands = look_at_hands(engine, image, body)
    return _Seen(
        keypoints=torch.from_numpy(body.points),
        world=torch.from_numpy(body.points_world),
        confidence=torch.from_numpy(confidence(body, image.shape[:2])),
        spread=torch.from_numpy(body.spread),
        hands=(hands[0], hands[1]),
        scale=float(frame.scale),
        corner=torch.tensor([float(frame.left), float(frame.top)]),
    )
