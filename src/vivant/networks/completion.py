"""What a photo tells of hidden colours without learned knowledge: guesses from what it shows.

The networks start from these guesses, for that is what they get: the `quick` avatar completes what the photo
hides by the same two rules.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FLAT = 0.2
"""How much distance from front to back counts below the neck: little, so a back takes its front's colour."""

ASKED = 1500
"""Seen vertices that others take their colours from, at most."""


@torch.no_grad()
def completed_colors(
    verts_rest: Float[Tensor, "verts 3"],
    colors: Float[Tensor, "verts 3"],
    seen: Bool[Tensor, " verts"],
    head_height: float,
) -> Float[Tensor, "verts 3"]:
    """Colours with those of unseen vertices taken from seen ones.

    Below the neck from front to back and from side to side; on the head from the nearest, so that its back
    takes hair and no face.

    Args:
        verts_rest: Of the surface at rest, which faces +z; x is 0 in the middle.
        colors: As the photo shows them; those of unseen vertices are not looked at.
        seen: Where they count.
        head_height: Metres above the floor where the head begins.
    """
    known, unknown = _some(seen.nonzero()[:, 0]), (~seen).nonzero()[:, 0]
    if not len(known) or not len(unknown):
        return colors.clone()
    made = colors.clone()
    on_head = verts_rest[:, 1] > head_height
    for chosen, depth_counts in ((on_head, 1.0), (~on_head, FLAT)):
        some, asked = unknown[chosen[unknown]], known[chosen[known]]
        asked = asked if len(asked) else known
        scale = verts_rest.new_tensor([1.0, 1.0, depth_counts])
        sources, mirrored = verts_rest[asked] * scale, verts_rest[asked] * scale * scale.new_tensor([-1, 1, 1])
        away = torch.cdist(verts_rest[some] * scale, torch.cat([sources, mirrored]))
        made[some] = colors[asked][away.argmin(1) % len(asked)]
    return made


def _some(index: Int[Tensor, " all"]) -> Int[Tensor, " some"]:
    """Evenly chosen ones."""
    return index[torch.linspace(0, len(index) - 1, min(len(index), ASKED)).long()] if len(index) else index
