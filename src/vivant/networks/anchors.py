"""Where a network's points lie on the body: the same places of the skin for everybody."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import interpolate_skin, load_anny, part_labels, surface_points, tangent_frames
from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.records import Rig

FINER = {"face": 6.0, "scalp": 4.0, "left_hand": 3.0, "right_hand": 3.0}
"""How many times denser than elsewhere points lie, by region."""


@dataclass(frozen=True)
class Anchors:
    """Groups of neighbouring points on a rig's triangles; one group is one token of a network."""

    face: Int[Tensor, "anchors splats"]
    barycentric: Float[Tensor, "anchors splats 3"]
    skin_joints: Int[Tensor, "anchors splats 4"]
    skin_weights: Float[Tensor, "anchors splats 4"]

    def __post_init__(self) -> None:
        """Check counts."""
        expect_counts("Anchors", face=len(self.face), barycentric=len(self.barycentric),
                      skin_joints=len(self.skin_joints), skin_weights=len(self.skin_weights))  # fmt: skip

    def to(self, device: torch.device | str) -> "Anchors":
        """Same anchors on a device."""
        return Anchors(
            *(v.to(device) for v in (self.face, self.barycentric, self.skin_joints, self.skin_weights))
        )

    def place(
        self, verts: Float[Tensor, "*people verts 3"], faces: Int[Tensor, "faces 3"]
    ) -> Float[Tensor, "*people anchors splats 3"]:
        """Where the points are on bodies with these vertices."""
        corners = verts[..., faces[self.face], :]
        return (corners * self.barycentric[..., None].to(verts)).sum(-2)

    def frames(
        self, verts: Float[Tensor, "verts 3"], faces: Int[Tensor, "faces 3"]
    ) -> Float[Tensor, "anchors splats 3 3"]:
        """Axes of the points' triangles as columns: tangent, bitangent, normal."""
        return tangent_frames(verts, faces[self.face.flatten()]).reshape(*self.face.shape, 3, 3)


def spread_anchors(
    rig: Rig, anchors: int, splats: int, *, density: Float[Tensor, " faces"] | None = None, seed: int = 0
) -> Anchors:
    """Spread points over a rig and gather neighbours: `anchors` groups of `splats` points each.

    Raises:
        BadInputError: If `anchors` is no power of two: groups are made by halving.
    """
    if anchors < 1 or anchors & (anchors - 1):
        raise BadInputError(f"{anchors} anchors are asked for; a power of two is needed.")
    points = surface_points(rig.verts, rig.faces, anchors * splats, density=density, seed=seed)
    order = _grouped(points.interpolate(rig.faces, rig.verts), anchors)
    joints, weights = interpolate_skin(points, rig.faces, rig.skin_joints, rig.skin_weights)
    return Anchors(points.face[order], points.barycentric[order], joints[order], weights[order])


@lru_cache(maxsize=4)
def anny_anchors(anchors: int, splats: int) -> Anchors:
    """Anchors of the anny body: on all that a camera can see, finer on the head and the hands."""
    model = load_anny()
    rig = model.rig(model.default_shape())
    parts, density = part_labels(rig), model.external_faces.float()
    for region, finer in FINER.items():
        inside = parts.member(region)[rig.faces].all(1)
        density = torch.where(inside, density * finer, density)
    return spread_anchors(rig, anchors, splats, density=density)


def _grouped(points: Float[Tensor, "points 3"], groups: int) -> Int[Tensor, "groups members"]:
    """Halve the points across their longest extent again and again; groups are equal in size."""
    order = torch.arange(len(points))[None]
    while len(order) < groups:
        inside = points[order]
        axis = (inside.amax(1) - inside.amin(1)).argmax(1)
        along = inside.gather(2, axis[:, None, None].expand(-1, order.shape[1], 1))[..., 0]
        order = order.gather(1, along.argsort(dim=1, stable=True))
        order = order.reshape(2 * len(order), -1)
    return order
