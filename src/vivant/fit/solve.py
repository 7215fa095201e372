"""Levenberg-Marquardt with robust terms, Gaussian priors and limits.

Every residual's derivative is written out by hand, so one step costs a few milliseconds, and second-order
steps need tens where a gradient method needs hundreds.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import AnnyModel
from vivant.core.checks import expect_finite
from vivant.core.rotations import matrices_from_rotvecs
from vivant.fit.freedoms import Freedoms
from vivant.fit.reduced import (
    Active,
    Points,
    Posed,
    Skeleton,
    State,
    derivatives,
    place_points,
    pose_joints,
)
from vivant.fit.terms import Rows, Term

ENOUGH = 2e-4
"""The solver stops when three steps running lower the energy by less than this part."""

MAX_TILT = 0.45
"""Radians: a camera held by somebody who wants a person in the picture."""


@dataclass(frozen=True)
class Anatomy:
    """The body as the solver sees it."""

    model: AnnyModel
    skeleton: Skeleton
    freedoms: Freedoms

    def pose(self, state: State, before: Posed | None = None) -> Posed:
        """Place the joints; the components are taken over from an earlier pose of the same shape."""
        components = self._components(state.phenotypes) if before is None else before.components
        return pose_joints(self.skeleton, state, self.freedoms.joints, self.freedoms.axes, components)

    def _components(self, phenotypes: Float[Tensor, " phenotypes"]) -> Float[Tensor, "sets components"]:
        """The body model's components, and their derivatives by each phenotype.

        The nodes' weights are products of one hat function a phenotype; a derivative has one factor exchanged.
        """
        count = len(phenotypes)
        weights = torch.ones(count + 1, 1)
        for number, (value, anchors) in enumerate(zip(phenotypes.tolist(), self.model.anchors, strict=True)):
            factors = torch.tensor([_hats(value, anchors)]).repeat(count + 1, 1)
            step = 0.01 if value < 0.5 else -0.01
            beyond = torch.tensor(_hats(value + step, anchors))
            factors[number + 1] = (beyond - factors[0]) / step
            weights = (weights[:, :, None] * factors[:, None]).flatten(1)
        return weights @ self.model.node_components


def _hats(value: float, anchors: tuple[float, ...]) -> list[float]:
    """Weights of the anchors in a piecewise linear interpolation."""
    weights = [0.0] * len(anchors)
    above = next((i for i in range(1, len(anchors) - 1) if value < anchors[i]), len(anchors) - 1)
    share = (value - anchors[above - 1]) / (anchors[above] - anchors[above - 1])
    share = min(1.0, max(0.0, share))
    weights[above - 1], weights[above] = 1 - share, share
    return weights


@dataclass(frozen=True)
class Prior:
    """What each parameter is believed to be, and where it must stay."""

    bends: Float[Tensor, "free 3"]
    bend_spread: Float[Tensor, "free 3"]
    phenotypes: Float[Tensor, " phenotypes"]
    phenotype_spread: Float[Tensor, " phenotypes"]
    action_spread: float
    """Standard deviation of facial actions, from rest."""

    tilt_spread: float
    """Standard deviation of the camera's tilt, in radians."""


@dataclass(frozen=True)
class Problem:
    """An energy over some points and some active parameters."""

    anatomy: Anatomy
    points: Points
    terms: tuple[Term, ...]
    prior: Prior
    active: Active


@dataclass(frozen=True)
class Solution:
    """Where the solver ended."""

    state: State
    cost: float
    steps: int


def minimise(problem: Problem, state: State, steps: int) -> Solution:
    """Walk downhill from a state.

    Raises:
        NumericalError: If a step made a NaN.
    """
    damping, small = 1e-2, 0
    posed, rows, cost = _measure(problem, state, None)
    for step in range(steps):
        hessian, gradient = _normal_equations(problem, state, posed, rows)
        expect_finite("The body's fit", hessian=hessian, gradient=gradient)
        for _ in range(6):
            move = _bounded_step(problem, state, hessian, gradient, damping)
            tried = move_state(problem, state, move)
            keep_shape = not bool(problem.active.phenotypes.any())
            tried_posed, tried_rows, tried_cost = _measure(problem, tried, posed if keep_shape else None)
            if tried_cost < cost:
                break
            damping *= 5
        else:
            return Solution(state, cost, step)
        small = small + 1 if cost - tried_cost < ENOUGH * cost else 0
        state, posed, rows, cost = tried, tried_posed, tried_rows, tried_cost
        damping = max(damping / 4, 1e-5)
        if small == 3:
            return Solution(state, cost, step + 1)
    return Solution(state, cost, steps)


def _measure(problem: Problem, state: State, before: Posed | None) -> tuple[Posed, list[Rows], float]:
    posed = problem.anatomy.pose(state, before)
    places = place_points(problem.points, posed)
    rows = [term.rows(places, state.tilt) for term in problem.terms]
    offset, spread = _beliefs(problem, state)
    return posed, rows, sum(r.cost for r in rows) + float((offset / spread).square().sum())


def _beliefs(problem: Problem, state: State) -> tuple[Tensor, Tensor]:
    """How far each active column is from what is believed, and that belief's spread."""
    active, prior = problem.active, problem.prior
    free = 3 * active.root_rotation + 3 * active.root
    offset = [
        torch.zeros(free),
        (state.bends - prior.bends)[active.bends],
        (state.phenotypes - prior.phenotypes)[active.phenotypes],
        state.actions[active.actions],
        state.tilt.expand(int(active.tilt)),
    ]
    spread = [
        torch.ones(free),
        prior.bend_spread[active.bends],
        prior.phenotype_spread[active.phenotypes],
        torch.full((int(active.actions.sum()),), prior.action_spread),
        torch.full((int(active.tilt),), prior.tilt_spread),
    ]
    return torch.cat(offset), torch.cat(spread)


