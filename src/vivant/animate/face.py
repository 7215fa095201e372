"""Faces that move: anny's facial actions on an avatar's splats, and when to blink, talk and smile."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.animate.face_inside import Lid, lid_of, with_mouth
from vivant.body import load_anny
from vivant.records import Avatar, Splats

NEAR = 0.03
"""Metres: what stands farther off the skin (hats, hair) does not follow the face."""

BLINK = ("eyeBlinkLeft", "eyeBlinkRight")
SPOKEN = (*BLINK, "jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthFunnel", "browInnerUp")


@dataclass(frozen=True)
class Expressions:
    """How facial actions move an avatar's splats."""

    index: Int[Tensor, " moved"]
    offsets: Float[Tensor, "actions moved 3"]
    """Metres at rest, at full strength."""

    at_rest: Float[Tensor, " actions"]
    """What the photo's face does already."""

    lids: tuple[tuple[int, Lid], ...] = ()
    """Actions that close an eye, and what they cover."""

    def apply(self, splats: Splats, weights: Float[Tensor, " actions"]) -> Splats:
        """Move splats at rest; an action never goes beyond its full strength."""
        more = (self.at_rest + weights).clamp(0, 1) - self.at_rest
        if not len(self.index) or not bool(more.any()):
            return splats
        moved = torch.einsum("a,amc->mc", more, self.offsets)
        splats = replace(splats, means=splats.means.index_add(0, self.index, moved))
        for action, lid in self.lids:
            if float(more[action]) > 0:
                splats = lid.cover(splats, float(more[action] / (1 - self.at_rest[action])))
        return splats


def expressions_of(avatar: Avatar, names: tuple[str, ...]) -> Expressions | None:
    """Work out how some actions move an avatar; None if its body has no facial actions.

    Nothing of this is in the avatar's file: the actions are anny's own, and do not depend on the shape.
    """
    if avatar.shape.model != "anny" or not names:
        return None
    model = load_anny()
    if len(avatar.rig.verts) != len(model.verts_mean):
        return None
    known = [model.action_names.index(name) if name in model.action_names else -1 for name in names]
    basis = model.action_basis.reshape(len(model.action_names), -1, 3)
    place = torch.full((len(model.verts_mean),), -1)
    place[model.action_verts] = torch.arange(len(model.action_verts))
    corners = place[avatar.rig.faces[avatar.binding.face]]
    near = avatar.binding.offset.norm(dim=-1) < NEAR
    index = ((corners >= 0).any(1) & near).nonzero()[:, 0]
    corners, share = corners[index], avatar.binding.barycentric[index]
    share = share * (corners >= 0)
    chosen = torch.stack([basis[k] if k >= 0 else torch.zeros_like(basis[0]) for k in known])
    offsets = (chosen[:, corners.clamp(min=0)] * share[..., None]).sum(2)
    levels = [float(avatar.shape.actions[k]) if k >= 0 else 0.0 for k in known]
    closing = [action for action, name in enumerate(names) if name in BLINK]
    lids = [lid_of(avatar, index, offsets[action], left=names[action] == BLINK[0]) for action in closing]
    seen = [(action, lid) for action, lid in zip(closing, lids, strict=True) if lid is not None]
    if len(seen) < len(closing):
        # Glasses must not be pulled down with the lids behind them, and a reflection hides only one eye.
        offsets[closing], seen = 0.0, []
    return Expressions(index, offsets, torch.tensor(levels), tuple(seen))


def with_expressions(avatar: Avatar, names: tuple[str, ...]) -> tuple[Avatar, Expressions | None]:
    """Get an avatar ready to move its face: `expressions_of`, and a lined mouth if the jaw is to open."""
    known = avatar.shape.model == "anny" and len(avatar.rig.verts) == len(load_anny().verts_mean)
    if known and any(name.startswith(("jaw", "mouth")) for name in names):
        avatar = with_mouth(avatar)
    return avatar, expressions_of(avatar, names)


def blinking(count: int, fps: float, loops: bool) -> Float[Tensor, "frames 2"]:
    """Close both eyes for a fifth of a second, every three seconds or so."""
    seconds = count / fps
    times = torch.arange(count) / fps
    closed = torch.zeros(count)
    number = max(1, round(seconds / 3.1))
    for blink in range(number):
        at = (blink + 0.55 + 0.12 * math.sin(5.0 * blink)) * seconds / number
        away = (times - at).abs()
        away = torch.minimum(away, seconds - away) if loops else away
        closed = torch.maximum(closed, (1.35 - away / 0.09).clamp(0, 1))
    return closed[:, None].expand(-1, 2)


def speaking(count: int, fps: float, loops: bool) -> Float[Tensor, "frames actions"]:
    """Syllables in phrases, a smile at each phrase's end, brows that go along; for `SPOKEN`."""
    phase = torch.arange(count) / (count if loops else max(count - 1, 1))
    phrases = max(1, round(count / fps / 3.0))
    within = (phrases * phase) % 1.0
    talks = _hump(within, 0.04, 0.62)
    syllables = max(1, round(0.62 * 3.0 * 4.2))
    wave = 0.5 - 0.5 * torch.cos(math.tau * syllables * within / 0.62)
    uneven = 0.65 + 0.35 * torch.sin(math.tau * (2.3 * within + 1.7 * phrases * phase.floor()))
    jaw = 0.55 * talks * wave * uneven
    funnel = 0.45 * talks * (0.5 + 0.5 * torch.sin(math.tau * syllables / 2.5 * within)) * (1 - wave)
    smile = 0.15 * talks + 0.85 * _hump(within, 0.66, 0.98)
    brow = 0.5 * _hump(within, 0.10, 0.40)
    blink = blinking(count, fps, loops)
    return torch.cat([blink, torch.stack([jaw, smile, smile, funnel, brow], dim=-1)], dim=-1)


def _hump(x: Float[Tensor, " frames"], begin: float, end: float) -> Float[Tensor, " frames"]:
    """From 0 to 1 and back, smooth at both ends."""
    ramp = 0.12
    up, down = ((x - begin) / ramp).clamp(0, 1), ((end - x) / ramp).clamp(0, 1)
    part = torch.minimum(up, down)
    return part * part * (3 - 2 * part)
