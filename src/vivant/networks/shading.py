"""How much brighter or darker the hidden side is than rules make it, from the light on the side that is shown.

A photo does not show the light behind the person, but it tells much of it: shading across the face and the
trunk says where light comes from and how strong it is; and some guesses are wrong by habit, as those of hair
are. The relation is learned by kernel ridge regression from dressed people whose every side is known, as depth
is.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import PARTS, part_labels, pose_verts
from vivant.mesh import normals_at
from vivant.networks.body_map import BodyMap
from vivant.networks.surface_places import means_at
from vivant.records import Avatar
from vivant.splat.harmonics import BAND_0

SEEN = 0.6
"""Least trust of splats whose brightness tells of the light."""

DARKEST = 0.02
"""Colours below it count as it: logarithms of black tell nothing."""

PROBES = (
    ("face", "scalp", "neck"),
    ("torso",),
    ("hips", "left_thigh", "right_thigh", "left_shin", "right_shin"),
)
"""Parts whose shading is measured on their own."""

ENOUGH = 50
"""Splats from which a part tells something."""

SLIGHT = 0.03
"""Change of brightness (in logarithms) beyond which patterns and folds count in proportion, not squared."""

TURNS = 8
"""Steps of the robust fit."""


class Shading(BodyMap):
    """By how much the logarithm of brightness changes at the body's vertices."""


def shading_features(
    avatar: Avatar, places: Int[Tensor, " places"]
) -> tuple[Float[Tensor, " light"], Float[Tensor, " places"], Float[Tensor, " places"]]:
    """What tells of light: how brightness goes with the direction that surfaces face, over all and by part.

    Then come brightness (its logarithm) and the splats' trust about places of the body.
    """
    rig, binding = avatar.rig, avatar.binding
    colors = (0.5 + BAND_0 * avatar.splats.sh[:, 0]).clamp(DARKEST, 1.0)
    bright = colors.log().mean(1)
    normals = _photo_normals(avatar)
    shown = (avatar.trust > SEEN) & (normals[:, 2] > 0)
    part = part_labels(rig).label[rig.faces[binding.face, 0]]
    x, y, z = normals.unbind(1)
    whole = _slopes(torch.stack([x, y, z, x * x, y * y, x * y], dim=1), bright, part, shown, calm=30.0)
    sideways, found = [whole[0]], [whole]
    for probe in PROBES:
        mine = shown & torch.isin(part, torch.tensor([PARTS.index(name) for name in probe]))
        if int(mine.sum()) < ENOUGH:
            slopes, mean = whole.new_zeros(3), whole.new_zeros(1)
        else:
            slopes, mean = _slopes(normals, bright, part, mine, calm=10.0), bright[mine].mean()[None]
        sideways.append(slopes[0])
        found += [slopes, mean]
    guessed = 1 - avatar.trust
    found.append(((bright * guessed).sum() / guessed.sum().clamp(min=1.0))[None])
    # Light from either side is strong light.
    light = torch.cat([*found, torch.stack(sideways).abs()])
    near, trust = means_at(avatar, places, bright, avatar.trust)
    return light, near, trust


def _slopes(
    told: Float[Tensor, "splats terms"],
    bright: Float[Tensor, " splats"],
    part: Int[Tensor, " splats"],
    chosen: Tensor,
    calm: float,
) -> Float[Tensor, " terms"]:
    """How brightness grows with each term; each part has its own colour (robust least squares)."""
    table = torch.cat([told, torch.nn.functional.one_hot(part, len(PARTS)).to(told)], dim=1)[chosen].double()
    terms, asked = told.shape[1], bright[chosen].double()
    ridge = torch.full((table.shape[1],), 1e-3, dtype=torch.float64)
    ridge[:terms] = calm
    weight = torch.ones_like(asked)
    slopes = torch.zeros_like(ridge)
    for _ in range(TURNS):
        left = table.T @ (weight[:, None] * table) + torch.diag(ridge)
        slopes = torch.linalg.solve(left, table.T @ (weight * asked))
        weight = 1 / (asked - table @ slopes).abs().clamp(min=SLIGHT)
        weight = weight / weight.mean().clamp(min=1e-12)
    return slopes[:terms].float()


def _photo_normals(avatar: Avatar) -> Float[Tensor, "splats 3"]:
    """The body's normals under the splats in the photo: x to its right, y up, z towards the camera."""
    rig, binding = avatar.rig, avatar.binding
    normals = normals_at(pose_verts(rig, avatar.photo_pose), rig.faces, binding.face, binding.barycentric)
    turned = normals @ avatar.photo_camera.cam_from_world[0, :3, :3].T
    return turned * turned.new_tensor([1.0, -1.0, -1.0])
