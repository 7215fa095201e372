"""What a photo never shows of a face and a moving one does: the inside of the mouth, and closed lids."""

from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import MOUTH, interpolate_skin, load_anny, mouth_faces, surface_points
from vivant.records import Avatar, Binding, Splats
from vivant.splat import colors_from_sh, sh_from_colors

MOUTH_SPLATS = 2500

LASHES = 0.82
"""How bright the edge of a closed lid is, against the skin."""

EVEN = 0.008
"""Metres over which the colour of the skin round an eye is evened out on its closed lid."""

HIDDEN = 0.63
"""Eyes this much darker than the cheek below are behind sunglasses, or in deep shade: lids cannot be seen.
Measured: eyes 0.70 to 0.78, the darker of two lenses 0.36 and 0.56."""

T = TypeVar("T", Splats, Binding)

_SKIN, _EYE, _INSIDE = 0, 1, 2


def with_mouth(avatar: Avatar) -> Avatar:
    """Line the mouth with dark splats, so that an open one does not show the collar behind the head."""
    rig, region = avatar.rig, load_anny().face_region
    density = mouth_faces(rig).float()
    if not bool(density.any()):
        return avatar
    points = surface_points(rig.verts, rig.faces, MOUTH_SPLATS, density=density)
    means = points.interpolate(rig.faces, rig.verts)
    joints, weights = interpolate_skin(points, rig.faces, rig.skin_joints, rig.skin_weights)
    # Nothing peeps out between closed lips.
    face = avatar.splats.means[region[avatar.binding.face] != _INSIDE]
    face = face[((face - means.mean(0)).norm(dim=-1) < 0.08) & (face[:, 2] > float(means[:, 2].median()))]
    deep = torch.cdist(means, face).amin(1) > 0.003 if len(face) else torch.ones(len(means), dtype=torch.bool)
    # A little farther back, for the lips' splats are thicker than the lips.
    means = means[deep] - torch.tensor([0.0, 0.0, 0.003])
    joints, weights = joints[deep], weights[deep]
    count = len(means)
    quats = torch.zeros(count, 4)
    quats[:, 0] = 1.0
    sh = torch.zeros(count, *avatar.splats.sh.shape[1:])
    sh[:, :1] = sh_from_colors(torch.tensor([MOUTH]).expand(count, 3))
    added = Splats(means, quats, torch.full((count, 3), 0.0013).log(), torch.full((count,), 5.0), sh)
    bound = Binding(points.face[deep], points.barycentric[deep], torch.zeros(count, 3), joints, weights)
    return replace(
        avatar,
        splats=_joined(avatar.splats, added),
        binding=_joined(avatar.binding, bound),
        trust=torch.cat([avatar.trust, torch.zeros(count)]),
    )


@dataclass(frozen=True)
class Lid:
    """What an eye's lid covers when it closes: the eye, and what the photo painted of it on the lid."""

    index: Int[Tensor, " covered"]
    colors: Float[Tensor, "covered 3"]
    """sRGB when it is closed."""

    begins: Float[Tensor, " covered"]
    """How far the lid has closed, 0 to 1, when it arrives there."""

    def cover(self, splats: Splats, closed: float) -> Splats:
        """Paint what the lid covers; `closed` goes from 0, as in the photo, to 1."""
        share = ((closed - self.begins) / 0.3).clamp(0, 1)[:, None, None]
        painted = torch.zeros_like(splats.sh[self.index])
        painted[:, :1] = sh_from_colors(self.colors)
        mixed = torch.lerp(splats.sh[self.index], painted, share)
        return replace(splats, sh=splats.sh.index_copy(0, self.index, mixed))


def lid_of(
    avatar: Avatar, index: Int[Tensor, " moved"], offsets: Float[Tensor, "moved 3"], left: bool
) -> Lid | None:
    """Find what a lid covers; None where no lid can be seen, such as behind sunglasses.

    Args:
        avatar: Whose.
        index: The splats that closing moves.
        offsets: By how much, in metres.
        left: The person's left eye, or the right one.
    """
    means, region = avatar.splats.means, load_anny().face_region[avatar.binding.face]
    ahead = torch.tensor([0.0, 0.0, -1.0]).expand(len(means), 3)
    colors = colors_from_sh(avatar.splats.sh, ahead)
    on_side = (means[:, 0] > 0) == left
    eye = ((region == _EYE) & on_side).nonzero()[:, 0]
    far = offsets.norm(dim=-1)
    if len(eye) < 4 or not len(far) or float(far.max()) < 1e-3:
        return None
    moved = (far > 0.2 * far.max()) & (region[index] == _SKIN)
    lid, edge = index[moved], ((far / far.max() - 0.88) / 0.12).clamp(0, 1)[moved]
    center = means[eye].median(0).values
    away = means - center
    cheek = (region == _SKIN) & (away[:, 0].abs() < 0.015) & (away[:, 2] > -0.02)
    cheek &= (away[:, 1] < -0.014) & (away[:, 1] > -0.03)
    if int(cheek.sum()) < 4:
        return None
    # As it looks from the front: large, solid splats count most.
    counts = avatar.splats.opacities * avatar.splats.log_scales.topk(2, dim=1).values.sum(1).exp()
    skin = (colors * counts[:, None])[cheek].sum(0) / counts[cheek].sum()
    covered = torch.cat([eye, lid])
    if float(colors[covered].mean()) < HIDDEN * float(skin.mean()):
        return None
    low, high = means[eye, 1].min(), means[eye, 1].max()
    begins = 0.7 * ((high - means[eye, 1]) / (high - low).clamp(min=1e-4))
    # The light on the skin all round the eye goes on over the lid; brows and lashes are not skin.
    around = (region == _SKIN) & (away.norm(dim=-1) < 0.035) & (colors.mean(-1) > 0.85 * skin.mean())
    around[covered] = False
    seen = (around | cheek).nonzero()[:, 0]
    near = torch.exp(-torch.cdist(means[covered], means[seen]).square() / (2 * EVEN**2)) * counts[seen]
    closed = near @ colors[seen] / near.sum(1, keepdim=True).clamp(min=1e-12)
    closed[len(eye) :] *= 1 - (1 - LASHES) * edge[:, None]
    return Lid(covered, closed, torch.cat([begins, torch.zeros(len(lid))]))


def _joined(first: T, second: T) -> T:
    return replace(first, **{k: torch.cat([v, getattr(second, k)]) for k, v in vars(first).items()})
