"""How the rig's joints must turn so that its limbs point where the clip's do."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.retarget.figure import Figure
from vivant.animate.retarget.roles import CHAINS, FINGERS
from vivant.core.rotations import (
    invert_quats,
    multiply_quats,
    quats_from_matrices,
    quats_from_rotvecs,
    quats_identity,
    rotvecs_from_quats,
    slerp_quats,
)
from vivant.records import Rig

STILL = 0.04
"""Radians: fingers that turn less than this over a whole clip are not animated, and rest relaxed."""


def world_turns(
    target: Figure, source: Figure, turns: Float[Tensor, "frames joints 4"]
) -> dict[int, Float[Tensor, "frames 4"]]:
    """Turn from rest, in world axes, of each joint of the rig that the clip says something about.

    Bones of limbs get the clip's directions exactly, whatever the two rest poses are: the rig's rest is first
    turned into the clip's. Trunk, head and collarbones turn as the clip's do.
    """
    found: dict[int, Tensor] = {}
    skip = _still_fingers(source, turns)
    for role, joints in target.roles.items():
        if role in CHAINS or role not in source.roles or role in skip:
            continue
        turn = turns[:, source.roles[role][0]]
        ours, theirs = target.frame(role), source.frame(role)
        if ours is not None and theirs is not None:
            turn = multiply_quats(turn, quats_from_matrices(theirs @ ours.T))
        elif ours is not None and role.endswith(("lower_arm", "hand")):
            # Nothing tells where it points: it follows the bone before it.
            continue
        found[joints[0]] = turn
    _spread_chain(found, target, "spine", _chain(source, turns, "hips", "spine"))
    top = target.roles["spine"][-1] if "spine" in target.roles else target.roles["hips"][0]
    chest = found.get(top, found[target.roles["hips"][0]])
    if "head" in source.roles:
        neck = [chest, *(turns[:, joint] for joint in source.roles.get("neck", ()))]
        _spread_chain(found, target, "neck", [*neck, turns[:, source.roles["head"][0]]], reaches=0.8)
    for side in ("left", "right"):
        collar = target.roles.get(f"{side}_clavicle", (None,))[0]
        if collar in found:
            found[collar] = slerp_quats(chest, found[collar], 0.6)
    return found


def _still_fingers(source: Figure, turns: Float[Tensor, "frames joints 4"]) -> set[str]:
    """Roles of fingers, if no finger moves against its hand."""
    fingers = [r for r in source.roles if r.partition("_")[2][:-1] in FINGERS]
    for role in fingers:
        hand = f"{role.partition('_')[0]}_hand"
        if hand not in source.roles:
            continue
        local = multiply_quats(invert_quats(turns[:, source.roles[hand][0]]), turns[:, source.roles[role][0]])
        if float(rotvecs_from_quats(local).norm(dim=-1).max()) > STILL:
            return set()
    return set(fingers)


def _chain(source: Figure, turns: Tensor, first: str, chain: str) -> list[Tensor]:
    return [turns[:, source.roles[first][0]], *(turns[:, joint] for joint in source.roles.get(chain, ()))]


def _spread_chain(
    found: dict[int, Tensor], target: Figure, chain: str, keys: list[Tensor], reaches: float = 1.0
) -> None:
    """Bend a chain of other length along: its joints lie between the keys, the last one at `reaches`."""
    joints = target.roles.get(chain, ())
    for number, joint in enumerate(joints, 1):
        at = reaches * number / len(joints) * (len(keys) - 1)
        before = min(int(at), max(len(keys) - 2, 0))
        found[joint] = slerp_quats(keys[before], keys[min(before + 1, len(keys) - 1)], min(at - before, 1.0))


def local_turns(rig: Rig, found: dict[int, Float[Tensor, "frames 4"]]) -> Float[Tensor, "frames joints 4"]:
    """Turns relative to parents; joints that the clip says nothing about rest on their parents."""
    frames = len(next(iter(found.values())))
    world = quats_identity(frames, len(rig.joint_names))
    local = world.clone()
    for joint, parent in enumerate(rig.joint_parents):
        above = world[:, parent] if parent >= 0 else world[:, joint].clone()
        if joint in found:
            world[:, joint] = found[joint]
            local[:, joint] = multiply_quats(invert_quats(above), found[joint])
        else:
            world[:, joint] = above
    _bend_all_toes(rig, local)
    _share_twists(rig, local)
    return torch.where(local[..., :1] < 0, -local, local)


def _bend_all_toes(rig: Rig, local: Float[Tensor, "frames joints 4"]) -> None:
    """Clips bend toes as one; anny has five of them, of which the middle one was turned."""
    for side in ("L", "R"):
        toes = [f"toe{number}-1.{side}" for number in (1, 2, 3, 4, 5)]
        if all(name in rig.joint_names for name in toes):
            for name in toes:
                local[:, rig.joint(name)] = local[:, rig.joint(toes[2])]


TWISTS = (
    # Upper bone, its lower half, the joint after; whether the joint after turns the lower half along.
    ("upperarm01", "upperarm02", "lowerarm01", False),
    ("lowerarm01", "lowerarm02", "wrist", True),
    ("upperleg01", "upperleg02", "lowerleg01", False),
    ("lowerleg01", "lowerleg02", "foot", True),
)
"""Bones that anny has in two halves, so that skin twists along them and not at one place."""


def _share_twists(rig: Rig, local: Float[Tensor, "frames joints 4"]) -> None:
    """Spread turns about a bone over both its halves; the joint after it keeps its place in the world."""
    for upper, lower, after, from_below in TWISTS:
        for side in ("L", "R"):
            names = [f"{name}.{side}" for name in (upper, lower, after)]
            if any(name not in rig.joint_names for name in names):
                return
            a, b, c = (rig.joint(name) for name in names)
            axis = torch.nn.functional.normalize(rig.joints_world[c] - rig.joints_world[a], dim=0)
            if from_below:
                half = _half(_twist(local[:, c], axis), axis)
                local[:, b] = half
                local[:, c] = multiply_quats(invert_quats(half), local[:, c])
            else:
                half = _half(_twist(local[:, a], axis), axis)
                local[:, a] = multiply_quats(local[:, a], invert_quats(half))
                local[:, b] = half


def _twist(quats: Float[Tensor, "frames 4"], axis: Float[Tensor, "3"]) -> Float[Tensor, " frames"]:
    """Angle of the part of a turn that is about an axis (swing-twist decomposition), -pi to pi."""
    angle = 2 * torch.atan2(quats[:, 1:] @ axis, quats[:, 0])
    return torch.remainder(angle + torch.pi, 2 * torch.pi) - torch.pi


def _half(angle: Float[Tensor, " frames"], axis: Float[Tensor, "3"]) -> Float[Tensor, "frames 4"]:
    # Halving an angle near half a turn flips from frame to frame; an unwrapped one does not.
    steps = torch.remainder(angle[1:] - angle[:-1] + torch.pi, 2 * torch.pi) - torch.pi
    whole = torch.cat([angle[:1], angle[:1] + steps.cumsum(0)])
    return quats_from_rotvecs(0.5 * whole[:, None].clamp(-3.6, 3.6) * axis)
