import math

import pytest
import torch

from vivant.fit.collision import Apart, Balls
from vivant.fit.reduced import Points
from vivant.fit.silhouette import Mask, Outline, Outside, prepare_mask
from vivant.fit.terms import Alignment, Directions, Pinhole, Reprojection, Term, robust, upright_axes

CAMERA = Pinhole(torch.tensor([500.0, 480.0]), torch.tensor([160.0, 120.0]))
TILT = torch.tensor(0.15)


def spots(count: int, seed: int = 0) -> torch.Tensor:
    """Points some 3 m before the camera."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, generator=generator) * 0.3 + torch.tensor([0.0, 0.0, -3.0])


def disc_mask() -> Mask:
    rows, columns = torch.meshgrid(torch.arange(240), torch.arange(320), indexing="ij")
    mask = prepare_mask(((rows - 120) ** 2 + (columns - 160) ** 2 < 40**2).float())
    assert mask is not None
    return mask


def balls(radii: torch.Tensor, *pairs: tuple[int, int]) -> Balls:
    count = len(radii)
    points = Points(
        torch.zeros(count, 3), torch.zeros(1, count, 3), torch.zeros(1, count, 3), torch.ones(count, 1)
    )
    return Balls(points, radii, torch.tensor(pairs))


TERMS: dict[str, Term] = {
    "reprojection": Reprojection(CAMERA, torch.tensor([0, 2]), torch.rand(2, 2) * 200, 5.0, torch.ones(2), 1e6),
    "directions": Directions(
        torch.tensor([0, 1]),
        torch.tensor([2, 3]),
        torch.eye(3)[:2],
        torch.tensor([0.2, 0.3]),
        torch.ones(2),
        1e6,
    ),
    "front": Alignment(torch.tensor([[0, 1]]), torch.tensor([[2, 3]]), "front", torch.tensor([0.05])),
    "up": Alignment(torch.tensor([[0, 1]]), torch.tensor([[2, 3]]), "up", torch.tensor([0.05])),
    "apart": Apart(balls(torch.tensor([0.5, 0.4, 0.6]), (0, 1), (1, 2)), 1),
    "outline": Outline(
        CAMERA, torch.tensor([1, 3]), torch.rand(2, 2) * 200, torch.eye(2), torch.ones(2), 5.0, 2.0, 1e6
    ),
}


@pytest.mark.parametrize("name", TERMS)
def test_directions_of_a_term_are_its_slopes(name: str) -> None:
    term, places, step = TERMS[name], spots(5), 1e-3
    rows = term.rows(places, TILT)
    assert len(rows.values) > 0
    for point in range(5):
        for axis in range(3):
            move = torch.zeros_like(places)
            move[point, axis] = step
            slope = (term.rows(places + move, TILT).values - term.rows(places - move, TILT).values) / (2 * step)
            mine = (rows.points == point).float()
            told = (mine * rows.directions[..., axis]).sum(1)
            # Central differences in float32 of values up to a hundred.
            torch.testing.assert_close(told, slope, atol=0.1, rtol=0.01)


@pytest.mark.parametrize("name", ["front", "up"])
def test_slope_by_tilt_is_that_of_finite_differences(name: str) -> None:
    term, places, step = TERMS[name], spots(5), 1e-2
    told = term.rows(places, TILT).by_tilt
    slope = (term.rows(places, TILT + step).values - term.rows(places, TILT - step).values) / (2 * step)
    assert told is not None
    torch.testing.assert_close(told, slope, atol=1e-2, rtol=1e-3)


def test_a_camera_that_looks_down_sees_up_tilt_towards_itself() -> None:
    up, front = upright_axes(torch.tensor(0.2))
    assert float(up[2]) == pytest.approx(math.sin(0.2))
    assert float(up @ front) == pytest.approx(0.0, abs=1e-7)


def test_outliers_lose_their_weight_but_keep_a_bounded_cost() -> None:
    loss, weight = robust(torch.tensor([0.0, 1.0, 1e6]), 2.0)
    torch.testing.assert_close(loss, torch.tensor([0.0, 0.8, 4.0]), atol=1e-3, rtol=0)
    assert float(weight[0]) == 1.0
    assert float(weight[2]) < 1e-9


def test_only_points_beyond_the_mask_are_pushed_and_towards_it() -> None:
    mask = disc_mask()
    inside, outside = [0.0, 0.0, -3.0], [0.4, 0.0, -3.0]
    rows = Outside(CAMERA, mask, torch.arange(2), 5.0, 2.0, 1e6).rows(torch.tensor([inside, outside]), TILT)
    assert rows.points.flatten().tolist() == [1]
    # The point projects 66.7 px right of the centre of a disc of radius 40.
    assert float(rows.values[0]) == pytest.approx(26.7 / 5, abs=0.3)
    assert float(rows.directions[0, 0, 0]) == pytest.approx(500 / 3 / 5, rel=0.1)


def test_what_is_off_the_picture_is_not_blamed() -> None:
    rows = Outside(CAMERA, disc_mask(), torch.arange(1), 5.0, 1.0, 1e6).rows(
        torch.tensor([[3.0, 0.0, -3.0]]), TILT
    )
    assert len(rows.values) == 0


def test_the_outline_of_a_disc_is_a_circle_with_normals_outwards() -> None:
    mask = disc_mask()
    spokes = mask.outline - torch.tensor([160.0, 120.0])
    # Half a pixel by the grid, half by the field's scale.
    torch.testing.assert_close(spokes.norm(dim=1), torch.full((len(spokes),), 40.0), atol=1.2, rtol=0)
    assert float(((spokes / spokes.norm(dim=1, keepdim=True)) * mask.outward).sum(1).min()) > 0.95


def test_a_mask_wider_than_the_body_pulls_less_than_a_narrower_one() -> None:
    wide = Outline(
        CAMERA, torch.tensor([0]), torch.tensor([[200.0, 120.0]]), torch.tensor([[1.0, 0.0]]),
        torch.tensor([0.3]), 5.0, 1.0, 1e6,
    )  # fmt: skip
    within, beyond = torch.tensor([[0.18, 0.0, -3.0]]), torch.tensor([[0.3, 0.0, -3.0]])
    assert wide.rows(within, TILT).cost == pytest.approx(0.3 * wide.rows(beyond, TILT).cost, rel=1e-3)


@pytest.mark.parametrize("alpha", [torch.zeros(40, 40), torch.ones(40, 40)])
def test_an_empty_or_full_mask_says_nothing(alpha: torch.Tensor) -> None:
    assert prepare_mask(alpha) is None


def test_balls_that_do_not_meet_are_left_alone() -> None:
    term = Apart(balls(torch.tensor([0.1, 0.1]), (0, 1)), 0)
    assert len(term.rows(torch.tensor([[0.0, 0, 0], [0.3, 0, 0]]), TILT).values) == 0
