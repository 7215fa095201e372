"""A few points that ride on the body, where they are in a pose, and how they move with every parameter.

The solver never needs the whole surface: a keypoint, a landmark or a sample of the skin is a rest place (linear
in the body model's components) and a row of skin weights. Derivatives are written out by hand, for a small turn
`w` of joint k moves a skinned point by `w x (its part below k - where k lies)`.
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
    """Rest place where all components are zero, in metres."""

    basis: Float[Tensor, "components points 3"]
    """How far each component moves it."""

    actions: Float[Tensor, "actions points 3"]
    """How far each facial action moves it."""

    weights: Float[Tensor, "points joints"]
    """Rows sum to 1."""

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: Int[Tensor, " picked"]) -> "Points":
        """Pick some."""
        return Points(self.mean[index], self.basis[:, index], self.actions[:, index], self.weights[index])


def join_points(parts: list[Points]) -> Points:
    """Put sets one after the other."""
    return Points(
        torch.cat([p.mean for p in parts]),
        torch.cat([p.basis for p in parts], dim=1),
        torch.cat([p.actions for p in parts], dim=1),
        torch.cat([p.weights for p in parts]),
    )


@dataclass(frozen=True)
class Skeleton:
    """The joints, as the solver sees them."""

    parents: Int[Tensor, " joints"]
    """The root is its own parent here."""

    mean: Float[Tensor, "joints 3"]
    """Rest places where all components are zero."""

    basis: Float[Tensor, "components joints 3"]
    below: Float[Tensor, "joints joints"]
    """1 where the second joint hangs below the first, or is the first."""

    jumps: tuple[tuple[Int[Tensor, "_"], Int[Tensor, "_"]], ...]
    """Rounds of pointer jumping: in each, ancestors to multiply with and the joints that have one."""


def make_skeleton(
    parents: tuple[int, ...], mean: Float[Tensor, "joints 3"], basis: Float[Tensor, "components joints 3"]
) -> Skeleton:
    """Work out who hangs below whom."""
    below = torch.eye(len(parents))
    for joint, parent in enumerate(parents):
        if parent >= 0:
            # A parent stands before its children, so its own column is complete.
            below[:, joint] += below[:, parent]
    jumps, pointer = [], list(parents)
    while any(p >= 0 for p in pointer):
        having = [joint for joint, p in enumerate(pointer) if p >= 0]
        jumps.append((torch.tensor([pointer[joint] for joint in having]), torch.tensor(having)))
        pointer = [pointer[p] if p >= 0 else -1 for p in pointer]
    return Skeleton(torch.tensor(parents).clamp(min=0), mean, basis, below, tuple(jumps))


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
    shifts: Float[Tensor, "joints 3"]
    """What is added after turning about the origin."""

    turn_axes: Float[Tensor, "free 3 3"]
    """Row i: the world axis about which a free joint turns when its i-th bend grows."""

    components: Float[Tensor, "sets components"]
    """The body model's components at the state's phenotypes, and their derivatives by each phenotype."""

    actions: Float[Tensor, " actions"]


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
    components: Float[Tensor, "sets components"],
) -> Posed:
    """Place all joints.

    Args:
        skeleton: The joints.
        state: Where the solver stands.
        free: Numbers of the joints that `state.bends` speaks of.
        axes: Rows are their twist, flex and swing axes, in world axes at rest.
        components: The body model's components at `state.phenotypes`, and their derivatives.
    """
    rest = skeleton.mean + _mix(components[0], skeleton.basis)
    rotations = torch.eye(3).repeat(len(rest), 1, 1)
    rotations[free] = local_rotations(state.bends, axes)
    rotations[0] = state.root_rotation
    for ancestors, joints in skeleton.jumps:
        rotations[joints] = rotations[ancestors] @ rotations[joints]
    steps = (rotations[skeleton.parents] @ (rest - rest[skeleton.parents])[..., None])[..., 0]
    places = skeleton.below.T @ steps + state.root
    small = _left_jacobians((state.bends[:, None] @ axes)[:, 0])
    turn_axes = axes @ (rotations[skeleton.parents[free]] @ small).transpose(1, 2)
    shifts = places - (rotations @ rest[..., None])[..., 0]
    return Posed(rotations, places, shifts, turn_axes, components, state.actions)


def _mix(amounts: Tensor, basis: Float[Tensor, "amounts points 3"]) -> Float[Tensor, "... points 3"]:
    """Weighted sums of a basis; one, or one for each row of amounts."""
    return (amounts @ basis.flatten(1)).reshape(*amounts.shape[:-1], *basis.shape[1:])


def _left_jacobians(rotvecs: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """How a rotation vector's change turns the world: exp(r + dr) = exp(J dr) exp(r)."""
    # Below a hundredth of a radian float32 cancels, and the series' first terms are exact enough.
    angle = rotvecs.norm(dim=-1)[:, None, None]
    safe = angle.clamp(min=1e-2)
    first = torch.where(angle < 1e-2, 0.5 - angle**2 / 24, (1 - safe.cos()) / safe**2)
    second = torch.where(angle < 1e-2, 1 / 6 - angle**2 / 120, (safe - safe.sin()) / safe**3)
    cross = _cross_matrices(rotvecs)
    return torch.eye(3) + first * cross + second * (cross @ cross)


