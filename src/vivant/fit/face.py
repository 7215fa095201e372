"""The person's own face: expression first, then what is left over as a smooth warp of the head at rest."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import blend_transforms, forward_kinematics, pose_verts
from vivant.fit.landmarks import Landmarks
from vivant.fit.reduced import State, place_points
from vivant.fit.solve import Anatomy, Prior, Problem, activate, minimise
from vivant.fit.terms import Pinhole, Reprojection
from vivant.records import Pose, Rig

HEAD_BONES = ("head", "eye.L", "eye.R")

LANDMARK_SIGMA = 0.012
"""Of the face's size: how exactly the detector's points are believed."""

FADE = 0.35
"""Face sizes over which the warp becomes a plain scaling of the head, away from the face."""

SMOOTHING = 0.5
"""Of the thin plate, in pixels of a face 100 pixels large: more follows the points less."""

SEEN_COSINE = 0.25
"""Between the way out of the head and the way to the camera: what is turned farther away shows nothing."""

MOST_SCALING = 0.15
"""Heads differ from the model's by at most so much."""


def face_size_px(face: Float[Tensor, "points 2"]) -> float:
    """Diagonal of the box round the face's points."""
    return float((face.amax(0) - face.amin(0)).norm().clamp(min=1.0))


def fit_expression(
    anatomy: Anatomy,
    prior: Prior,
    camera: Pinhole,
    landmarks: Landmarks,
    face: Float[Tensor, "478 3"],
    state: State,
    steps: int,
) -> State:
    """Turn the head and move the face until its points lie where they were seen."""
    seen = face[landmarks.face_index, :2]
    count = len(seen)
    term = Reprojection(
        camera,
        torch.arange(count),
        seen,
        LANDMARK_SIGMA * face_size_px(seen),
        torch.full((count,), 60.0 / count),
        4.0,
    )
    head = [anatomy.freedoms.index("head"), anatomy.freedoms.index("neck03")]
    active = activate(anatomy, root=False, joints=head, actions=True)
    # What the outline has found about the head is kept where the face says nothing.
    near = replace(prior, bends=state.bends, bend_spread=prior.bend_spread / 2)
    problem = Problem(anatomy, landmarks.face, (term,), near, active)
    return minimise(problem, state, steps).state


@dataclass(frozen=True)
class Head:
    """What moves with the head."""

    share: Float[Tensor, " verts"]
    """1 on the head, less down the neck, 0 elsewhere."""

    is_head: Bool[Tensor, " verts"]


def find_head(rig: Rig) -> Head:
    """Vertices of head and neck, by their skin weights."""
    full = torch.tensor([name in HEAD_BONES for name in rig.joint_names]).float()
    half = torch.tensor([{"neck03": 0.7, "neck02": 0.35}.get(name, 0.0) for name in rig.joint_names])
    share = (rig.skin_weights * (full + half)[rig.skin_joints]).sum(1)
    return Head(share, (rig.skin_weights * full[rig.skin_joints]).sum(1) > 0.5)


def warp_face(
    rig: Rig,
    pose: Pose,
    camera: Pinhole,
    anatomy: Anatomy,
    landmarks: Landmarks,
    face: Float[Tensor, "478 3"],
    state: State,
) -> Rig:
    """Give the rig the person's own face.

    The head is scaled as a whole to the face seen; near the face a thin-plate warp takes up the rest in the
    picture's plane. Both are carried back to the rest pose, where the side turned away mirrors the other one.
    """
    verts, head = pose_verts(rig, pose), find_head(rig)
    facing = _facing(verts, verts[head.is_head].mean(0))
    places = place_points(landmarks.face, anatomy.pose(state))
    sure = (facing[landmarks.face_corners] * landmarks.face_barycentric).sum(1) > SEEN_COSINE
    if int(sure.sum()) < 30:
        return rig
    places, seen = places[sure], face[landmarks.face_index[sure], :2]
    shown = camera.project(places)
    index = (head.share > 0).nonzero()[:, 0]
    scale, shift = _similarity(shown, seen)
    posed = verts[index]
    pixels = camera.project(posed)
    whole = (pixels - shown.mean(0)) * (scale - 1) + shift
    fine = (_thin_plate(shown, seen, pixels) - whole) * _nearness(places, posed)[:, None]
    along = (posed[:, 2:] - places.mean(0)[2]) * (scale - 1)
    turns = _skin_turns(rig, pose, index)
    per_px = -posed[:, 2:] / camera.focal * posed.new_tensor([1.0, -1.0])
    plain = torch.linalg.solve(turns, torch.cat([whole * per_px, along], dim=1)[..., None])[..., 0]
    own = torch.linalg.solve(turns, torch.cat([fine * per_px, torch.zeros_like(along)], dim=1)[..., None])[
        ..., 0
    ]
    own = _mirrored_where_hidden(own, index, facing, anatomy.model.mirror)
    moved = (plain + own) * head.share[index, None]
    return _moved_rig(rig, torch.zeros_like(rig.verts).index_copy(0, index, moved))


