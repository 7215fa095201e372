"""An avatar in the pictures of a film: posed in each, its shape as it is."""

from dataclasses import replace

import pytest
import torch
from tests.fit.captures import make_avatar
from tests.fit.figures import make_anatomy, make_figure, make_state

from vivant.body import pose_verts
from vivant.core.cameras import transform
from vivant.core.errors import BadInputError, NoPersonError
from vivant.core.run import Context
from vivant.fit import FilmedFitConfig, fit_filmed
from vivant.records import Pose


def test_a_film_s_poses_are_found_again_and_pictures_without_the_person_are_left_out() -> None:
    anatomy = make_anatomy()
    raised = (0.0, 0.4, 0.9)
    figures = [make_figure(make_state(anatomy, upperarm01__L=(0.0, 0.0, a)), hands=False) for a in raised]
    avatar = make_avatar(figures[0].state)
    persons = [figure.person for figure in figures]
    persons[1] = replace(persons[1], confidence=torch.zeros(33), face=None)
    placed = fit_filmed(Context(), avatar, tuple(persons), FilmedFitConfig(steps=8, focal_px=900.0))
    assert placed.kept.tolist() == [True, False, True]
    assert float(placed.error[[0, 2]].max()) < 1.0
    for view in (0, 2):
        pose = Pose(placed.poses.local_quats[view], placed.poses.root[view])
        found = transform(placed.cam_from_world[view], pose_verts(avatar.rig, pose))
        true = transform(figures[view].camera.cam_from_world[0], figures[view].verts)
        # One camera tells depth badly; across the picture it is good to a centimetre or two.
        assert float((found - true)[:, :2].norm(dim=1).mean()) < 0.025
        assert float((found - true)[:, 2].mean().abs()) < 0.15
    assert placed.intrinsics[0, 0, 0] == pytest.approx(900.0)
    assert any("1 of 3 pictures are left out" in note for note in placed.notes)


def test_what_cannot_be_posed_is_refused() -> None:
    figure = make_figure(make_state(make_anatomy()), hands=False)
    avatar = make_avatar(figure.state)
    with pytest.raises(NoPersonError, match="1 of 1 pictures"):
        fit_filmed(Context(), avatar, (figure.person,), FilmedFitConfig())
    other = replace(avatar, shape=replace(avatar.shape, model="smplx"))
    with pytest.raises(BadInputError, match="smplx"):
        fit_filmed(Context(), other, (figure.person, figure.person), FilmedFitConfig())
