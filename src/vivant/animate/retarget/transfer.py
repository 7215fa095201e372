"""From a clip on anybody's skeleton to a motion of our rig."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.animate.readers.clip import Clip
from vivant.animate.retarget.figure import Figure, figure_of_clip, figure_of_rig
from vivant.animate.retarget.legs import (
    Sole,
    Steps,
    drop_to_reach,
    envelope,
    find_steps,
    lowest_point,
    plant,
    reach_for,
    sole_of,
)
from vivant.animate.retarget.roles import match_joints, read_joint_map
from vivant.animate.retarget.turning import local_turns, world_turns
from vivant.body import forward_kinematics, skin_points
from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import BadInputError
from vivant.core.rotations import invert_quats, matrices_from_quats, multiply_quats, rotvecs_from_quats
from vivant.records import Motion, Pose, Rig

SIDES = ("left", "right")

AROUND = 20
"""Frames of a loop's other end that are looked at, so that its seam is as smooth as the rest."""


SETTLINGS = 2
"""How often feet are looked at again, and put where they were wanted."""


@dataclass(frozen=True)
class RetargetConfig:
    """How a clip is carried over."""

    fps: float = 30.0
    """Frames a second of the result."""

    in_place: bool = False
    """Stay on the spot: the way over the floor is taken out."""

    plant_feet: bool = True
    """Keep planted feet from sliding, and all of the body above the floor."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, fps=(ABOVE_ZERO, 1000))


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
    hips = _plant(rig, target, found, path, config.fps) if config.plant_feet else path.hips
    return _pose_at(rig, target, found, hips)


@dataclass(frozen=True)
class _Leg:
    """One leg of the rig as the clip turns it; places are seen from between the hips."""

    upper: int
    lower: int
    foot: int
    bones: tuple[Float[Tensor, "3"], Float[Tensor, "3"]]
    hinge: Float[Tensor, "3"]
    socket: Float[Tensor, "frames 3"]
    ankle: Float[Tensor, "frames 3"]
    turn: Float[Tensor, "frames 4"]
    """The foot's."""

    toes: Float[Tensor, "frames 4"]
    sole: Sole
    steps: Steps
    lowest: Float[Tensor, " frames"]


def _plant(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], path: _Path, fps: float
) -> Float[Tensor, "frames 3"]:
    """Correct the legs' turns in `found`; gives where the hips must be for it."""
    legs = [_leg(rig, target, found, path, number, side, fps) for number, side in enumerate(SIDES)]
    hips = path.hips + _up(_settle(legs) + _clearance(rig, target, found, path, fps))
    hips = hips + _up(_feet_clearance(legs, hips, fps))
    sockets, ankles, planted, lengths = [], [], [], []
    for leg in legs:
        ankle, found[leg.foot] = plant(hips + leg.ankle, leg.turn, leg.toes, leg.sole, leg.steps, fps)
        sockets.append(hips + leg.socket)
        ankles.append(ankle)
        planted.append(leg.steps.heel | leg.steps.ball)
        lengths.append(leg.bones[0].norm() + leg.bones[1].norm())
    drop = drop_to_reach(
        torch.stack(sockets, 1), torch.stack(ankles, 1), torch.stack(planted, 1), torch.stack(lengths), fps
    )
    for leg, socket, ankle in zip(legs, sockets, ankles, strict=True):
        way = ankle - socket - _up(-drop)
        found[leg.upper], found[leg.lower] = reach_for(
            found[leg.upper], found[leg.lower], leg.bones, leg.hinge, way
        )
    hips = hips + _up(-drop)
    for _ in range(SETTLINGS):
        transforms = _transforms(rig, target, found, hips)
        for number, leg in enumerate(legs):
            # Joints of twists lie a little off the bones, and soles' skin follows toes and shin as well: feet
            # are looked at as they came out, and put where they were wanted.
            place = transforms[:, leg.foot, :3, :3] @ target.places[leg.foot] + transforms[:, leg.foot, :3, 3]
            ankles[number] = ankles[number] + _up(_under_floor(rig, target, transforms, leg))
            swung = matrices_from_quats(found[leg.upper]) @ leg.bones[0]
            way = swung + matrices_from_quats(found[leg.lower]) @ leg.bones[1] + ankles[number] - place
            found[leg.upper], found[leg.lower] = reach_for(
                found[leg.upper], found[leg.lower], leg.bones, leg.hinge, way
            )
    return hips