def _facing(verts: Float[Tensor, "verts 3"], middle: Float[Tensor, "3"]) -> Float[Tensor, " verts"]:
    """Cosine between the way out of the head and the way to the camera at the origin.

    Smooth where the skin's own normal is not: at nostrils, lips and lids.
    """
    out, back = verts - middle, -verts
    return (out * back).sum(1) / (out.norm(dim=1) * back.norm(dim=1)).clamp(min=1e-6)


def _nearness(places: Float[Tensor, "points 3"], verts: Float[Tensor, "verts 3"]) -> Float[Tensor, " verts"]:
    """1 at the face's points, 0 far from them, smooth between."""
    distance = torch.from_numpy(KDTree(places.numpy()).query(verts.numpy())[0]).float()
    size = (places.amax(0) - places.amin(0)).norm()
    near = (1 - distance / (FADE * size)).clamp(0, 1)
    return near * near * (3 - 2 * near)


def _skin_turns(rig: Rig, pose: Pose, index: Int[Tensor, " some"]) -> Float[Tensor, "some 3 3"]:
    """How skin at some vertices turns from rest to the pose."""
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    return blend_transforms(rig.skin_joints[index], rig.skin_weights[index], transforms)[..., :3]


def _mirrored_where_hidden(
    moved: Float[Tensor, "some 3"],
    index: Int[Tensor, " some"],
    facing: Float[Tensor, " verts"],
    mirror: Int[Tensor, " verts"],
) -> Float[Tensor, "some 3"]:
    """The side turned away does what the other side does, as in a mirror; smooth between."""
    everywhere = moved.new_zeros(len(facing), 3).index_copy(0, index, moved)
    trust = ((facing - SEEN_COSINE / 2) / SEEN_COSINE).clamp(0, 1)
    share = trust / (trust + trust[mirror] * (1 - trust)).clamp(min=1e-3)
    reflected = everywhere[mirror] * moved.new_tensor([-1.0, 1.0, 1.0])
    mixed = share[:, None] * everywhere + (1 - share)[:, None] * reflected * trust[mirror][:, None]
    return mixed[index]


def _similarity(
    shown: Float[Tensor, "points 2"], seen: Float[Tensor, "points 2"]
) -> tuple[float, Float[Tensor, "2"]]:
    """Scale about the middle and shift that bring points together."""
    middle = shown.mean(0)
    a, b = shown - middle, seen - seen.mean(0)
    scale = float((a * b).sum() / (a * a).sum().clamp(min=1e-6))
    return min(1 + MOST_SCALING, max(1 - MOST_SCALING, scale)), seen.mean(0) - middle


def _thin_plate(
    shown: Float[Tensor, "points 2"], seen: Float[Tensor, "points 2"], at: Float[Tensor, "verts 2"]
) -> Float[Tensor, "verts 2"]:
    """How far each place must move so that the face's points come to lie where they were seen."""
    unit = face_size_px(seen) / 100
    start, goal = (shown / unit).double().numpy(), ((seen - shown) / unit).double().numpy()
    # Irises and lids may coincide in closed eyes; the solver needs distinct places.
    _, first = np.unique(np.round(start, 2), axis=0, return_index=True)
    plate = RBFInterpolator(
        start[first], goal[first], kernel="thin_plate_spline", smoothing=SMOOTHING, neighbors=None
    )
    return torch.from_numpy(plate((at / unit).double().numpy()) * unit).float()


def _moved_rig(rig: Rig, moved: Float[Tensor, "verts 3"]) -> Rig:
    """Move vertices at rest, and the eyes' joints with their eyeballs."""
    frames = rig.world_from_joint.clone()
    for name in ("eye.L", "eye.R"):
        joint = rig.joint(name)
        mine = (rig.skin_weights * (rig.skin_joints == joint)).sum(1) > 0.5
        if bool(mine.any()):
            frames[joint, :3, 3] += moved[mine].mean(0)
    return replace(rig, verts=rig.verts + moved, world_from_joint=frames)
