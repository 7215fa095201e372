"""From a clip on anybody's skeleton to a motion of our rig."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.readers.clip import Clip
from vivant.animate.retarget.figure import Figure, figure_of_clip, figure_of_rig
from vivant.animate.retarget.legs import (
    drop_to_reach,
    envelope,
    find_steps,
    plant,
    reach_for,
    sole_of,
)
from vivant.animate.retarget.roles import match_joints, read_joint_map
from vivant.animate.retarget.turning import local_turns, world_turns
from vivant.body import forward_kinematics, skin_points
from vivant.core.errors import BadInputError
from vivant.core.rotations import invert_quats, matrices_from_quats, multiply_quats, rotvecs_from_quats
from vivant.records import Motion, Pose, Rig

SIDES = ("left", "right")

AROUND = 20
"""Frames of a loop's other end that are looked at, so that its seam is as smooth as the rest."""


@dataclass(frozen=True)
class RetargetConfig:
    """How a clip is carried over."""

    fps: float = 30.0
    """Frames a second of the result."""

    in_place: bool = False
    """Stay on the spot: the way over the floor is taken out."""

    plant_feet: bool = True
    """Keep planted feet from sliding, and all of the body above the floor."""


@dataclass(frozen=True)
class Retargeted:
    """A motion of our rig, and how it came about."""

    motion: Motion
    scheme: str
    """The naming that was recognised, or the joint map's name."""

    matched: tuple[tuple[str, str], ...]
    """Our role, and the clip's joint (or joints) for it."""

    unmatched: tuple[str, ...]
    """Joints of the clip that move nothing."""

    @property
    def summary(self) -> str:
        """One line for the user."""
        more = f"; not used: {', '.join(self.unmatched[:8])}" if self.unmatched else ""
        more += f" and {len(self.unmatched) - 8} more" if len(self.unmatched) > 8 else ""
        return f"{len(self.matched)} joints matched ({self.scheme}){more}."


def retarget(
    clip: Clip, rig: Rig, config: RetargetConfig | None = None, joint_map: Path | None = None
) -> Retargeted:
    """Carry a clip over to a rig, by the names of its joints.

    Args:
        clip: What a reader made of a motion file.
        rig: The avatar's.
        config: Rate, and what is done about feet.
        joint_map: The user's own table of names, for skeletons that are not recognised.

    Raises:
        BadInputError: If the skeleton is not recognised, or its body has no size.
    """
    config = config or RetargetConfig()
    if joint_map is None:
        scheme, roles = match_joints(clip.joint_names)
    else:
        scheme, roles = joint_map.name, read_joint_map(joint_map, clip.joint_names)
    clip = clip.resampled(config.fps)
    source, turns, places = figure_of_clip(clip, roles)
    target = figure_of_rig(rig)
    if source.leg_length() < 1e-6:
        raise BadInputError(f"The legs of the clip {clip.name!r} have no length; its rest pose is unusable.")
    path = _Path.scaled(source, target, places)
    turns, path = _face_ahead(source, turns, path)
    if config.in_place:
        path = path.in_place(config.fps)
    loops = _loops(turns, path)
    if loops:
        # The last frame repeats the first.
        turns, path = turns[:-1], path[:-1]
    frames = len(turns)
    if loops and config.plant_feet:
        around = torch.arange(-AROUND, frames + AROUND) % frames
        turns, path = turns[around], path[around]
    found = world_turns(target, source, turns)
    pose = _pose(rig, target, found, path, config)
    if loops and config.plant_feet:
        pose = Pose(pose.local_quats[AROUND : AROUND + frames], pose.root[AROUND : AROUND + frames])
    motion = Motion(clip.name, pose, config.fps, loops)
    used = {joint for joints in roles.values() for joint in joints}
    matched = tuple((role, ", ".join(clip.joint_names[j] for j in joints)) for role, joints in roles.items())
    unmatched = tuple(name for joint, name in enumerate(clip.joint_names) if joint not in used)
    return Retargeted(motion, scheme, matched, unmatched)


@dataclass(frozen=True)
class _Path:
    """Where hips and ankles are over time, at the rig's scale, the floor at y = 0."""

    hips: Float[Tensor, "frames 3"]
    ankles: Float[Tensor, "frames 2 3"]

    def __getitem__(self, chosen: slice | Tensor) -> "_Path":
        return _Path(self.hips[chosen], self.ankles[chosen])

    @classmethod
    def scaled(cls, source: Figure, target: Figure, places: Float[Tensor, "frames joints 3"]) -> "_Path":
        """Scale by leg length; ankles that stand are as high as the rig's."""
        scale = target.leg_length() / source.leg_length()

        def over_time(role: str) -> Tensor:
            return places[:, source.roles[role][0]] * scale

        hips = (over_time("left_upper_leg") + over_time("right_upper_leg")) / 2
        ankles = torch.stack([over_time(f"{side}_foot") for side in SIDES], dim=1)
        low = float(torch.stack([target.place(f"{side}_foot")[1] for side in SIDES]).mean())
        at_rest = scale * float(torch.stack([source.place(f"{side}_foot")[1] for side in SIDES]).mean())
        lowest = float(torch.quantile(ankles[..., 1].amin(1), 0.02))
        leg = target.leg_length()
        # Files whose skeleton rests on y = 0 move over that floor, too; of others the lowest foot tells it.
        on_floor = 0 < at_rest < 0.25 * leg and lowest > at_rest - 0.1 * leg
        down = torch.tensor([0.0, low - (at_rest if on_floor else lowest), 0.0])
        start = hips[0] * torch.tensor([1.0, 0.0, 1.0])
        return cls(hips + down - start, ankles + down - start)

    def in_place(self, fps: float) -> "_Path":
        """Take out the way over the floor, but leave the sway within a step."""
        reach = round(0.6 * fps)
        level = self.hips * torch.tensor([1.0, 0.0, 1.0])
        padded = torch.nn.functional.pad(level.T[None], (reach, reach), mode="replicate")
        way = torch.nn.functional.avg_pool1d(padded, 2 * reach + 1, stride=1)[0].T
        return _Path(self.hips - way, self.ankles - way[:, None])


