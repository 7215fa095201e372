import pytest
import torch
from tests.networks.figures import anchors, rig

from vivant.core.errors import BadInputError
from vivant.networks import anny_anchors, spread_anchors


def test_points_lie_on_the_body_and_groups_are_small() -> None:
    made = anny_anchors(256, 8)
    places = made.place(rig().verts, rig().faces)
    assert places.shape == (256, 8, 3)
    assert float(places[..., 1].amin()) > -0.01
    assert float(places[..., 1].amax()) > 1.6
    widths = (places - places.mean(1, keepdim=True)).norm(dim=-1).amax(1)
    # Shuffled groups would be half a metre wide.
    assert float(widths.median()) < 0.08
    torch.testing.assert_close(made.skin_weights.sum(-1), torch.ones(256, 8))


def test_the_head_gets_more_points() -> None:
    made = anny_anchors(256, 8)
    places = made.place(rig().verts, rig().faces)
    above = (places[..., 1] > 1.5).float().mean()
    plain = spread_anchors(rig(), 256, 8).place(rig().verts, rig().faces)
    assert float(above) > 1.5 * float((plain[..., 1] > 1.5).float().mean())


def test_frames_are_right_angled_and_point_outwards() -> None:
    frames = anchors().frames(rig().verts, rig().faces).flatten(0, 1)
    torch.testing.assert_close(frames.mT @ frames, torch.eye(3).expand(len(frames), 3, 3), atol=1e-5, rtol=0)
    assert float(torch.linalg.det(frames).amin()) > 0.99


def test_a_number_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(BadInputError, match="100 anchors"):
        spread_anchors(rig(), 100, 4)
