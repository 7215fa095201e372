"""The inside of the mouth, which photos of closed lips never show."""

import torch
from jaxtyping import Bool
from torch import Tensor

from vivant.body.anny import load_anny
from vivant.records import Rig

MOUTH = (0.13, 0.05, 0.05)
"""sRGB of the inside of a mouth: what little light comes back out is red."""

_EYE, _INSIDE = 1, 2


def mouth_faces(rig: Rig) -> Bool[Tensor, " faces"]:
    """Triangles of a rig that line the mouth; none if it is no anny body."""
    model = load_anny()
    region = model.face_region
    if len(rig.verts) != len(model.verts_mean) or len(rig.faces) != len(region):
        return torch.zeros(len(rig.faces), dtype=torch.bool)
    heights = rig.verts[rig.faces].mean(1)[:, 1]
    # Of all that is inside, eye sockets lie as high as the eyes; the mouth ends well below.
    return (region == _INSIDE) & (heights < heights[region == _EYE].min() - 0.02)