def _face_ahead(source: Figure, turns: Tensor, path: _Path) -> tuple[Tensor, _Path]:
    """Let the clip begin facing +z if it begins far off."""
    ahead = matrices_from_quats(turns[0, source.roles["hips"][0]])[:, 2]
    yaw = math.atan2(float(ahead[0]), float(ahead[2]))
    if abs(yaw) < math.radians(50) or float(ahead[[0, 2]].norm()) < 0.5:
        return turns, path
    back = torch.tensor([math.cos(yaw / 2), 0.0, -math.sin(yaw / 2), 0.0])
    matrix = matrices_from_quats(back)
    return multiply_quats(back, turns), _Path(path.hips @ matrix.T, path.ankles @ matrix.T)


def _loops(turns: Float[Tensor, "frames joints 4"], path: _Path) -> bool:
    """Whether the last frame is where the first began."""
    if len(turns) < 12:
        return False
    between = rotvecs_from_quats(multiply_quats(invert_quats(turns[0]), turns[-1])).norm(dim=-1)
    moves = rotvecs_from_quats(multiply_quats(invert_quats(turns[0]), turns)).norm(dim=-1)
    still = float(moves.max()) < 0.02
    return not still and float(between.max()) < 0.12 and float((path.hips[0] - path.hips[-1]).norm()) < 0.03


def _pose(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], path: _Path, config: RetargetConfig
) -> Pose:
    root = target.roles["hips"][0]
    arm = target.mid_hips() - target.places[root]
    hips = path.hips
    if config.plant_feet:
        hips = _plant(rig, target, found, replace(path, hips=hips), config.fps)
    place = hips - matrices_from_quats(found[root]) @ arm
    return Pose(local_turns(rig, found), place - target.places[root])


def _plant(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], path: _Path, fps: float
) -> Float[Tensor, "frames 3"]:
    """Correct the legs' turns in `found`; gives where the hips must be for it."""
    hips = path.hips + _clearance(rig, target, found, path, fps)
    root = matrices_from_quats(found[target.roles["hips"][0]])
    sockets, ankles, planted, feet, lengths = [], [], [], [], []
    for number, side in enumerate(SIDES):
        upper, lower, foot = (target.roles[f"{side}_{part}"][0] for part in ("upper_leg", "lower_leg", "foot"))
        bones = _bones(target, side)
        socket = hips + root @ (target.places[upper] - target.mid_hips())
        thigh, shin = matrices_from_quats(found[upper]) @ bones[0], matrices_from_quats(found[lower]) @ bones[1]
        sole = sole_of(rig, target, side)
        turn = found[foot] if foot in found else found[lower]
        steps = find_steps(path.ankles[:, number], matrices_from_quats(turn), sole, fps)
        ankle, turn = plant(socket + thigh + shin, turn, sole, steps, fps)
        found[foot] = turn
        sockets.append(socket)
        ankles.append(ankle)
        feet.append((upper, lower, foot, bones, side))
        planted.append(steps.heel | steps.ball)
        lengths.append(bones[0].norm() + bones[1].norm())
    drop = drop_to_reach(
        torch.stack(sockets, 1), torch.stack(ankles, 1), torch.stack(planted, 1), torch.stack(lengths), fps
    )
    down = torch.stack([0 * drop, -drop, 0 * drop], dim=-1)
    for socket, ankle, (upper, lower, _, bones, side) in zip(sockets, ankles, feet, strict=True):
        way = ankle - socket - down
        found[upper], found[lower] = reach_for(
            found[upper], found[lower], bones, target.hinges[f"{side}_leg"], way
        )
    return hips + down


def _bones(target: Figure, side: str) -> tuple[Tensor, Tensor]:
    hip, knee, ankle = (target.place(f"{side}_{part}") for part in ("upper_leg", "lower_leg", "foot"))
    return knee - hip, ankle - knee


def _clearance(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], path: _Path, fps: float
) -> Float[Tensor, "frames 3"]:
    """How far all must rise so that nothing but the feet, which are dealt with, is under the floor."""
    root = target.roles["hips"][0]
    arm = target.mid_hips() - target.places[root]
    place = path.hips - matrices_from_quats(found[root]) @ arm - target.places[root]
    transforms = forward_kinematics(
        rig.joint_parents, rig.joints_world, Pose(local_turns(rig, dict(found)), place)
    )
    legs = {target.roles[f"{side}_foot"][0] for side in SIDES}
    below = torch.tensor([_hangs_on(rig, joint, legs) for joint in range(len(rig.joint_names))])
    of_foot = (rig.skin_weights * below[rig.skin_joints]).sum(-1) > 0.05
    verts = (~of_foot).nonzero()[:, 0][::23]
    lowest = torch.cat(
        [
            skin_points(rig.verts[verts], rig.skin_joints[verts], rig.skin_weights[verts], part)[..., 1].amin(
                -1
            )
            for part in transforms.split(256)
        ]
    )
    lift = envelope((-lowest).clamp(min=0), max(1, round(0.1 * fps)))
    return torch.stack([0 * lift, lift, 0 * lift], dim=-1)


def _hangs_on(rig: Rig, joint: int, ancestors: set[int]) -> bool:
    while joint >= 0 and joint not in ancestors:
        joint = rig.joint_parents[joint]
    return joint >= 0
