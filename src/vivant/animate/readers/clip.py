"""What every reader makes: somebody's skeleton, moving, in that somebody's own names and rest pose."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.core.errors import BadFileError
from vivant.core.rotations import slerp_quats

MOST_FRAMES = 200_000
"""Half an hour at 120 frames a second."""

MOST_PLACES = 20_000_000
"""Frames times joints: what is kept of them takes half a gigabyte."""


@dataclass(frozen=True)
class Clip:
    """A skeleton at rest and in motion, in the file's own world (any up axis, any unit)."""

    name: str
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    """-1 for roots; a parent always stands before its children."""

    rest_quats: Float[Tensor, "joints 4"]
    """World orientation of each joint at rest."""

    rest_places: Float[Tensor, "joints 3"]
    """Where the joints lie at rest."""

    quats: Float[Tensor, "frames joints 4"]
    """World orientation over time."""

    places: Float[Tensor, "frames joints 3"]
    fps: float

    def __post_init__(self) -> None:
        """Check counts, and that every number is one.

        Raises:
            BadFileError: If something is not finite, or the rate is absurd.
        """
        expect_counts("Clip", joint_names=len(self.joint_names), joint_parents=len(self.joint_parents),
                      rest_quats=len(self.rest_quats), rest_places=len(self.rest_places),
                      quats=self.quats.shape[1], places=self.places.shape[1])  # fmt: skip
        expect_counts("Clip (frames)", quats=len(self.quats), places=len(self.places))
        for name in ("rest_quats", "rest_places", "quats", "places"):
            values = getattr(self, name)
            if not bool(torch.isfinite(values).all()) or (values.numel() and float(values.abs().max()) > 1e9):
                raise BadFileError(f"The clip {self.name!r} has values that are not finite or absurdly large.")
        if len(self.quats) < 1 or not 0 < self.fps <= 1000:
            raise BadFileError(
                f"The clip {self.name!r} has {len(self.quats)} frames at {self.fps} a second; at least one "
                "frame, and 0 to 1000 a second are needed."
            )

    def __len__(self) -> int:
        return len(self.quats)

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (len(self) - 1) / self.fps

    def resampled(self, fps: float) -> "Clip":
        """The same movement at another rate; places go straight and turns the short way between frames."""
        if abs(fps - self.fps) < 1e-6 or len(self) == 1:
            return replace(self, fps=fps)
        count = int(self.seconds * fps + 1e-6) + 1
        at = (torch.arange(count, dtype=torch.float64) * (self.fps / fps)).clamp(max=len(self) - 1)
        before = at.floor().long().clamp(max=len(self) - 2)
        share = (at - before).float()[:, None, None]
        return replace(
            self,
            quats=slerp_quats(self.quats[before], self.quats[before + 1], share),
            places=torch.lerp(self.places[before], self.places[before + 1], share),
            fps=fps,
        )


def expect_bounded(name: str, frames: int | float, joints: int) -> None:
    """Refuse clips that would fill the memory, before anything is allocated.

    Raises:
        BadFileError: If there are too many frames, or too many joints for them.
    """
    if not 0 < frames <= MOST_FRAMES or frames * joints > MOST_PLACES:
        raise BadFileError(
            f"{name} has {frames:.0f} frames of {joints} joints; 1 to {MOST_FRAMES} frames, and {MOST_PLACES} "
            "places in all, are read. Cut the clip."
        )
