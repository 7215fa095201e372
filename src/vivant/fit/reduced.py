"""A few points that ride on the body, where they are in a pose, and how they move with every parameter.

The solver never needs the whole surface: a keypoint, a landmark or a sample of the skin is a rest place (linear in
the body model's blend weights) and a row of skin weights. Derivatives are written out by hand, for a small turn `w`
of joint k moves a skinned point by `w x (its part below k - where k lies)`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.core.rotations import matrices_from_rotvecs


@dataclass(frozen=True)
class Points:
    """Points that ride on the body."""

    mean: Float[Tensor, "points 3"]
    """Rest place where all blend weights are zero, in metres."""

    basis: Float[Tensor, "points blends 3"]
    """How far each blend moves it."""

    actions: Float[Tensor, "points actions 3"]
    """How far each facial action moves it."""

    weights: Float[Tensor, "points joints"]
    """Rows sum to 1."""

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: Int[Tensor, " picked"]) -> "Points":
        """Pick some."""
        return Points(self.mean[index], self.basis[index], self.actions[index], self.weights[index])


def join_points(parts: list[Points]) -> Points:
    """Put sets one after the other."""
    return Points(
        torch.cat([p.mean for p in parts]),
        torch.cat([p.basis for p in parts]),
        torch.cat([p.actions for p in parts]),
        torch.cat([p.weights for p in parts]),
    )


@dataclass(frozen=True)
class Skeleton:
    """The joints, as the solver sees them."""

    parents: tuple[int, ...]
    mean: Float[Tensor, "joints 3"]
    """Rest places where all blend weights are zero."""

    basis: Float[Tensor, "joints blends 3"]
    below: Float[Tensor, "joints joints"]
    """1 where the second joint hangs below the first, or is the first."""

    levels: tuple[tuple[Int[Tensor, " members"], Int[Tensor, " members"]], ...]
    """Joints of equal depth and their parents, from the root's children down."""


def make_skeleton(
    parents: tuple[int, ...], mean: Float[Tensor, "joints 3"], basis: Float[Tensor, "joints blends 3"]
) -> Skeleton:
    """Work out who hangs below whom."""
    below = torch.eye(len(parents))
    depth = [0] * len(parents)
    for joint, parent in enumerate(parents):
        if parent >= 0:
            depth[joint] = depth[parent] + 1
            # A parent stands before its children, so its own column is complete.
            below[:, joint] += below[:, parent]
    levels = []
    for level in range(1, max(depth) + 1):
        members = [joint for joint, d in enumerate(depth) if d == level]
        levels.append((torch.tensor(members), torch.tensor([parents[joint] for joint in members])))
    return Skeleton(parents, mean, basis, below, tuple(levels))


@dataclass(frozen=True)
class State:
    """What the solver looks for."""

    root_rotation: Float[Tensor, "3 3"]
    root: Float[Tensor, "3"]
    """Where the root joint lies, in metres."""

    bends: Float[Tensor, "free 3"]
    """Radians of twist, flex and swing of the free joints, about their own rest axes."""

    phenotypes: Float[Tensor, " phenotypes"]
    actions: Float[Tensor, " actions"]
    tilt: Float[Tensor, ""]
    """Radians by which the camera looks down."""


@dataclass(frozen=True)
class Posed:
    """Joints in a pose, and what derivatives need."""

    rotations: Float[Tensor, "joints 3 3"]
    """World turn of each joint since rest."""

    places: Float[Tensor, "joints 3"]
    rest: Float[Tensor, "joints 3"]
    turn_axes: Float[Tensor, "free 3 3"]
    """Row i: the world axis about which a free joint turns when its i-th bend grows."""

    blends: Float[Tensor, " blends"]
    blends_by_phenotype: Float[Tensor, "phenotypes blends"]
    actions: Float[Tensor, " actions"]

    @property
    def shifts(self) -> Float[Tensor, "joints 3"]:
        """What is added after turning about the origin."""
        return self.places - (self.rotations @ self.rest[..., None])[..., 0]


def local_rotations(
    bends: Float[Tensor, "free 3"], axes: Float[Tensor, "free 3 3"]
) -> Float[Tensor, "free 3 3"]:
    """Turn of each free joint relative to its parent, in world axes at rest."""
    return matrices_from_rotvecs((bends[:, None] @ axes)[:, 0])


def pose_joints(
    skeleton: Skeleton,
    state: State,
    free: Int[Tensor, " free"],
    axes: Float[Tensor, "free 3 3"],
    blends: Float[Tensor, " blends"],
    blends_by_phenotype: Float[Tensor, "phenotypes blends"],
) -> Posed:
    """Place all joints.

    Args:
        skeleton: The joints.
        state: Where the solver stands.
        free: Numbers of the joints that `state.bends` speaks of.
        axes: Rows are their twist, flex and swing axes, in world axes at rest.
        blends: The body model's blend weights at `state.phenotypes`.
        blends_by_phenotype: Their derivatives.
    """
    rest = skeleton.mean + torch.einsum("jbd,b->jd", skeleton.basis, blends)
    turns = torch.eye(3).repeat(len(rest), 1, 1)
    turns[free] = local_rotations(state.bends, axes)
    rotations = torch.empty_like(turns)
    rotations[0] = state.root_rotation
    places = torch.empty_like(rest)
    places[0] = state.root
    for members, parents in skeleton.levels:
        above = rotations[parents]
        rotations[members] = above @ turns[members]
        places[members] = places[parents] + (above @ (rest[members] - rest[parents])[..., None])[..., 0]
    parents = torch.tensor(skeleton.parents)[free]
    small = _left_jacobians((state.bends[:, None] @ axes)[:, 0])
    turn_axes = axes @ (rotations[parents] @ small).transpose(1, 2)
    return Posed(rotations, places, rest, turn_axes, blends, blends_by_phenotype, state.actions)


