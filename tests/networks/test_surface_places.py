"""Places on the body's surface, and what splats near them are like."""

import numpy as np
import pytest
import torch
from tests.reconstruct.bodies import avatar

from vivant.networks import means_at, mix_over, verts_where


def test_shares_sum_to_one_and_the_nearest_place_has_most() -> None:
    random = np.random.default_rng(0)
    places = random.uniform(-0.5, 0.5, (40, 6))
    mix = mix_over(places + 1e-4, places)
    assert mix.share.sum(1) == pytest.approx(1.0)
    assert (mix.index[:, 0] == np.arange(40)).all() and (mix.share.argmax(1) == 0).all()
    assert mix(np.full(40, 3.0)) == pytest.approx(3.0)


def test_a_short_reach_keeps_places_apart_and_few_places_do_for_all() -> None:
    places = np.zeros((2, 6))
    places[1, 0] = 0.1
    middle = np.full((1, 6), 0.0)
    middle[0, 0] = 0.03
    wide, narrow = (mix_over(middle, places, reach)(np.array([0.0, 1.0]))[0] for reach in (0.06, 0.02))
    assert 0.3 < wide < 0.5 and narrow < 0.01


def test_front_and_back_of_a_thin_part_are_told_apart() -> None:
    made = avatar()
    facing = made.rig.verts[:, 2] > 0
    trunk = ((made.rig.verts[:, 1] - 1.2).abs() < 0.1) & (made.rig.verts[:, 0].abs() < 0.1)
    where = verts_where(made)
    behind = int(torch.nonzero(trunk & ~facing)[0])
    before = int(torch.nonzero(trunk & facing)[0])
    whole = torch.cat([torch.tensor([behind, before]), torch.arange(0, len(where), 50)]).int()
    (found,) = means_at(made, whole, (made.splats.means[:, 2] > 0).float())
    assert float(found[0]) < 0.1 and float(found[1]) > 0.9


def test_what_no_splat_is_near_is_nothing() -> None:
    mix = mix_over(np.zeros((3, 6)), np.array([[0.0] * 6, [9.0] * 6]))
    assert mix.gathered(np.ones(3)).tolist() == pytest.approx([1.0, 0.0], abs=1e-6)