def _normal_equations(
    problem: Problem, state: State, posed: Posed, rows: list[Rows]
) -> tuple[Float[Tensor, "columns columns"], Float[Tensor, " columns"]]:
    """Gauss-Newton's matrix and the gradient (of half the energy)."""
    anatomy, active = problem.anatomy, problem.active
    rows = [r for r in rows if len(r.values)]
    index = torch.cat([r.points.flatten() for r in rows])
    directions = torch.cat([r.directions.flatten(0, 1) for r in rows])
    by_part = derivatives(
        problem.points, index, directions, posed, anatomy.skeleton, anatomy.freedoms.joints, active
    )
    sizes = [r.points.numel() for r in rows]
    parts = [
        part.reshape(*r.points.shape, -1).sum(1) for part, r in zip(by_part.split(sizes), rows, strict=True)
    ]
    jacobian = torch.cat(parts)
    values, weights = torch.cat([r.values for r in rows]), torch.cat([r.weights for r in rows])
    if active.tilt:
        by_tilt = [torch.zeros_like(r.values) if r.by_tilt is None else r.by_tilt for r in rows]
        jacobian = torch.cat([jacobian, torch.cat(by_tilt)[:, None]], dim=1)
    weighted = (jacobian * weights[:, None]).T
    offset, spread = _beliefs(problem, state)
    free = 3 * active.root_rotation + 3 * active.root
    precision = spread**-2
    precision[:free] = 0.0
    hessian = (weighted @ jacobian).double() + precision.double().diag()
    gradient = (weighted @ values).double() + (precision * offset).double()
    return hessian, gradient


def _bounded_step(
    problem: Problem, state: State, hessian: Tensor, gradient: Tensor, damping: float
) -> Float[Tensor, " columns"]:
    """Damped step; a parameter at its limit that wants beyond it stays where it is."""
    here, low, high = _bounds(problem, state)
    damped = hessian + damping * torch.diag(hessian.diagonal()) + 1e-9 * torch.eye(len(hessian)).double()
    stuck = ((here <= low) & (gradient > 0)) | ((here >= high) & (gradient < 0))
    move = torch.zeros_like(gradient)
    for _ in range(3):
        loose = ~stuck
        factor = torch.linalg.cholesky(damped[loose][:, loose])
        move = torch.zeros_like(gradient)
        move[loose] = -torch.cholesky_solve(gradient[loose, None], factor)[:, 0]
        beyond = loose & (((here + move < low) & (here <= low)) | ((here + move > high) & (here >= high)))
        if not bool(beyond.any()):
            break
        stuck = stuck | beyond
    return ((here + move).clamp(low, high) - here).float()


def _bounds(problem: Problem, state: State) -> tuple[Tensor, Tensor, Tensor]:
    """Where the columns are, and where they may go."""
    active, freedoms = problem.active, problem.anatomy.freedoms
    free = 3 * active.root_rotation + 3 * active.root
    count = (int(active.phenotypes.sum()), int(active.actions.sum()))
    here = [torch.zeros(free), state.bends[active.bends], state.phenotypes[active.phenotypes]]
    low = [torch.full((free,), -0.6), freedoms.low[active.bends], torch.full((count[0],), 0.02)]
    high = [torch.full((free,), 0.6), freedoms.high[active.bends], torch.full((count[0],), 0.98)]
    here.append(state.actions[active.actions])
    low.append(torch.zeros(count[1]))
    high.append(torch.ones(count[1]))
    here.append(state.tilt.expand(int(active.tilt)))
    low.append(torch.full((int(active.tilt),), -MAX_TILT))
    high.append(torch.full((int(active.tilt),), MAX_TILT))
    return torch.cat(here).double(), torch.cat(low).double(), torch.cat(high).double()


def move_state(problem: Problem, state: State, move: Float[Tensor, " columns"]) -> State:
    """Apply a step; the root turns about world axes."""
    active, used = problem.active, 0

    def take(count: int) -> Tensor:
        nonlocal used
        used += count
        return move[used - count : used]

    if active.root_rotation:
        turned = matrices_from_rotvecs(take(3)) @ state.root_rotation
        state = replace(state, root_rotation=turned)
    if active.root:
        state = replace(state, root=state.root + take(3))
    bends, phenotypes, actions = state.bends.clone(), state.phenotypes.clone(), state.actions.clone()
    bends[active.bends] += take(int(active.bends.sum()))
    phenotypes[active.phenotypes] += take(int(active.phenotypes.sum()))
    actions[active.actions] += take(int(active.actions.sum()))
    tilt = state.tilt + take(int(active.tilt)).sum()
    return replace(state, bends=bends, phenotypes=phenotypes, actions=actions, tilt=tilt)


def activate(
    anatomy: Anatomy,
    *,
    root: bool = True,
    joints: list[int] | None = None,
    phenotypes: tuple[str, ...] = (),
    actions: bool = False,
    tilt: bool = False,
) -> Active:
    """Choose what may change; `joints` are rows of the freedoms, None is all of them."""
    freedoms = anatomy.freedoms
    bends = torch.zeros(freedoms.low.shape, dtype=torch.bool)
    bends[torch.arange(len(bends)) if joints is None else torch.tensor(joints, dtype=torch.long)] = True
    chosen: list[bool] = [name in phenotypes for name in anatomy.model.phenotype_names]
    return Active(
        root_rotation=root,
        root=root,
        bends=bends,
        phenotypes=torch.tensor(chosen),
        actions=torch.full((len(anatomy.model.action_names),), actions),
        tilt=tilt,
    )