def _left_jacobians(rotvecs: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """How a rotation vector's change turns the world: exp(r + dr) = exp(J dr) exp(r)."""
    angle = rotvecs.norm(dim=-1)[:, None, None].clamp(min=1e-4)
    cross = _cross_matrices(rotvecs)
    return (
        torch.eye(3) + (1 - angle.cos()) / angle**2 * cross + (angle - angle.sin()) / angle**3 * (cross @ cross)
    )


def _cross_matrices(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)


def rest_points(points: Points, posed: Posed) -> Float[Tensor, "points 3"]:
    """Where points lie at rest, in metres."""
    moved = points.mean + torch.einsum("pbd,b->pd", points.basis, posed.blends)
    return moved + torch.einsum("pad,a->pd", points.actions, posed.actions)


def place_points(points: Points, posed: Posed) -> Float[Tensor, "points 3"]:
    """Where points lie in the pose (linear blend skinning)."""
    rest = rest_points(points, posed)
    turns = (points.weights @ posed.rotations.reshape(-1, 9)).reshape(-1, 3, 3)
    return (turns @ rest[..., None])[..., 0] + points.weights @ posed.shifts


@dataclass(frozen=True)
class Active:
    """Which parameters a stage may change; the columns of its Jacobian, in this order."""

    root_rotation: bool
    root: bool
    bends: Bool[Tensor, "free 3"]
    phenotypes: Bool[Tensor, " phenotypes"]
    actions: Bool[Tensor, " actions"]
    tilt: bool


def derivatives(
    points: Points,
    directions: Float[Tensor, "points 3"],
    posed: Posed,
    skeleton: Skeleton,
    free: Int[Tensor, " free"],
    active: Active,
) -> Float[Tensor, "points columns"]:
    """How far each point moves along a direction of its own when each active parameter grows.

    The camera's tilt moves no point and has no column here.
    """
    rest = rest_points(points, posed)
    columns = []
    joints = active.bends.any(1)
    movers = free[joints]
    if active.root_rotation:
        movers = torch.cat([torch.zeros(1, dtype=movers.dtype), movers])
    if len(movers):
        moments = _moments(points, rest, posed, skeleton, movers)
        levers = torch.linalg.cross(moments, directions[None])
        if active.root_rotation:
            columns.append(levers[0])
            levers = levers[1:]
        turned = levers @ posed.turn_axes[joints].transpose(1, 2)
        flat = turned.permute(1, 0, 2).reshape(len(points), -1)
        columns.insert(int(active.root_rotation), flat[:, active.bends[joints].reshape(-1)])
    if active.root:
        columns.insert(int(active.root_rotation), directions)
    if bool(active.phenotypes.any()):
        columns.append(_by_phenotype(points, directions, posed, skeleton, active))
    if bool(active.actions.any()):
        turns = (points.weights @ posed.rotations.reshape(-1, 9)).reshape(-1, 3, 3)
        at_rest = (directions[:, None] @ turns)[:, 0]
        columns.append(torch.einsum("pad,pd->pa", points.actions[:, active.actions], at_rest))
    return torch.cat(columns, dim=1)


def _moments(
    points: Points,
    rest: Float[Tensor, "points 3"],
    posed: Posed,
    skeleton: Skeleton,
    movers: Int[Tensor, " movers"],
) -> Float[Tensor, "movers points 3"]:
    """Each point's part that hangs below each mover, seen from the mover."""
    below = skeleton.below[movers]
    used = (points.weights > 0).any(0) & (below > 0).any(0)
    below, weights = below[:, used], points.weights[:, used]
    carried = torch.einsum("jde,pe->jpd", posed.rotations[used], rest) + posed.shifts[used][:, None]
    carried = carried * weights.T[..., None]
    parts = (below @ carried.reshape(len(carried), -1)).reshape(len(movers), len(points), 3)
    return parts - (below @ weights.T)[..., None] * posed.places[movers][:, None]


def _by_phenotype(
    points: Points,
    directions: Float[Tensor, "points 3"],
    posed: Posed,
    skeleton: Skeleton,
    active: Active,
) -> Float[Tensor, "points chosen"]:
    by_blend = posed.blends_by_phenotype[active.phenotypes]
    rest_joints = torch.einsum("cb,jbd->cjd", by_blend, skeleton.basis)
    parents = torch.tensor(skeleton.parents).clamp(min=0)
    # The root joint itself stays where the root translation says.
    steps = rest_joints - rest_joints[:, parents]
    steps = (posed.rotations[parents] @ steps[..., None])[..., 0]
    places = torch.einsum("kj,ckd->cjd", skeleton.below, steps)
    shifts = places - (posed.rotations @ rest_joints[..., None])[..., 0]
    turns = (points.weights @ posed.rotations.reshape(-1, 9)).reshape(-1, 3, 3)
    at_rest = (directions[:, None] @ turns)[:, 0]
    along_skin = torch.einsum("pbd,pd->pb", points.basis, at_rest) @ by_blend.T
    along_joints = torch.einsum("pj,cjd,pd->pc", points.weights, shifts, directions)
    return along_skin + along_joints
