"""The anny body inside a rigged person: fitted once to joints and surface, and kept.

A rig at rest tells its joints exactly, so few things are left to find: six phenotypes, the pose in which
anny lies as the rig does, and where the root is. The skin shows at head, hands and feet; elsewhere there may be
cloth, so only nearby surface counts (Geman and McClure 1985). No skin is outside the cloth: where the body is,
it is pushed back, for kinds of rigs differ by centimetres in where in the thigh its joint lies.
"""

import contextlib
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import AnnyModel, forward_kinematics, load_anny, part_labels, skin_points
from vivant.core import store
from vivant.core.errors import BadFileError, OutputError
from vivant.core.folders import cache_folder
from vivant.core.rotations import quats_from_rotvecs
from vivant.dataset.figure import ANNY_FROM_MIXAMO, short_name
from vivant.mesh import vertex_normals
from vivant.records import Pose, Rig, Shape

VERSION = 5
"""Of this fit: other versions' kept results are not used."""

STEPS = 220
POINTS = 1200
"""Points of the surface."""

CLOTH_M = 0.02
"""Surface further from the body than this is cloth or hair."""

OUTSIDE_M = 0.01
"""Skin that is further outside the cloth than this costs its distance, nearer its square."""

OUTSIDE_WEIGHT = 30.0

WORN = ("torso", "hips", "left_thigh", "right_thigh", "left_shin", "right_shin")
"""Parts that lie in the middle of their cloth, front to back and side to side: it hangs on all sides alike."""

LOOSE = (
    "Hips",
    "Spine",
    "Spine1",
    "Spine2",
    "Neck",
    "LeftToeBase",
    "RightToeBase",
    "LeftShoulder",
    "RightShoulder",
    "LeftUpLeg",
    "RightUpLeg",
)
"""Joints whose place differs between kinds of rigs: they count little."""


@dataclass(frozen=True)
class Fitted:
    """An anny body that lies in a rig."""

    rig: Rig
    shape: Shape
    pose: Pose
    error_mm: float
    """Mean distance of limbs' joints."""


@dataclass(frozen=True)
class FittedNumbers:
    """What is kept of a fit."""

    shape: Shape
    pose: Pose
    error_mm: float


def fitted_body(rig: Rig, gender: float | None = None) -> Fitted:
    """Give the anny body in a rig; found once and kept in the cache folder.

    Args:
        rig: At rest.
        gender: What is known: 0 male, 1 female; joints and clothes tell little of it.
    """
    model = load_anny()
    key = store.digest((rig.verts, rig.world_from_joint, VERSION, gender))[:16]
    path = cache_folder() / "figures" / f"{key}.safetensors"
    numbers = None
    if path.is_file():
        try:
            numbers = store.load(FittedNumbers, path)
        except BadFileError:
            path.unlink(missing_ok=True)
    if numbers is None:
        numbers = fit_to_rig(rig, model, gender)
        with contextlib.suppress(OutputError):
            # If it cannot be kept, it is found again next time.
            store.save(numbers, path)
    return Fitted(model.rig(numbers.shape), numbers.shape, numbers.pose, numbers.error_mm)


