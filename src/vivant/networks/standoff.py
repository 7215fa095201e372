"""How far the surface of clothes, hair and flesh stands from where rules put it, all over the body.

A photo from the front says nothing of depth directly, but much of it goes with what it does show: build, how
wide clothes are all over, where hair lies, and the pose. The relation is learned by kernel ridge regression
from dressed people whose surface is known: a few hundred people teach a kernel, not a deep network.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.rotations import rotvecs_from_quats
from vivant.mesh import face_normals
from vivant.networks.body_map import BodyMap
from vivant.networks.surface_places import means_at
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
"""Joints that move the parts of the body most over which clothes are measured."""

BENDS = ("root", "spine03", *(
    f"{joint}.{side}" for joint in ("upperarm01", "lowerarm01", "upperleg01", "lowerleg01") for side in "LR"
))  # fmt: skip
"""Joints whose turns tell of the pose."""

FACING = 0.7
"""Least normal, forwards or backwards at rest, of what is front or back."""

ASIDE = 0.3
"""Most normal, forwards or backwards at rest, of what is a side."""

ENOUGH = 6
"""Splats of a part's side from which it tells something."""


class Standoff(BodyMap):
    """Metres along the normals of the body's vertices, from what an avatar shows."""

    def forward(self, features: Float[Tensor, "people features"]) -> Float[Tensor, "people verts"]:
        """Predict; inside all is in millimetres, which keep half precision's digits in the file."""
        return 1e-3 * super().forward(features)


def standoff_features(
    avatar: Avatar, places: Int[Tensor, " places"]
) -> tuple[
    Float[Tensor, " build"], Float[Tensor, " places"], Float[Tensor, " places"], Float[Tensor, " bends"]
]:
    """What tells of depth: build, clothes and hair about places of the body, what the photo shows, the pose.

    Build is the body's shape, and how far splats lie from it in millimetres, by part and by front, side and
    back. Then come the same millimetres and the splats' trust about each place, and turns of joints in radians.
    """
    rig, binding = avatar.rig, avatar.binding
    forwards = torch.nn.functional.normalize(face_normals(rig.verts, rig.faces), dim=-1)[binding.face, 2]
    sides = (forwards > FACING, forwards.abs() < ASIDE, forwards < -FACING)
    foremost = binding.skin_weights.argmax(1, keepdim=True)
    joints = binding.skin_joints.gather(1, foremost)[:, 0]
    found = []
    for zone in ZONES:
        mine = torch.isin(joints, torch.tensor([rig.joint_names.index(name) for name in zone]))
        for side in sides:
            off = binding.offset[mine & side, 2]
            found.append(1e3 * off.mean() if len(off) >= ENOUGH else off.new_zeros(()))
    build = torch.cat([torch.stack(found), avatar.shape.coefficients])
    off, trust = means_at(avatar, places, 1e3 * binding.offset[:, 2], avatar.trust)
    bends = rotvecs_from_quats(avatar.photo_pose.local_quats[[rig.joint(name) for name in BENDS]]).flatten()
    return build, off, trust, bends
