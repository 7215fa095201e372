import pytest
import torch

from vivant.core.cameras import project
from vivant.core.errors import BadInputError
from vivant.imagine import PlanConfig, azimuths_from_front, turntable

MIDDLE = torch.tensor([0.1, 0.9, -0.2])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_cameras_go_round_evenly_from_the_front_and_see_the_person() -> None:
    cameras = turntable(MIDDLE, 1.8, 12.0, PlanConfig(views=12), generator())
    azimuths = azimuths_from_front(cameras, MIDDLE, 12.0)
    # Half a turn past the first may read as just under a full one.
    expected = torch.arange(12) * 30.0
    assert float(((azimuths - expected + 180).remainder(360) - 180).abs().max()) < 1e-2
    for view in range(12):
        pixels, depth = project(MIDDLE[None], cameras, view)
        torch.testing.assert_close(pixels[0], torch.tensor([128.0, 128.0]), atol=1e-2, rtol=0)
        assert float(depth[0]) > 2


def heights(config: PlanConfig, seed: int = 0) -> torch.Tensor:
    cameras = turntable(MIDDLE, 1.8, 0.0, config, generator(seed))
    away = cameras.centers_world - MIDDLE
    return torch.rad2deg(torch.asin(away[:, 1] / away.norm(dim=1)))


def test_a_dynamic_orbit_swings_within_its_bounds_and_closes() -> None:
    swung = heights(PlanConfig(views=96))
    assert float((swung - 5).abs().max()) <= 15.01
    assert float(swung.std()) > 1
    steps = torch.cat([swung, swung[:1]]).diff().abs()
    assert float(steps[-1]) <= float(steps[:-1].max()) * 1.5
    assert not torch.equal(swung, heights(PlanConfig(views=96), seed=1))
    assert torch.equal(swung, heights(PlanConfig(views=96)))


def test_a_level_orbit_keeps_its_height() -> None:
    torch.testing.assert_close(
        heights(PlanConfig(views=5, kind="level")), torch.full((5,), 5.0), atol=1e-3, rtol=0
    )


def test_impossible_orbits_are_refused() -> None:
    with pytest.raises(BadInputError, match="0 views"):
        turntable(MIDDLE, 1.8, 0.0, PlanConfig(views=0), generator())
    with pytest.raises(BadInputError, match="overhead"):
        turntable(MIDDLE, 1.8, 0.0, PlanConfig(elevation_deg=70.0), generator())
