"""Splats with a skeleton in one GLB: EXPERIMENTAL, for there is no standard yet.

KHR_gaussian_splatting (Khronos, release candidate of 2025) puts splats into glTF as points with attributes;
joints and weights of such points are valid glTF, but no extension says what they mean. We mean linear blend
skinning of centres, and of turns by the blend's rotation part: what `vivant.splat.pose_splats` does. Viewers
that do not know the extension show coloured points, which move with the skeleton.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.rotations import normalize_quats
from vivant.export.gltf import ARRAY, Builder
from vivant.records import Avatar, Motion
from vivant.splat.harmonics import BAND_0

EXTENSION = "KHR_gaussian_splatting"


def build_rigged_splats(avatar: Avatar, motions: tuple[Motion, ...]) -> Builder:
    """Make a document of the splats at rest, the skeleton, and clips. World axes are glTF's, too."""
    builder = Builder()
    rig, splats, binding = avatar.rig, avatar.splats, avatar.binding
    skin = builder.skeleton(rig.joint_names, rig.joint_parents, rig.joints_world)
    narrow = np.uint8 if len(rig.joint_names) <= 256 else np.uint16
    weights, order = binding.skin_weights.clamp(min=0).sort(dim=1, descending=True, stable=True)
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
    joints = torch.where(weights > 0, binding.skin_joints.gather(1, order), 0)
    colors = (0.5 + BAND_0 * splats.sh[:, 0]).clamp(0, 1)
    attributes = {
        "POSITION": builder.accessor(splats.means.numpy(), ARRAY, bounds=True),
        "COLOR_0": builder.accessor(torch.cat([_linear(colors), splats.opacities[:, None]], 1).numpy(), ARRAY),
        "JOINTS_0": builder.accessor(joints.numpy().astype(narrow), ARRAY),
        "WEIGHTS_0": builder.accessor(weights.numpy(), ARRAY),
        f"{EXTENSION}:ROTATION": builder.accessor(
            normalize_quats(splats.quats)[:, [1, 2, 3, 0]].numpy(), ARRAY
        ),
        f"{EXTENSION}:SCALE": builder.accessor(splats.scales.numpy(), ARRAY),
        f"{EXTENSION}:OPACITY": builder.accessor(splats.opacities.numpy(), ARRAY),
    }
    band = 0
    for degree in range(round(splats.sh.shape[1] ** 0.5)):
        for coefficient in range(2 * degree + 1):
            name = f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{coefficient}"
            attributes[name] = builder.accessor(splats.sh[:, band].contiguous().numpy(), ARRAY)
            band += 1
    primitive = {
        "attributes": attributes,
        "mode": 0,
        "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}},
    }
    shape = builder.add("meshes", {"name": "splats", "primitives": [primitive]})
    node = builder.add("nodes", {"name": "splats", "mesh": shape, "skin": skin})
    roots = [joint for joint, parent in enumerate(rig.joint_parents) if parent < 0]
    builder.add("scenes", {"nodes": [*roots, node]})
    builder.document["scene"] = 0
    builder.document["extensionsUsed"] = [EXTENSION]
    for motion in motions:
        builder.clip(motion, rig.joint_parents, rig.joints_world)
    return builder


def _linear(colors: Float[Tensor, "splats 3"]) -> Float[Tensor, "splats 3"]:
    """SRGB's curve undone: glTF's colours of corners are linear."""
    return torch.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