def fit_to_rig(rig: Rig, model: AnnyModel, gender: float | None = None) -> FittedNumbers:
    """Find shape and pose."""
    pairs = [
        (
            rig.joint_names.index(name),
            model.joint_names.index(ANNY_FROM_MIXAMO[short_name(name)]),
            short_name(name),
        )
        for name in rig.joint_names
        if short_name(name) in ANNY_FROM_MIXAMO
    ]
    theirs, ours = torch.tensor([p[0] for p in pairs]), torch.tensor([p[1] for p in pairs])
    weight = torch.tensor([0.15 if p[2] in LOOSE else 0.3 if p[2][-1].isdigit() else 1.0 for p in pairs])
    target = rig.joints_world[theirs]
    external = model.external_verts.nonzero()[:, 0]
    chosen = external[torch.linspace(0, len(external) - 1, POINTS).long()]
    subset = model.subset(chosen)
    tree, outwards = KDTree(rig.verts.numpy()), vertex_normals(rig.verts, rig.faces)

    labels = part_labels(model.rig(model.default_shape()))
    worn = [labels.member(name)[chosen] for name in WORN]

    phenotypes = model.default_shape().coefficients.clone()
    free_joints = sorted({joint for _, joint, _ in pairs} - {0})
    turns = torch.zeros(len(free_joints), 3)
    root = torch.zeros(2, 3)
    variables = [phenotypes, turns, root]
    for variable in variables:
        variable.requires_grad_(True)
    optimiser = torch.optim.Adam(
        [{"params": [phenotypes], "lr": 0.02}, {"params": [turns], "lr": 0.04}, {"params": [root], "lr": 0.01}]
    )
    low, high = (torch.tensor([anchors[end] for anchors in model.anchors]) for end in (0, -1))
    low[1] = 0.35
    if gender is not None:
        phenotypes.data[0] = gender
        low[0], high[0] = max(gender - 0.2, 0.0), min(gender + 0.2, 1.0)
    free = torch.tensor(free_joints)
    for step in range(STEPS):
        if step == int(STEPS * 0.75):
            for group in optimiser.param_groups:
                group["lr"] *= 0.25
        optimiser.zero_grad()
        joints, verts = _posed(model, subset, phenotypes, _pose(len(model.joint_names), free, turns, root))
        gap = joints[ours] - target
        # Of the spread between the kinds of rigs, only what is more than a centimetre asks for a turn.
        loss = (weight * torch.log1p(gap.square().sum(1) / 0.01**2)).sum()
        if step > STEPS // 4:
            near, index = tree.query(verts.detach().numpy(), distance_upper_bound=4 * CLOTH_M)
            hit = torch.from_numpy(np.isfinite(near))
            nearest = torch.from_numpy(np.where(np.isfinite(near), index, 0))
            away = (verts - rig.verts[nearest])[hit]
            square = away.square().sum(1)
            loss = loss + 10.0 * (square / (square + CLOTH_M**2)).mean()
            outside = (away * outwards[nearest[hit]]).sum(1).clamp(min=0) / OUTSIDE_M
            loss = loss + OUTSIDE_WEIGHT * outside.square().div(1 + outside).mean()
            loss = loss + _off_centre(away, [part[hit] for part in worn])
        loss = loss + 0.3 * turns.square().sum() + 2.0 * (phenotypes - 0.5)[[2, 5]].square().sum()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            phenotypes.copy_(phenotypes.maximum(low).minimum(high))
    with torch.no_grad():
        pose = _pose(len(model.joint_names), free, turns, root)
        joints, _ = _posed(model, subset, phenotypes, pose)
        gap = (joints[ours] - target).norm(dim=1)[weight >= 1].mean()
    shape = Shape("anny", phenotypes.detach().clone(), torch.zeros(len(model.action_names)))
    return FittedNumbers(shape, Pose(pose.local_quats.detach(), pose.root.detach()), 1e3 * float(gap))


def _off_centre(away: Float[Tensor, "points 3"], parts: list[Bool[Tensor, " points"]]) -> Float[Tensor, ""]:
    """How far each part lies from the middle of what it wears."""
    means = [away[part].mean(0) for part in parts if bool(part.any())]
    return sum((m.square().sum() / OUTSIDE_M**2 for m in means), torch.zeros(()))


def _pose(count: int, free: Tensor, turns: Tensor, root: Tensor) -> Pose:
    rotvecs = turns.new_zeros(count, 3).index_copy(0, free, turns)
    rotvecs = rotvecs.index_copy(0, torch.tensor([0]), root[:1])
    return Pose(quats_from_rotvecs(rotvecs), root[1])


def _posed(
    model: AnnyModel, subset: object, phenotypes: Tensor, pose: Pose
) -> tuple[Float[Tensor, "joints 3"], Float[Tensor, "points 3"]]:
    joints = model.rest_joints(phenotypes)
    verts = model.subset_verts(subset, phenotypes)  # pyright: ignore[reportArgumentType]
    transforms = forward_kinematics(model.joint_parents, joints, pose)
    places = (transforms[:, :3, :3] @ joints[..., None])[..., 0] + transforms[:, :3, 3]
    return places, skin_points(verts, subset.skin_joints, subset.skin_weights, transforms)  # pyright: ignore
