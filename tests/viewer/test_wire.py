import numpy as np
from tests import fakes

from vivant.viewer.wire import wire_of


def test_the_net_lies_on_the_body_and_is_closed_like_it() -> None:
    rig = fakes.rig()
    wire = wire_of(rig, 500)
    assert len(wire.verts) == 500
    verts = rig.verts.numpy()
    nearest = [np.abs(verts - vert).sum(1).min() for vert in wire.verts[::20]]
    assert max(nearest) < 1e-5
    # Where the net is closed each edge has a triangle on both sides.
    edges = np.sort(
        np.concatenate([wire.faces[:, [0, 1]], wire.faces[:, [1, 2]], wire.faces[:, [2, 0]]]), axis=1
    )
    _, times = np.unique(edges, axis=0, return_counts=True)
    assert (times == 2).mean() > 0.9


def test_the_net_is_even_and_rides_on_joints() -> None:
    wire = wire_of(fakes.rig(), 500)
    edges = wire.verts[wire.faces[:, [1, 2, 0]]] - wire.verts[wire.faces]
    lengths = np.linalg.norm(edges, axis=2)
    assert np.quantile(lengths, 0.95) < 3 * np.quantile(lengths, 0.05)
    np.testing.assert_allclose(wire.skin_weights.sum(1), 1, atol=1e-6)