def _under_floor(
    rig: Rig, target: Figure, transforms: Float[Tensor, "frames joints 4 4"], leg: _Leg
) -> Float[Tensor, " frames"]:
    """How deep a foot's skin is under the floor."""
    below = torch.tensor([_hangs_on(rig, joint, {leg.foot}) for joint in range(len(rig.joint_names))])
    of_foot = (rig.skin_weights * below[rig.skin_joints]).sum(-1) > 0.5
    sole = (of_foot & (rig.verts[:, 1] < 0.4 * target.places[leg.foot, 1])).nonzero()[:, 0]
    if not len(sole):
        return torch.zeros(len(transforms))
    return (-_lowest_skin(rig, sole[:: max(1, len(sole) // 600)], transforms)).clamp(0, 0.05)


def _leg(
    rig: Rig,
    target: Figure,
    found: dict[int, Float[Tensor, "frames 4"]],
    path: _Path,
    number: int,
    side: str,
    fps: float,
) -> _Leg:
    upper, lower, foot = (target.roles[f"{side}_{part}"][0] for part in ("upper_leg", "lower_leg", "foot"))
    hip, knee, heel = (target.places[joint] for joint in (upper, lower, foot))
    bones = (knee - hip, heel - knee)
    socket = matrices_from_quats(found[target.roles["hips"][0]]) @ (hip - target.mid_hips())
    thigh, shin = matrices_from_quats(found[upper]) @ bones[0], matrices_from_quats(found[lower]) @ bones[1]
    turn = found[foot] if foot in found else found[lower]
    toes = found.get(target.roles.get(f"{side}_toe", (-1,))[0], turn)
    sole, ankle, matrices = sole_of(rig, target, side), socket + thigh + shin, matrices_from_quats(turn)
    steps = find_steps(path.ankles[:, number], matrices, sole, fps)
    lowest = lowest_point(path.hips + ankle, matrices, matrices_from_quats(toes), sole)
    hinge = target.hinges[f"{side}_leg"]
    return _Leg(upper, lower, foot, bones, hinge, socket, ankle, turn, toes, sole, steps, lowest)


def _settle(legs: list[_Leg]) -> Float[Tensor, ""]:
    """How far the whole clip must move up so that feet which stand are on the floor, in the median."""
    standing = torch.cat([leg.lowest[leg.steps.heel | leg.steps.ball] for leg in legs])
    return -standing.median().clamp(-0.08, 0.08) if len(standing) else torch.zeros(())


def _feet_clearance(legs: list[_Leg], hips: Float[Tensor, "frames 3"], fps: float) -> Float[Tensor, " frames"]:
    """What is so far under the floor that bent knees would look odd is raised as a whole."""
    deep = torch.stack(
        [
            lowest_point(
                hips + leg.ankle, matrices_from_quats(leg.turn), matrices_from_quats(leg.toes), leg.sole
            )
            for leg in legs
        ]
    ).amin(0)
    return envelope((-deep - 0.03).clamp(min=0), max(1, round(0.1 * fps)))


def _up(heights: Float[Tensor, "*frames"]) -> Float[Tensor, "*frames 3"]:
    return torch.stack([0 * heights, heights, 0 * heights], dim=-1)


def _clearance(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], path: _Path, fps: float
) -> Float[Tensor, " frames"]:
    """How far all must rise so that nothing but the feet, which are dealt with, is under the floor."""
    transforms = _transforms(rig, target, found, path.hips)
    legs = {target.roles[f"{side}_foot"][0] for side in SIDES}
    below = torch.tensor([_hangs_on(rig, joint, legs) for joint in range(len(rig.joint_names))])
    of_foot = (rig.skin_weights * below[rig.skin_joints]).sum(-1) > 0.05
    lowest = _lowest_skin(rig, (~of_foot).nonzero()[:, 0][::23], transforms)
    return envelope((-lowest).clamp(min=0), max(1, round(0.1 * fps)))


def _transforms(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], hips: Float[Tensor, "frames 3"]
) -> Float[Tensor, "frames joints 4 4"]:
    return forward_kinematics(rig.joint_parents, rig.joints_world, _pose_at(rig, target, found, hips))


def _pose_at(
    rig: Rig, target: Figure, found: dict[int, Float[Tensor, "frames 4"]], hips: Float[Tensor, "frames 3"]
) -> Pose:
    root = target.roles["hips"][0]
    arm = target.mid_hips() - target.places[root]
    place = hips - matrices_from_quats(found[root]) @ arm
    return Pose(local_turns(rig, found), place - target.places[root])


def _lowest_skin(
    rig: Rig, verts: Int[Tensor, " chosen"], transforms: Float[Tensor, "frames joints 4 4"]
) -> Float[Tensor, " frames"]:
    """Height of the lowest of some vertices, a few hundred frames at a time."""
    chosen = rig.verts[verts], rig.skin_joints[verts], rig.skin_weights[verts]
    return torch.cat([skin_points(*chosen, part)[..., 1].amin(-1) for part in transforms.split(256)])


def _hangs_on(rig: Rig, joint: int, ancestors: set[int]) -> bool:
    while joint >= 0 and joint not in ancestors:
        joint = rig.joint_parents[joint]
    return joint >= 0
