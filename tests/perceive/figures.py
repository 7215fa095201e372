"""Photos as records, from arrays."""

import hashlib

import numpy as np
import torch

from vivant.core.images import to_float
from vivant.core.progress import Event, Noted
from vivant.core.run import Context
from vivant.perceive import PerceiveConfig, perceive
from vivant.records import Person, Photo


def photo_of(pixels: np.ndarray, alpha: np.ndarray | None = None, focal_px: float | None = None) -> Photo:
    """Make a photo of bytes."""
    pixels = np.ascontiguousarray(pixels)
    return Photo(
        image=to_float(pixels),
        alpha=None if alpha is None else torch.from_numpy(alpha.astype(np.float32)),
        focal_px=focal_px,
        digest=hashlib.sha256(pixels.tobytes()).hexdigest(),
        name="made",
        original_size=(pixels.shape[1], pixels.shape[0]),
    )


def perceive_pixels(pixels: np.ndarray, **config: object) -> Person:
    """Run the stage on bytes."""
    return perceive(Context(), photo_of(pixels), PerceiveConfig(**config))


def listening() -> tuple[Context, list[str]]:
    """A context, and the notes that it hears."""
    notes: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Noted):
            notes.append(event.text)

    return Context(listener=hear), notes


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())
