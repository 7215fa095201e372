"""Bounds are what was reached when this was written, with a little room for other processors' rounding."""

from pathlib import Path

import pytest

from vivant.body import pose_verts
from vivant.core.run import Context
from vivant.fit import FitConfig, fit_body, fit_quality
from vivant.perceive import PerceiveConfig, perceive, read_photo

BOUNDS = {
    "suit_waterfall": {"reprojection": 0.95, "face": 0.5, "body outside the mask": 1.5, "body IoU": 0.79},
    "yoga_lunge": {"reprojection": 1.2, "face": 0.6, "body outside the mask": 8.0, "body IoU": 0.81},
}
"""At most; the last one at least."""


@pytest.mark.parametrize("name", BOUNDS)
def test_a_photographed_person_is_fitted_as_well_as_before(shared: Path, name: str) -> None:
    person = perceive(Context(), read_photo(shared / "photos" / f"{name}.jpg"), PerceiveConfig())
    body = fit_body(Context(), person, FitConfig())
    found = {score.name: score.value for score in fit_quality(person, body)}
    bounds = BOUNDS[name]
    assert found["body IoU"] > bounds["body IoU"]
    for score in ("reprojection", "face", "body outside the mask"):
        assert found[score] < bounds[score], score
    verts = pose_verts(body.rig, body.pose)
    assert float(verts[:, 1].min()) == pytest.approx(0.0, abs=1e-3)
    # Upright before the camera: the head is the highest part, at a person's height.
    head = body.rig.joint("head")
    top = verts[(body.rig.skin_joints[:, 0] == head)][:, 1].max()
    assert 1.1 < float(top) < 2.1