def _cross_matrices(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).reshape(-1, 3, 3)


def rest_points(points: Points, posed: Posed) -> Float[Tensor, "points 3"]:
    """Where points lie at rest, in metres."""
    moved = points.mean + _mix(posed.components[0], points.basis)
    return moved + _mix(posed.actions, points.actions) if bool(posed.actions.any()) else moved


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
    index: Int[Tensor, " rows"],
    directions: Float[Tensor, "rows 3"],
    posed: Posed,
    skeleton: Skeleton,
    free: Int[Tensor, " free"],
    active: Active,
) -> Float[Tensor, "rows columns"]:
    """How far points move along given directions when each active parameter grows.

    The camera's tilt moves no point and has no column here.

    Args:
        points: All points.
        index: The point each row speaks of.
        directions: The direction each row asks about.
        posed: The pose.
        skeleton: The joints.
        free: Numbers of the joints that bend.
        active: Which columns are wanted.
    """
    weights = points.weights[index]
    joints = active.bends.any(1)
    root = torch.zeros(int(active.root_rotation), dtype=free.dtype)
    moments = _moments(points, index, posed, skeleton, torch.cat([root, free[joints]]))
    levers = torch.linalg.cross(moments, directions[None])
    columns = [*levers[: len(root)]]
    if active.root:
        columns.append(directions)
    bent = levers[len(root) :] @ posed.turn_axes[joints].transpose(1, 2)
    columns.append(bent.transpose(0, 1).flatten(1)[:, active.bends[joints].flatten()])
    if bool(active.phenotypes.any() or active.actions.any()):
        turns = (weights @ posed.rotations.reshape(-1, 9)).reshape(-1, 3, 3)
        at_rest = (directions[:, None] @ turns)[:, 0]
        by_joints = _by_phenotype(skeleton, posed, active)
        slopes = _mix(posed.components[1:][active.phenotypes], points.basis)[:, index]
        columns.append(((slopes * at_rest).sum(-1) + ((weights @ by_joints) * directions).sum(-1)).T)
        columns.append((points.actions[active.actions][:, index] * at_rest).sum(-1).T)
    return torch.cat(columns, dim=1)


def _moments(
    points: Points,
    index: Int[Tensor, " rows"],
    posed: Posed,
    skeleton: Skeleton,
    movers: Int[Tensor, " movers"],
) -> Float[Tensor, "movers rows 3"]:
    """Each row's point, as far as it hangs below each mover, seen from the mover."""
    used = (points.weights > 0).any(0) & (skeleton.below[movers] > 0).any(0)
    below, weights = skeleton.below[movers][:, used], points.weights[index][:, used]
    rest = rest_points(points, posed)[index]
    turns = posed.rotations[used].reshape(-1, 3).T
    carried = (rest @ turns).reshape(len(rest), -1, 3) + posed.shifts[used]
    carried = (carried * weights[..., None]).transpose(0, 1)
    parts = (below @ carried.flatten(1)).reshape(len(movers), len(rest), 3)
    return parts - (below @ weights.T)[..., None] * posed.places[movers][:, None]


def _by_phenotype(skeleton: Skeleton, posed: Posed, active: Active) -> Float[Tensor, "chosen joints 3"]:
    """How each joint's shift grows with the active phenotypes; the root stays where its translation says."""
    rest = _mix(posed.components[1:][active.phenotypes], skeleton.basis)
    steps = rest - rest[:, skeleton.parents]
    steps = (posed.rotations[skeleton.parents] @ steps[..., None])[..., 0]
    return skeleton.below.T @ steps - (posed.rotations @ rest[..., None])[..., 0]
