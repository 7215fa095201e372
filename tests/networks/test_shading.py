"""What an avatar's colours tell of the light in its photo."""

from dataclasses import replace

import pytest
import torch
from tests.reconstruct.bodies import avatar

from vivant.body import part_labels
from vivant.networks import shading_features
from vivant.networks.shading import PROBES, _photo_normals  # pyright: ignore[reportPrivateUsage]
from vivant.records import Avatar
from vivant.splat.harmonics import BAND_0

SIDE, FRONT = 0, 2
"""Places of the slopes over all, along x and towards the camera."""

VERTS = torch.arange(0, 13718, 60).int()


def light(of: Avatar) -> torch.Tensor:
    """What tells of the light over all and by part."""
    return shading_features(of, VERTS)[0]


def lit(direction: tuple[float, float, float], amount: float = 0.4, paint: bool = False) -> Avatar:
    """Somebody whose brightness grows towards a light; with paint legs are darker cloth."""
    made = avatar()
    bright = -1.0 + amount * _photo_normals(made) @ torch.tensor(direction)
    if paint:
        part = part_labels(made.rig)
        bright = bright - 0.9 * part.member("left_leg", "right_leg")[made.rig.faces[made.binding.face, 0]]
    sh = made.splats.sh.clone()
    sh[:, 0] = ((bright.exp() - 0.5) / BAND_0)[:, None]
    return replace(made, splats=replace(made.splats, sh=sh), trust=torch.ones_like(made.trust))


def test_the_side_that_light_comes_from_is_measured() -> None:
    right, left = light(lit((1.0, 0.0, 0.0))), light(lit((-1.0, 0.0, 0.0)))
    assert right.shape == (6 + 4 * len(PROBES) + 1 + 1 + len(PROBES),)
    assert float(right[SIDE]) == pytest.approx(0.4, abs=0.03)
    assert float(left[SIDE]) == pytest.approx(-0.4, abs=0.03)
    assert float(right[FRONT]) == pytest.approx(0.0, abs=0.03)
    # How strong light from a side is does not depend on the side.
    torch.testing.assert_close(right[-1 - len(PROBES) :], left[-1 - len(PROBES) :], atol=0.02, rtol=0)


def test_light_from_the_front_is_told_from_paint() -> None:
    plain, painted = (light(lit((0.0, 0.0, 1.0), paint=paint)) for paint in (False, True))
    legs = 6 + 4 * (len(PROBES) - 1)
    assert float(plain[legs + FRONT]) == pytest.approx(0.4, abs=0.05)
    # Over all, squares of the other two directions take a part of it.
    assert 0.2 < float(plain[FRONT]) < 0.4
    for place in (FRONT, legs + FRONT):
        assert float(painted[place]) == pytest.approx(float(plain[place]), abs=0.02)


def test_what_the_photo_does_not_show_tells_nothing_of_the_light() -> None:
    made = lit((1.0, 0.0, 0.0))
    hidden = _photo_normals(made)[:, 2] < 0.2
    changed = made.splats.sh.clone()
    changed[hidden] = 0.3
    trust = (~hidden).float()
    first = replace(made, trust=trust)
    second = replace(first, splats=replace(made.splats, sh=changed))
    slopes = slice(0, 6)
    torch.testing.assert_close(light(first)[slopes], light(second)[slopes])


def test_somebody_of_whom_nothing_is_shown_has_no_slopes() -> None:
    nobody = replace(avatar(), trust=torch.zeros(len(avatar().trust)))
    found = light(nobody)
    assert bool(found.isfinite().all()) and float(found[:6].abs().max()) == 0


def test_brightness_and_trust_are_told_about_places() -> None:
    made = avatar()
    high = made.splats.means[:, 1] > 1.0
    sh = torch.zeros_like(made.splats.sh)
    sh[:, 0] = torch.where(high, (0.8 - 0.5) / BAND_0, (0.2 - 0.5) / BAND_0)[:, None]
    _, bright, trust = shading_features(
        replace(made, splats=replace(made.splats, sh=sh), trust=high.float()), VERTS
    )
    above = made.rig.verts[VERTS.long(), 1]
    assert bool((bright[above > 1.2].exp() > 0.7).all() and (bright[above < 0.8].exp() < 0.25).all())
    torch.testing.assert_close(bright, torch.lerp(torch.tensor(0.2).log(), torch.tensor(0.8).log(), trust))
