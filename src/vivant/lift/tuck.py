"""Move an arm whose hand the photo hides so far back that it hides: a hand in a pocket, or behind the back."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from vivant.body import forward_kinematics
from vivant.core.rotations import invert_quats, multiply_quats, quats_from_matrices, quats_from_rotvecs
from vivant.lift.evidence import Evidence, like
from vivant.lift.posed import Lens, draw_depths
from vivant.lift.regions import LEFT_ARM, LEFT_HAND, LEFT_LEG, RIGHT_LEG, TRUNK, Regions, joints_of
from vivant.lift.sight import Sight, lookup_nearest
from vivant.lift.surface import Skin
from vivant.records import Body, Person

DEEPEST = 0.35
"""Metres that a hand is moved away from the camera, at most."""

INSIDE = 0.015
"""Metres that it shall lie behind the surface that hides it."""


def tuck_hidden_hands(
    person: Person,
    body: Body,
    skin: Skin,
    regions: Regions,
    lens: Lens,
    posed_cam: Float[ndarray, "verts 3"],
    sight: Sight,
    evidence: Evidence,
) -> Body:
    """The body with such arms turned at the shoulder, away from the camera.

    A fit cannot know that a hand lies in a pocket: it puts it before the hip, where the photo shows cloth.
    """
    pose = body.pose
    for side, hand in enumerate((person.left_hand, person.right_hand)):
        if hand is not None:
            continue
        mine = regions.share[:, LEFT_HAND + side] > 0.7
        told = mine & (sight.trust > 0.2)
        if told.sum() < 20 or float(like(sight.color[told], evidence.hand).mean()) > 0.3:
            continue
        depth = _depth_to_hide(mine, skin, regions, lens, posed_cam)
        if depth > 0:
            pose = replace(pose, local_quats=_turned(body, pose.local_quats, side, depth, lens))
    return body if pose is body.pose else replace(body, pose=pose)


def _depth_to_hide(mine: ndarray, skin: Skin, regions: Regions, lens: Lens, posed_cam: ndarray) -> float:
    """Metres that brings a hand behind trunk and legs; 0 if they cannot hide it."""
    core = np.isin(regions.part, (TRUNK, LEFT_LEG, RIGHT_LEG))
    cover = draw_depths(posed_cam, skin.faces[core[skin.faces].all(1)], lens).depth
    before = lookup_nearest(cover, lens.pixels(posed_cam[mine]))
    over = before > 0
    if over.mean() < 0.6:
        return 0.0
    depth = float(np.percentile((before - posed_cam[mine, 2])[over], 90)) + INSIDE
    return depth if 0 < depth < DEEPEST else 0.0


def _turned(body: Body, quats: torch.Tensor, side: int, depth: float, lens: Lens) -> torch.Tensor:
    """Turn the upper arm so that the wrist goes back by `depth` along its ray."""
    rig = body.rig
    shoulder, wrist = int(joints_of(rig, LEFT_ARM + side)[0]), int(joints_of(rig, LEFT_HAND + side)[0])
    world_from_rest = forward_kinematics(
        rig.joint_parents, rig.joints_world, replace(body.pose, local_quats=quats)
    )
    places = (world_from_rest[:, :3, :3] @ rig.joints_world[..., None])[..., 0] + world_from_rest[:, :3, 3]
    eye = body.camera.centers_world[0]
    ray = torch.nn.functional.normalize(places[wrist] - eye, dim=0)
    arm = places[wrist] - places[shoulder]
    axis = torch.linalg.cross(arm, ray)
    turn = quats_from_rotvecs(torch.nn.functional.normalize(axis, dim=0) * (depth / float(axis.norm())))
    parent = world_from_rest[rig.joint_parents[shoulder], :3, :3]
    outer = quats_from_matrices(parent)
    # The turn is told in world axes; the joint's own is told in its parent's.
    inner = multiply_quats(multiply_quats(invert_quats(outer), turn), outer)
    changed = quats.clone()
    changed[shoulder] = multiply_quats(inner, quats[shoulder])
    return changed
