"""Facial actions of a mesh as morph targets: blinks, jaw, smile, by the names that ARKit gave them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import load_anny
from vivant.export.dressing import SkinnedMesh
from vivant.records import Avatar, Motion

LEAST = 3e-4
"""Metres: corners that move less are left out, which halves the file's share."""

EXPRESSIONS: dict[str, dict[str, float]] = {
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "aa": {"jawOpen": 0.7},
    "ih": {"jawOpen": 0.2, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5},
    "ou": {"mouthPucker": 0.8, "jawOpen": 0.15},
    "ee": {"mouthStretchLeft": 0.7, "mouthStretchRight": 0.7, "jawOpen": 0.1},
    "oh": {"mouthFunnel": 0.7, "jawOpen": 0.3},
    "happy": {"mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5},
    "sad": {"mouthFrownLeft": 0.8, "mouthFrownRight": 0.8, "browInnerUp": 0.8},
    "angry": {"browDownLeft": 1.0, "browDownRight": 1.0, "noseSneerLeft": 0.5, "noseSneerRight": 0.5},
    "surprised": {"browInnerUp": 0.8, "browOuterUpLeft": 0.8, "browOuterUpRight": 0.8, "jawOpen": 0.3},
}
"""Of VRM's expressions those that actions can make, and how strongly each takes part."""


@dataclass(frozen=True)
class Face:
    """How facial actions move a mesh's corners at rest."""

    action_names: tuple[str, ...]
    offsets: Float[Tensor, "actions corners 3"]
    """Metres, at full strength."""

    at_rest: Float[Tensor, " actions"]
    """What the rest shape does already, 0 to 1."""

    def weights(self, motion: Motion) -> Float[Tensor, "frames actions"] | None:
        """How strong each of the face's actions is in a clip, on top of the rest shape; None if none moves.

        No action goes beyond its full strength.
        """
        if motion.actions is None:
            return None
        weights = torch.zeros(len(motion), len(self.action_names))
        for column, name in enumerate(motion.action_names):
            if name in self.action_names:
                weights[:, self.action_names.index(name)] = motion.actions[:, column]
        return (self.at_rest + weights).clamp(0, 1) - self.at_rest if bool(weights.any()) else None


def make_face(avatar: Avatar, mesh: SkinnedMesh) -> Face | None:
    """Give the actions of the avatar's body, which do not depend on its shape; None if it has none."""
    if avatar.shape.model != "anny":
        return None
    model = load_anny()
    if len(avatar.rig.verts) != len(model.verts_mean) or len(avatar.shape.actions) != len(model.action_names):
        return None
    offsets = torch.zeros(len(model.action_names), len(model.verts_mean), 3)
    offsets[:, model.action_verts] = model.action_basis.reshape(len(offsets), -1, 3)
    offsets[offsets.norm(dim=-1) < LEAST] = 0.0
    return Face(model.action_names, offsets[:, mesh.vert], avatar.shape.actions)
