"""Distances to a mask's outline."""

import pytest
import torch

from vivant.core.outlines import signed_distances


def disc(radius: float, size: int, middle: tuple[float, float] = (0.5, 0.5)) -> torch.Tensor:
    """A disc with a rim as soft as a pixel, and the true distances."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    return radius - ((x - middle[0] * size) ** 2 + (y - middle[1] * size) ** 2).sqrt()


@pytest.mark.parametrize("size", [64, 128, 600])
def test_a_disc_is_measured_within_a_part_of_a_pixel(size: int) -> None:
    true = torch.stack([disc(0.3 * size + part, size) for part in (0.0, 0.25, 0.5, 0.75)])
    found = signed_distances((true + 0.5).clamp(0, 1))
    near = true.abs() < 4
    assert float((found - true)[near].abs().mean()) < (0.08 if size < 512 else 0.3)
    assert float((found - true)[near].mean().abs()) < 0.05


def test_a_shift_of_less_than_a_pixel_is_seen() -> None:
    wide, narrow = ((disc(30 + more, 128)[None] + 0.5).clamp(0, 1) for more in (0.3, 0.0))
    near = disc(30, 128).abs() < 1.5
    assert float((signed_distances(wide) - signed_distances(narrow))[0][near].mean()) == pytest.approx(
        0.3, abs=0.05
    )


def test_pictures_without_an_outline_are_far_from_one() -> None:
    far = signed_distances(torch.stack([torch.zeros(40, 30), torch.ones(40, 30)]))
    assert bool((far[0] < -30).all()) and bool((far[1] > 30).all())
    assert signed_distances(torch.zeros(0, 8, 8)).shape == (0, 8, 8)
