"""Somebody as training draws them: a coloured surface that follows the joints of the anny body."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import load_anny, part_labels
from vivant.core.checks import expect_counts
from vivant.mesh import vertex_normals

GROUPS = {
    "hair": ("scalp",),
    "top": ("torso", "left_upper_arm", "right_upper_arm"),
    "sleeves": ("left_forearm", "right_forearm"),
    "bottom": ("hips", "left_thigh", "right_thigh"),
    "legs": ("left_shin", "right_shin"),
    "shoes": ("left_foot", "right_foot"),
}
"""Parts of the body that wear one thing."""


@dataclass(frozen=True)
class Wearer:
    """A dressed surface and the body inside, both at the anny body's rest."""

    verts: Float[Tensor, "verts 3"]
    faces: Int[Tensor, "faces 3"]
    skin_joints: Int[Tensor, "verts influences"]
    """Joints of the anny body."""

    skin_weights: Float[Tensor, "verts influences"]
    colors: Float[Tensor, "verts 3"]
    """sRGB without light, 0 to 1."""

    body_verts: Float[Tensor, "body 3"]
    joints_rest: Float[Tensor, "joints 3"]

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("Wearer", verts=len(self.verts), skin_joints=len(self.skin_joints),
                      skin_weights=len(self.skin_weights), colors=len(self.colors))  # fmt: skip

    def to(self, device: torch.device | str) -> "Wearer":
        """Same on a device."""
        return Wearer(
            *(value.to(device) for value in (self.verts, self.faces, self.skin_joints, self.skin_weights)),
            *(value.to(device) for value in (self.colors, self.body_verts, self.joints_rest)),
        )


@dataclass(frozen=True)
class Crowd:
    """People to train on; the last ones are held back for validation."""

    wearers: tuple[Wearer, ...]
    description: str
    """What they are, for the model card."""

    licence: str


def made_up_wearer(seed: int) -> Wearer:
    """Somebody of random shape, in clothes that are blown-up skin with stripes, checks or a print.

    Front and back differ, so that a network must learn what a photo cannot tell.
    """
    model, g = load_anny(), torch.Generator().manual_seed(seed)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=g)

    gender, muscle, weight, height, proportions = between(0.15, 0.85, 5).tolist()
    shape = model.default_shape(
        gender=gender, muscle=muscle, weight=weight, height=0.3 + 0.3 * height, proportions=proportions
    )
    rig = model.rig(shape)
    parts, normals = part_labels(rig), vertex_normals(rig.verts, rig.faces)
    skin = between(0.25, 0.95, 1) * torch.tensor([1.0, 0.78, 0.66])
    colors = skin.expand(len(rig.verts), 3).clone()
    thick = torch.zeros(len(rig.verts))
    top, bottom = between(0.05, 0.95, 3), between(0.05, 0.95, 3)
    long_sleeves, shorts = bool(torch.rand(1, generator=g) < 0.6), bool(torch.rand(1, generator=g) < 0.3)
    worn = {
        "hair": between(0.02, 0.5, 1).expand(3),
        "top": top,
        "bottom": bottom,
        "shoes": between(0.0, 0.9, 3),
    }
    worn |= {"sleeves": top} if long_sleeves else {}
    worn |= {} if shorts else {"legs": bottom}
    for group, color in worn.items():
        member = parts.member(*GROUPS[group])
        colors[member] = _patterned(rig.verts[member], color, g)
        thick[member] = float(between(0.005, 0.035 if group != "shoes" else 0.012, 1))
    chest = parts.member("torso") & (rig.verts[:, 0].abs() < 0.09)
    for front in (True, False):
        # A print with its own colour on each side.
        height_of_print = float(between(1.0, 1.3, 1))
        near = chest & (parts.front == front) & ((rig.verts[:, 1] - height_of_print).abs() < 0.07)
        colors[near] = between(0.0, 1.0, 3)
    return Wearer(
        verts=rig.verts + normals * thick[:, None],
        faces=rig.faces[model.external_faces],
        skin_joints=rig.skin_joints,
        skin_weights=rig.skin_weights,
        colors=colors.clamp(0, 1),
        body_verts=rig.verts,
        joints_rest=rig.joints_world,
    )


def _patterned(
    verts: Float[Tensor, "verts 3"], color: Float[Tensor, "3"], generator: torch.Generator
) -> Float[Tensor, "verts 3"]:
    """Plain, stripes or checks."""
    kind = int(torch.randint(3, (1,), generator=generator))
    other = torch.rand(3, generator=generator)
    period = 0.04 + 0.1 * float(torch.rand(1, generator=generator))
    waves = torch.sin(verts * 2 * torch.pi / period)
    dark = torch.zeros(len(verts)) if kind == 0 else waves[:, 1] if kind == 1 else waves[:, 0] * waves[:, 1]
    share = (dark > 0.2).float()[:, None] * 0.6
    return color + share * (other - color)
