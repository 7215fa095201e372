"""How far the surface of clothes, hair and flesh stands from where rules put it, all over the body.

A photo from the front says nothing of depth directly, but much of it goes with what it does show: build, and
how wide clothes are. The relation is learned by kernel ridge regression from dressed people whose surface is
known: a few hundred people teach a kernel, not a deep network.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.mesh import face_normals
from vivant.networks.surface_line import SurfaceLine
from vivant.records import Avatar

ZONES = (
    ("spine01", "spine02"),
    ("spine03",),
    ("spine04", "spine05", "root"),
    ("pelvis.L", "pelvis.R"),
    ("upperleg01.L", "upperleg01.R", "upperleg02.L", "upperleg02.R"),
    ("lowerleg01.L", "lowerleg01.R", "lowerleg02.L", "lowerleg02.R"),
    ("upperarm01.L", "upperarm01.R", "upperarm02.L", "upperarm02.R"),
    ("lowerarm01.L", "lowerarm01.R", "lowerarm02.L", "lowerarm02.R"),
    ("head",),
    ("neck01", "neck02", "neck03"),
)
"""Joints that carry the parts of the body over which clothes are measured."""

FACING = 0.7
"""Least normal, forwards or backwards at rest, of what is front or back."""

ASIDE = 0.3
"""Most normal, forwards or backwards at rest, of what is a side."""

ENOUGH = 6
"""Splats of a part's side from which it tells something."""


class Standoff(SurfaceLine):
    """Metres along the normals of the body's vertices, from what an avatar shows."""

    def forward(self, features: Float[Tensor, "people features"]) -> Float[Tensor, "people verts"]:
        """Predict; inside all is in millimetres, which keep half precision's digits in the file."""
        return 1e-3 * super().forward(features)


def standoff_features(avatar: Avatar) -> Float[Tensor, " features"]:
    """How far splats lie from the body, in millimetres, by part and by front, side and back; and its build."""
    rig, binding = avatar.rig, avatar.binding
    forwards = torch.nn.functional.normalize(face_normals(rig.verts, rig.faces), dim=-1)[binding.face, 2]
    sides = (forwards > FACING, forwards.abs() < ASIDE, forwards < -FACING)
    joints = binding.skin_joints[:, 0]
    found = []
    for zone in ZONES:
        mine = torch.isin(joints, torch.tensor([rig.joint_names.index(name) for name in zone]))
        for side in sides:
            off = binding.offset[mine & side, 2]
            found.append(1e3 * off.mean() if len(off) >= ENOUGH else off.new_zeros(()))
    return torch.cat([torch.stack(found), avatar.shape.coefficients])
