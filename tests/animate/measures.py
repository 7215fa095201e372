"""What a retargeted motion is judged by, measured on the body's own skin."""

import math
from dataclasses import dataclass

import torch

from vivant.animate import Clip, Retargeted
from vivant.animate.retarget.figure import figure_of_clip, figure_of_rig
from vivant.animate.retarget.roles import match_joints
from vivant.body import forward_kinematics, skin_points
from vivant.records import Rig

BONES = (("upper_arm", "lower_arm"), ("lower_arm", "hand"), ("upper_leg", "lower_leg"), ("lower_leg", "foot"))


@dataclass
class Measures:
    planted: int
    """Frames in which a foot stands, both feet counted."""

    skate: float
    """Metres: the farthest any standing heel or ball moves over the floor while it stands."""

    source_skate: float
    """The same of the clip's own ankle or toe, at our scale."""

    floor: float
    """Metres: the lowest point of the feet's skin; below 0 is under the floor."""

    lowest: float
    """Metres: the lowest point of the whole skin in any frame."""

    arms: float
    """Degrees: the largest angle between a bone of an arm and the clip's."""

    legs: float
    mean_legs: float


def measure(clip: Clip, moved: Retargeted, rig: Rig) -> Measures:
    _, roles = match_joints(clip.joint_names)
    motion = moved.motion
    source, turns, places = figure_of_clip(clip.resampled(motion.fps), roles)
    target = figure_of_rig(rig)
    frames = len(motion)
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, motion.pose)
    ours = (transforms[..., :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[..., :3, 3]
    theirs = places[:frames] * target.leg_length() / source.leg_length()
    theirs, turned = _same_heading(theirs, ours, source, target)
    arms, legs = [], []
    for side in ("left", "right"):
        for first, second in BONES:
            a, b = f"{side}_{first}", f"{side}_{second}"
            if a not in source.roles or b not in source.roles:
                continue
            u = ours[:, target.roles[b][0]] - ours[:, target.roles[a][0]]
            v = theirs[:, source.roles[b][0]] - theirs[:, source.roles[a][0]]
            cosine = torch.nn.functional.cosine_similarity(u, v, dim=-1).clamp(-1, 1)
            (arms if "arm" in first else legs).append(torch.rad2deg(cosine.arccos()))
    planted, skate, source_skate = 0, 0.0, 0.0
    floor = math.inf
    for side, sign in (("left", 1.0), ("right", -1.0)):
        sole = ((rig.verts[:, 1] < 0.03) & (rig.verts[:, 0] * sign > 0)).nonzero()[:, 0]
        skin = skin_points(rig.verts[sole], rig.skin_joints[sole], rig.skin_weights[sole], transforms)
        floor = min(floor, float(skin[..., 1].min()))
        foot_z = rig.verts[sole, 2]
        parts = {"foot": foot_z < foot_z.min() + 0.05, "toe": _near_ball(rig, target, sole, side)}
        for part, chosen in parts.items():
            role = f"{side}_{part}"
            if role not in source.roles:
                continue
            path = theirs[:, source.roles[role][0]]
            point = skin[:, chosen].mean(1)
            for first, last in _standing(path, motion.fps):
                planted += last - first
                source_skate = max(source_skate, _wander(path[first:last]))
                if float(point[first:last, 1].max()) < 0.02:
                    skate = max(skate, _wander(point[first:last]))
    verts = torch.arange(0, len(rig.verts), 40)
    skin = skin_points(rig.verts[verts], rig.skin_joints[verts], rig.skin_weights[verts], transforms)
    return Measures(
        planted, skate, source_skate, floor, float(skin[..., 1].min()),
        float(torch.stack(arms).max()), float(torch.stack(legs).max()), float(torch.stack(legs).mean()),
    )  # fmt: skip


def _near_ball(rig, target, sole, side):
    ball = target.place(f"{side}_toe")
    return (rig.verts[sole] - ball)[:, [0, 2]].norm(dim=-1) < 0.04


def _same_heading(theirs, ours, source, target):
    """Turn the clip about y as the retargeting did."""

    def left(at, figure):
        across = at[:1, figure.roles["left_upper_leg"][0]] - at[:1, figure.roles["right_upper_leg"][0]]
        return torch.atan2(across[:, 2], across[:, 0])

    yaw = left(theirs, source) - left(ours, target)
    if float(yaw.abs()) < 0.3:
        return theirs, 0.0
    c, s = yaw.cos()[0], yaw.sin()[0]
    zero, one = torch.zeros(()), torch.ones(())
    turn = torch.stack([torch.stack([c, zero, s]), torch.stack([zero, one, zero]), torch.stack([-s, zero, c])])
    return theirs @ turn.T, float(yaw)


def _standing(path, fps):
    """Runs of frames of a tenth of a second or more in which the clip's own joint is low and hardly moves."""
    if len(path) < 4:
        return []
    speed = torch.nn.functional.pad((path[1:] - path[:-1]).norm(dim=-1), (0, 1), value=1.0) * fps
    still = (speed < 0.06) & (path[:, 1] < torch.quantile(path[:, 1], 0.02) + 0.03)
    runs, first = [], None
    for frame, stands in enumerate([*still.tolist(), False]):
        if stands and first is None:
            first = frame
        elif not stands and first is not None:
            # The joint has moved within 2 cm: a foot that creeps is not planted.
            if frame - first >= 0.1 * fps and _wander(path[first:frame]) < 0.02:
                runs.append((first, frame))
            first = None
    return runs


def _wander(path):
    level = path[:, [0, 2]]
    return float(torch.cdist(level, level).max())
