"""Where on the body the detectors' points lie.

A detector's "hip" is no joint of the rig: each of its points is bound to weighted vertices or to a joint, moved
by an offset that was measured on renders of the body, and carried by the skin weights found there.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.body import AnnyModel, load_anny
from vivant.fit.reduced import Points, Skeleton, join_points, make_skeleton
from vivant.records import BODY_POINTS

FROM_KEYPOINTS = {
    "nose": "nose", "left_eye": "left_eye", "right_eye": "right_eye", "left_ear": "left_ear",
    "right_ear": "right_ear", "left_shoulder": "left_shoulder", "right_shoulder": "right_shoulder",
    "left_elbow": "left_elbow", "right_elbow": "right_elbow", "left_wrist": "left_wrist",
    "right_wrist": "right_wrist", "left_hip": "left_hip", "right_hip": "right_hip", "left_knee": "left_knee",
    "right_knee": "right_knee", "left_ankle": "left_ankle", "right_ankle": "right_ankle",
    "left_heel": "left_heel", "right_heel": "right_heel", "left_foot_index": "left_big_toe",
    "right_foot_index": "right_big_toe",
}  # fmt: skip
"""Detector's body points that one of the body model's own anatomical points stands for."""

FROM_JOINTS = {
    "left_pinky": "finger5-1.L", "right_pinky": "finger5-1.R", "left_index": "finger2-1.L",
    "right_index": "finger2-1.R", "left_thumb": "finger1-2.L", "right_thumb": "finger1-2.R",
}  # fmt: skip
"""Detector's body points that a joint stands for."""

HAND_JOINTS = ("wrist", *(f"finger{finger}-{bone}" for finger in range(1, 6) for bone in (1, 2, 3)))


@dataclass(frozen=True)
class Landmarks:
    """All of the detectors' points on one body model."""

    body: Points
    """In the order of `body_index`."""

    body_index: Int[Tensor, " body"]
    """Which of the 33 body points each one is; some have no place on the body."""

    hands: tuple[Points, Points]
    """Left and right, 21 points each, in the order of `HAND_POINTS`."""

    face: Points
    face_index: Int[Tensor, " face"]
    """Which of the 478 face points each one is."""

    face_corners: Int[Tensor, "face 3"]
    """Vertices of the triangle each face point lies on."""

    face_barycentric: Float[Tensor, "face 3"]


def surface_points(model: AnnyModel, verts: Int[Tensor, " points"]) -> Points:
    """Vertices as points."""
    subset = model.subset(verts)
    weights = torch.zeros(len(verts), len(model.joint_names))
    weights.scatter_add_(1, subset.skin_joints, subset.skin_weights)
    return Points(
        mean=subset.verts_mean,
        basis=subset.verts_basis.reshape(len(subset.verts_basis), -1, 3),
        actions=subset.action_basis.reshape(len(subset.action_basis), -1, 3),
        weights=weights,
    )


def mixed_points(
    model: AnnyModel, verts: Int[Tensor, "points mixed"], shares: Float[Tensor, "points mixed"]
) -> Points:
    """Weighted sums of vertices as points; shares may be negative, skin weights are not."""
    used, place = torch.unique(verts, return_inverse=True)
    corners = surface_points(model, used)
    mix = torch.zeros(len(verts), len(used)).scatter_add_(1, place, shares)
    weights = (mix @ corners.weights).clamp(min=0)
    return Points(
        mean=mix @ corners.mean,
        basis=mix @ corners.basis,
        actions=mix @ corners.actions,
        weights=weights / weights.sum(1, keepdim=True),
    )


def joint_points(model: AnnyModel, names: list[str]) -> Points:
    """Joints as points."""
    index = torch.tensor([model.joint_names.index(name) for name in names])
    skeleton = model_skeleton(model)
    return Points(
        mean=skeleton.mean[index],
        basis=skeleton.basis[:, index],
        actions=torch.zeros(len(model.action_names), len(index), 3),
        weights=torch.eye(len(model.joint_names))[index],
    )


def owned_by(model: AnnyModel, bones: tuple[str, ...], side: str = "") -> Bool[Tensor, " verts"]:
    """Vertices that hang most on a bone whose name starts with one of these, on one side or on any."""
    wanted = torch.tensor([name.startswith(bones) and name.endswith(side) for name in model.joint_names])
    best = model.skin_weights.argmax(1, keepdim=True)
    return wanted[model.skin_joints.gather(1, best)[:, 0]]


def model_skeleton(model: AnnyModel) -> Skeleton:
    """The body model's joints for the solver."""
    basis = model.joints_basis.reshape(len(model.joints_basis), -1, 3)
    return make_skeleton(model.joint_parents, model.joints_mean, basis)


@lru_cache(maxsize=1)
def anny_landmarks() -> Landmarks:
    """The detectors' points on the anny body; made once a process."""
    model = load_anny()
    with resources.files("vivant.fit").joinpath("assets/landmarks.npz").open("rb") as file:
        with np.load(file, allow_pickle=False) as data:
            bound = {name: torch.from_numpy(data[name]) for name in data.files}
    corners, body = bound["face_corners"].long(), anatomical_points(model)
    return Landmarks(
        body=replace(body, mean=body.mean + bound["body_offsets"]),
        body_index=body_index(),
        hands=(_hand_points(model, "L"), _hand_points(model, "R")),
        face=mixed_points(model, corners, bound["face_barycentric"]),
        face_index=bound["face_index"].long(),
        face_corners=corners,
        face_barycentric=bound["face_barycentric"],
    )


def body_index() -> Int[Tensor, " body"]:
    """Which of the 33 body points have a place on the body."""
    return torch.tensor([BODY_POINTS.index(name) for name in [*FROM_KEYPOINTS, *FROM_JOINTS]])


def anatomical_points(model: AnnyModel) -> Points:
    """The model's own points and joints that the detector's body points are measured from."""
    rows = torch.tensor([model.keypoint_names.index(name) for name in FROM_KEYPOINTS.values()])
    anatomical = mixed_points(model, model.keypoint_verts[rows], model.keypoint_weights[rows])
    return join_points([anatomical, joint_points(model, list(FROM_JOINTS.values()))])


def _hand_points(model: AnnyModel, side: str) -> Points:
    """Wrist, finger joints and finger tips, in the detector's order."""
    joints = joint_points(model, [f"{name}.{side}" for name in HAND_JOINTS])
    tips = surface_points(model, torch.tensor([_tip(model, finger, side) for finger in range(1, 6)]))
    both = join_points([joints, tips])
    order = [0]
    for finger in range(5):
        order += [1 + 3 * finger, 2 + 3 * finger, 3 + 3 * finger, len(HAND_JOINTS) + finger]
    return both[torch.tensor(order)]


def _tip(model: AnnyModel, finger: int, side: str) -> int:
    """The vertex farthest out on a finger's last bone."""
    joint = model.joint_names.index(f"finger{finger}-3.{side}")
    before = model.joint_names.index(f"finger{finger}-2.{side}")
    places = model.rest_joints(model.default_shape().coefficients)
    owned = ((model.skin_joints == joint) & (model.skin_weights > 0.5)).any(1).nonzero()[:, 0]
    verts = model.rest_verts(model.default_shape().coefficients)[owned]
    return int(owned[(verts @ (places[joint] - places[before])).argmax()])
