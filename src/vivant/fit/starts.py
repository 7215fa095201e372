"""Where the solver starts: the trunk as the detector guesses it, and legs in several stances."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.fit.evidence import Evidence, trunk_rotation
from vivant.fit.landmarks import Landmarks
from vivant.fit.reduced import Points, State, place_points
from vivant.fit.solve import Anatomy

STANCES = {
    "standing": ((0.0, 0.0), (0.0, 0.0)),
    "crouching": ((1.5, 1.7), (1.5, 1.7)),
    "left leg forward": ((1.2, 0.9), (-0.2, 0.4)),
    "right leg forward": ((-0.2, 0.4), (1.2, 0.9)),
}
"""Flex of hip (the thigh forward) and knee, left and right."""


def first_state(
    anatomy: Anatomy, landmarks: Landmarks, evidence: Evidence, phenotypes: Float[Tensor, " phenotypes"]
) -> State:
    """A relaxed body, turned as the detector guesses and put where it projects best."""
    state = State(
        root_rotation=trunk_rotation(evidence.points_world),
        root=torch.zeros(3),
        bends=anatomy.freedoms.natural.clone(),
        phenotypes=phenotypes,
        actions=torch.zeros(len(anatomy.model.action_names)),
        tilt=torch.zeros(()),
    )
    return replace(state, root=best_root(anatomy, landmarks.body, evidence, state))


def stances(anatomy: Anatomy, state: State) -> list[State]:
    """The state with its legs in every stance."""
    freedoms, states = anatomy.freedoms, []
    for legs in STANCES.values():
        bends = state.bends.clone()
        for side, (hip, knee) in zip("LR", legs, strict=True):
            bends[freedoms.index(f"upperleg01.{side}"), 1] += hip
            bends[freedoms.index(f"lowerleg01.{side}"), 1] += knee
        states.append(replace(state, bends=bends))
    return states


def best_root(anatomy: Anatomy, body: Points, evidence: Evidence, state: State) -> Float[Tensor, "3"]:
    """Where the root must lie so that the points project best: linear least squares."""
    centered = replace(state, root=torch.zeros(3))
    places = place_points(body, anatomy.pose(centered))
    rays = (evidence.points - evidence.camera.center) / evidence.camera.focal
    weight = evidence.trust.sqrt()
    zero = torch.zeros_like(weight)
    # x / -z = u and -y / -z = v, times the depth -z.
    rows_u = torch.stack([weight, zero, weight * rays[:, 0]], dim=1)
    rows_v = torch.stack([zero, -weight, weight * rays[:, 1]], dim=1)
    goal_u = -weight * (places[:, 0] + rays[:, 0] * places[:, 2])
    goal_v = -weight * (-places[:, 1] + rays[:, 1] * places[:, 2])
    matrix, goal = torch.cat([rows_u, rows_v]).double(), torch.cat([goal_u, goal_v]).double()
    # The normal equations, for LAPACK's least squares differ in the last bits from call to call.
    square = matrix.T @ matrix + 1e-9 * torch.eye(3).double()
    root = torch.linalg.solve(square, matrix.T @ goal).float()
    # A detector's slip may throw the root behind the camera; 3 m is a usual distance.
    return root if float(root[2]) < -0.3 else torch.tensor([0.0, 0.0, -3.0])
