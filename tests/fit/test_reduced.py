from dataclasses import replace

import pytest
import torch
from tests.fit.figures import make_anatomy, make_state

from vivant.body import pose_verts
from vivant.fit.beliefs import make_prior
from vivant.fit.landmarks import surface_points
from vivant.fit.placement import pose_of
from vivant.fit.reduced import State, derivatives, place_points
from vivant.fit.solve import Problem, activate, move_state
from vivant.records import Shape


@pytest.fixture(scope="module")
def bent() -> State:
    state = make_state(
        make_anatomy(),
        yaw=0.4,
        upperarm01__L=(0.3, 0.5, -0.4),
        lowerarm01__R=(0.1, 0.9, 0.0),
        upperleg01__L=(0.1, -0.8, 0.2),
        lowerleg01__L=(0.0, 1.1, 0.0),
        head=(0.2, 0.3, -0.1),
    )
    actions = torch.zeros(52)
    actions[[17, 24, 40]] = torch.tensor([0.3, 0.6, 0.2])
    return replace(state, root=torch.tensor([0.1, 0.9, -3.0]), actions=actions)


def test_points_lie_where_the_whole_body_has_them(bent: State) -> None:
    anatomy = make_anatomy()
    index = torch.arange(0, 13718, 97)
    places = place_points(surface_points(anatomy.model, index), anatomy.pose(bent))
    rig = anatomy.model.rig(Shape("anny", bent.phenotypes, bent.actions))
    verts = pose_verts(rig, pose_of(anatomy, bent, rig))[index]
    # Both are float32 sums over 130 components in different orders.
    torch.testing.assert_close(places, verts, atol=2e-5, rtol=0)


def test_derivatives_are_those_of_finite_differences(bent: State) -> None:
    anatomy = make_anatomy()
    points = surface_points(anatomy.model, torch.arange(0, 13718, 301))
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(len(points), (60,), generator=generator)
    directions = torch.randn(60, 3, generator=generator)
    active = activate(anatomy, phenotypes=anatomy.model.phenotype_names, actions=True)
    posed = anatomy.pose(bent)
    found = derivatives(points, index, directions, posed, anatomy.skeleton, anatomy.freedoms.joints, active)
    problem = Problem(anatomy, points, (), make_prior(anatomy, bent.phenotypes, False), active)
    step = 2e-3
    for column in range(0, found.shape[1], 5):
        move = torch.zeros(found.shape[1])
        move[column] = step
        ahead = place_points(points, anatomy.pose(move_state(problem, bent, move)))[index]
        behind = place_points(points, anatomy.pose(move_state(problem, bent, -move)))[index]
        expected = ((ahead - behind) / (2 * step) * directions).sum(1)
        # Float32 places of about 3 m differ by 2e-7 m, over a step of 4e-3.
        torch.testing.assert_close(found[:, column], expected, atol=3e-3, rtol=1e-2)
