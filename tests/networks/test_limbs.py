"""Where limbs point: symmetry, what is added, and the score of the weights in the package."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from vivant.engines.own_networks import load_limbs
from vivant.networks.limbs import (
    HALVES,
    LIMBS,
    LimbDirections,
    LimbsConfig,
    detected,
    in_mirror,
    limb_features,
    mirrored_answers,
)
from vivant.records import BODY_POINTS

GOLDEN = Path(__file__).parents[1] / "golden" / "limbs.json"


def some_points(count: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    points_world = torch.randn(count, 33, 3, generator=generator)
    return 200 * points_world[..., :2] + 300, points_world


def taught(scale: float = 0.3) -> LimbDirections:
    network = LimbDirections(LimbsConfig(photos=4)).eval()
    generator = torch.Generator().manual_seed(5)
    points, points_world = some_points(4)
    for half, habits in zip(HALVES, network.halves, strict=True):
        habits.known[:] = limb_features(points, points_world, half)
        habits.amounts[:] = scale * torch.randn(habits.amounts.shape, generator=generator)
    return network


def test_each_limb_is_asked_of_one_half() -> None:
    asked = [limb for half in HALVES for limb in half.asked]
    assert len(asked) == len(LIMBS) and set(asked) == set(LIMBS)


def test_without_knowledge_the_detector_is_taken_at_its_word() -> None:
    points, points_world = some_points()
    found = LimbDirections(LimbsConfig(photos=2))(points, points_world).directions
    torch.testing.assert_close(found, detected(points_world, LIMBS))
    arm = LIMBS.index(("left_shoulder", "left_elbow"))
    shoulder, elbow = (BODY_POINTS.index(f"left_{part}") for part in ("shoulder", "elbow"))
    along = points_world[0, elbow] - points_world[0, shoulder]
    torch.testing.assert_close(found[0, arm], along / along.norm())


def test_a_mirrored_photo_gives_the_mirrored_answer() -> None:
    network, (points, points_world) = taught(), some_points()
    plain, mirrored = (
        network(points, points_world).directions,
        network(*in_mirror(points, points_world)).directions,
    )
    assert float((plain - detected(points_world, LIMBS)).abs().max()) > 0.05
    for half in HALVES:
        rows = [LIMBS.index(limb) for limb in half.asked]
        there = mirrored_answers(plain[:, rows].flatten(1), half).unflatten(1, (-1, 3))
        torch.testing.assert_close(mirrored[:, rows], there)


def test_neither_size_nor_place_of_the_picture_matters() -> None:
    network, (points, points_world) = taught(), some_points()
    plain, shifted = network(points, points_world), network(3 * points - 70, points_world)
    torch.testing.assert_close(shifted.directions, plain.directions)
    torch.testing.assert_close(shifted.spread, plain.spread)


def test_far_from_all_that_is_known_only_the_mean_is_added() -> None:
    network, (points, points_world) = taught(), some_points()
    for habits in network.halves:
        habits.known[:] = 50.0
        habits.mean[:] = 0.1
    expected = torch.nn.functional.normalize(detected(points_world, LIMBS) + 0.1, dim=-1)
    found = network(points, points_world)
    torch.testing.assert_close(found.directions, expected)
    # Features are cut at four standard deviations, so nobody is farther than this from what is known.
    assert float(found.spread.min()) > 100 * 0.2


def test_who_is_known_is_believed_most() -> None:
    network, (points, points_world) = taught(), some_points(4)
    known, other = network(points, points_world), network(*some_points(9))
    assert float((known.spread - 0.2).abs().max()) < 1e-3
    assert float(other.spread[4:].min()) > 2 * 0.2
    assert torch.equal(other.spread[:, 0], other.spread[:, 1])


def test_a_hidden_half_does_not_change_the_other() -> None:
    network, (points, points_world) = taught(), some_points()
    lost = [
        BODY_POINTS.index(f"{side}_{part}") for side in ("left", "right") for part in ("knee", "ankle", "heel")
    ]
    plain, points, points_world = network(points, points_world), points.clone(), points_world.clone()
    points[:, lost], points_world[:, lost] = 0.0, 0.0
    rows = [LIMBS.index(limb) for limb in HALVES[0].asked]
    hidden = network(points, points_world)
    torch.testing.assert_close(hidden.directions[:, rows], plain.directions[:, rows])
    assert not torch.allclose(hidden.spread, plain.spread)


def test_points_on_one_place_give_finite_answers() -> None:
    found = taught()(torch.zeros(1, 33, 2), torch.zeros(1, 33, 3))
    assert all(bool(part.isfinite().all()) for part in found)


def test_the_weights_in_the_package_have_their_score() -> None:
    stored = json.loads(GOLDEN.read_text())
    points, points_world, true = (torch.tensor(stored[k]) for k in ("points", "points_world", "directions"))
    network, card = load_limbs()

    def off(guessed: Tensor) -> float:
        return float((guessed * true).sum(-1).clamp(-1, 1).acos().rad2deg().mean())

    assert off(network(points, points_world).directions) == pytest.approx(stored["degrees"], abs=0.05)
    assert off(detected(points_world, LIMBS)) == pytest.approx(stored["detector_degrees"], abs=0.05)
    assert card.score == pytest.approx(stored["degrees"], abs=0.01)
    assert card.score < 0.7 * card.baseline
