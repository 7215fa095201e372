import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vivant.body import skin_points, skin_quats
from vivant.core.errors import BadInputError
from vivant.core.rotations import (
    matrices_from_quats,
    matrices_from_rotvecs,
    normalize_quats,
    quats_from_rotvecs,
)
from vivant.records import Binding, Splats
from vivant.splat import colors_from_sh, pose_splats
from vivant.splat.skinning import Blend
from vivant.splat.skinning._turning_harmonics import quarter_turn
from vivant.splat.skinning._turning_harmonics import turn_sh as turn_sh_fast
from vivant.splat.skinning.turning import turn_sh


def make_splats(
    count: int, bands: int = 1, joints: int = 7, seed: int = 0, angle: float = 0.6
) -> tuple[Splats, Binding, Tensor]:
    """Random splats on random joints that turn by about `angle` each."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    weights = torch.rand(count, 4, generator=generator)
    weights[::3, 2:] = 0
    splats = Splats(
        means=normal(count, 3),
        quats=normalize_quats(normal(count, 4)),
        log_scales=normal(count, 3),
        opacity_logits=normal(count),
        sh=normal(count, bands, 3),
    )
    binding = Binding(
        face=torch.zeros(count, dtype=torch.long),
        barycentric=torch.zeros(count, 3),
        offset=torch.zeros(count, 3),
        skin_joints=torch.randint(0, joints, (count, 4), generator=generator),
        skin_weights=weights / weights.sum(1, keepdim=True),
    )
    transforms = torch.eye(4).repeat(joints, 1, 1)
    transforms[:, :3, :3] = matrices_from_rotvecs(normal(joints, 3) * angle)
    transforms[:, :3, 3] = normal(joints, 3)
    return splats, binding, transforms


def results_and_gradients(
    splats: Splats,
    binding: Binding,
    transforms: Tensor,
    backend: str,
    dtype: torch.dtype = torch.float32,
    **options,
) -> tuple[list[Tensor], list[Tensor]]:
    leaves = [
        value.to(dtype, copy=True).requires_grad_()
        for value in (splats.means, splats.quats, splats.sh, transforms)
    ]
    moved = Splats(leaves[0], leaves[1], splats.log_scales, splats.opacity_logits, leaves[2])
    posed = pose_splats(moved, binding, leaves[3], backend=backend, **options)
    outputs = [posed.means, posed.quats, posed.sh]
    # Weights that differ from number to number, so that no error cancels.
    torch.autograd.backward(
        outputs, [torch.sin(torch.arange(o.numel()).to(o)).reshape(o.shape) for o in outputs]
    )
    return [o.detach() for o in outputs], [leaf.grad for leaf in leaves if leaf.grad is not None]


@settings(max_examples=12, deadline=None)
@given(
    count=st.sampled_from([0, 1, 5, 127, 300]), bands=st.sampled_from([1, 4, 9, 16]), seed=st.integers(0, 99)
)
def test_compiled_linear_skinning_equals_the_reference_forward_and_backward(
    count: int, bands: int, seed: int
) -> None:
    # Turns small enough that no bones cancel: there, gradients amplify rounding without bound.
    splats, binding, transforms = make_splats(count, bands, seed=seed, angle=0.4)
    truth, truth_gradients = results_and_gradients(splats, binding, transforms, "reference", torch.float64)
    fast, gradients = results_and_gradients(splats, binding, transforms, "numba")
    for a, b in zip(truth, fast, strict=True):
        torch.testing.assert_close(a.float(), b, atol=2e-5, rtol=1e-4)
    assert len(gradients) == 4
    for a, b in zip(truth_gradients, gradients, strict=True):
        # Where bones oppose each other the nearest rotation amplifies rounding; the scale of the whole counts.
        limit = 1e-4 * max(1.0, float(a.abs().max()) if a.numel() else 0.0)
        torch.testing.assert_close(a.float(), b, atol=limit, rtol=1e-3)


def test_splats_between_bones_that_nearly_cancel_turn_as_the_nearest_rotation() -> None:
    # Splat 260 of this scene hangs between bones whose mean has singular values 1, 0.03, 0.03.
    splats, binding, transforms = make_splats(300, bands=16, seed=1)
    mean = (binding.skin_weights[:, :, None, None] * transforms[binding.skin_joints, :3, :3]).sum(1).double()
    u, sizes, v = torch.linalg.svd(mean[260])
    assert float(sizes[1]) < 0.03
    truth = u @ v
    for backend in ("reference", "numba"):
        posed = pose_splats(splats, binding, transforms, backend=backend)
        turned = matrices_from_quats(posed.quats[260].double())
        start = matrices_from_quats(splats.quats[260].double())
        torch.testing.assert_close(turned, truth @ start, atol=1e-4, rtol=0)


@pytest.mark.parametrize("bands", [1, 9])
def test_compiled_dual_quaternions_equal_the_reference(bands: int) -> None:
    splats, binding, transforms = make_splats(300, bands, angle=1.2)
    truth = pose_splats(splats, binding, transforms, blend="dual_quaternion", backend="reference")
    fast = pose_splats(splats, binding, transforms, blend="dual_quaternion", backend="numba")
    torch.testing.assert_close(truth.means, fast.means, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(
        matrices_from_quats(truth.quats), matrices_from_quats(fast.quats), atol=2e-5, rtol=1e-4
    )
    torch.testing.assert_close(truth.sh, fast.sh, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("blend", ["linear", "dual_quaternion"])
def test_gradients_of_the_reference_are_those_of_differences(blend: Blend) -> None:
    splats, binding, transforms = make_splats(4, 4, joints=3)
    leaves = [
        value.double().requires_grad_()
        for value in (splats.means, splats.quats, transforms[:, :3, 3], splats.sh)
    ]
    turns = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()

    def pose(means: Tensor, quats: Tensor, shifts: Tensor, rotvecs: Tensor) -> tuple[Tensor, Tensor]:
        upper = torch.cat([matrices_from_rotvecs(rotvecs), shifts[..., None]], dim=-1)
        matrices = torch.cat([upper, upper.new_tensor([0, 0, 0, 1.0]).expand(3, 1, 4)], dim=-2)
        moved = Splats(means, quats, splats.log_scales, splats.opacity_logits, leaves[3])
        posed = pose_splats(moved, binding, matrices, blend=blend, backend="reference")
        return posed.means, posed.quats

    assert torch.autograd.gradcheck(pose, (leaves[0], leaves[1], leaves[2], turns))


@pytest.mark.parametrize("blend", ["linear", "dual_quaternion"])
@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_a_body_that_turns_as_a_whole_looks_as_before_from_the_turned_eye(blend: Blend, backend: str) -> None:
    splats, binding, transforms = make_splats(50, 16)
    transforms = transforms[:1].repeat(len(transforms), 1, 1)
    posed = pose_splats(splats, binding, transforms, blend=blend, backend=backend)  # type: ignore[arg-type]
    turn, shift = transforms[0, :3, :3], transforms[0, :3, 3]
    torch.testing.assert_close(posed.means, splats.means @ turn.T + shift, atol=1e-5, rtol=1e-5)
    axes = turn @ matrices_from_quats(splats.quats)
    torch.testing.assert_close(matrices_from_quats(posed.quats), axes, atol=1e-5, rtol=1e-5)
    directions = torch.nn.functional.normalize(splats.means, dim=-1)
    before, after = colors_from_sh(splats.sh, directions), colors_from_sh(posed.sh, directions @ turn.T)
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-4)


def test_harmonics_turned_twice_are_turned_by_the_product() -> None:
    generator = torch.Generator().manual_seed(1)
    sh = torch.randn(20, 16, 3, generator=generator, dtype=torch.float64)
    a, b = matrices_from_rotvecs(torch.randn(2, 20, 3, generator=generator, dtype=torch.float64))
    torch.testing.assert_close(turn_sh(turn_sh(sh, a), b), turn_sh(sh, b @ a))


def test_harmonics_turn_by_the_quarter_about_x_as_the_closed_form_says() -> None:
    half, a = 0.5, math.sqrt(3) / 2
    assert quarter_turn(1) == pytest.approx(torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).numpy())
    two = [[0, 0, 0, -1, 0], [0, -1, 0, 0, 0], [0, 0, -half, 0, -a], [1, 0, 0, 0, 0], [0, 0, -a, 0, half]]
    assert quarter_turn(2) == pytest.approx(torch.tensor(two, dtype=torch.float64).numpy(), abs=1e-15)
    b, c, d = math.sqrt(10) / 4, math.sqrt(6) / 4, math.sqrt(15) / 4
    three = [
        [0, 0, 0, b, 0, -c, 0],
        [0, -1, 0, 0, 0, 0, 0],
        [0, 0, 0, c, 0, b, 0],
        [-b, 0, -c, 0, 0, 0, 0],
        [0, 0, 0, 0, -0.25, 0, -d],
        [c, 0, -b, 0, 0, 0, 0],
        [0, 0, 0, 0, -d, 0, 0.25],
    ]
    assert quarter_turn(3) == pytest.approx(torch.tensor(three, dtype=torch.float64).numpy(), abs=1e-15)


def turns_that_may_go_wrong() -> Tensor:
    """Unit quaternions: random ones, and those whose angles about z are not determined, or nearly so."""
    quarters = torch.cartesian_prod(*[torch.tensor([0.0, 1.0, -1.0])] * 4)[1:]
    tiny = torch.tensor([0.0, 1e-4, 1e-8, 1e-15, 1e-20, 1e-38, -0.0])
    one = torch.ones(len(tiny))
    nearly = [
        torch.stack(columns, dim=1)
        for columns in (
            (one, tiny, -tiny, tiny), (one, tiny, tiny, -one), (tiny, one, -tiny, tiny),
            (tiny, one, -one, -tiny), (tiny, tiny, one, 0 * one), (tiny, 0 * one, tiny, -one),
        )
    ]  # fmt: skip
    some = torch.randn(300, 4, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.normalize(torch.cat([quarters, *nearly, some]).double(), dim=1)


@pytest.mark.parametrize("bands", [4, 9, 16])
def test_compiled_harmonics_turn_as_the_reference_does_whatever_the_turn(bands: int) -> None:
    turns = turns_that_may_go_wrong().float()
    sh, weights = torch.randn(2, len(turns), bands, 3, generator=torch.Generator().manual_seed(4))
    leaf = sh.double().requires_grad_()
    truth = turn_sh(leaf, matrices_from_quats(torch.nn.functional.normalize(turns.double(), dim=1)))
    truth.backward(weights.double())
    assert leaf.grad is not None
    for start, expected, back in ((sh, truth.detach(), False), (weights, leaf.grad, True)):
        turned = torch.full_like(sh, math.nan)
        turn_sh_fast(start.numpy(), 0, len(turns), turns.numpy(), back, turned.numpy())
        # Some rounding for each of five factors; numbers are 1 in the mean, 5 at most.
        torch.testing.assert_close(turned.double(), expected, atol=4e-6, rtol=0)
        assert torch.equal(turned[:, 0], start[:, 0])


@pytest.mark.parametrize("bands", [4, 9, 16])
def test_compiled_harmonics_write_their_splats_and_no_others(bands: int) -> None:
    turns = turns_that_may_go_wrong()[-40:].float().numpy()
    sh = torch.randn(40, bands, 3, generator=torch.Generator().manual_seed(5)).numpy()
    whole = torch.full((40, bands, 3), math.nan)
    turn_sh_fast(sh, 0, 40, turns, False, whole.numpy())
    for first, last in ((0, 0), (7, 7), (3, 4), (1, 8), (5, 13), (5, 14), (39, 40), (0, 39)):
        part = torch.full((40, bands, 3), math.nan)
        turn_sh_fast(sh, first, last, turns, False, part.numpy())
        # Each splat has a lane of its own: not a bit depends on its neighbours.
        assert torch.equal(part[first:last], whole[first:last])
        assert part[:first].isnan().all() and part[last:].isnan().all()


@pytest.mark.parametrize("bands", [4, 9, 16])
def test_turning_harmonics_there_and_back_keeps_them(bands: int) -> None:
    turns = turns_that_may_go_wrong().float().numpy()
    sh = torch.randn(len(turns), bands, 3, generator=torch.Generator().manual_seed(6))
    there, back = torch.empty_like(sh), torch.empty_like(sh)
    turn_sh_fast(sh.numpy(), 0, len(turns), turns, False, there.numpy())
    turn_sh_fast(there.numpy(), 0, len(turns), turns, True, back.numpy())
    torch.testing.assert_close(back, sh, atol=6e-6, rtol=0)


def test_splats_ride_as_the_body_does() -> None:
    splats, binding, transforms = make_splats(200)
    posed = pose_splats(splats, binding, transforms)
    joints, weights = binding.skin_joints, binding.skin_weights
    torch.testing.assert_close(
        posed.means, skin_points(splats.means, joints, weights, transforms), atol=1e-5, rtol=1e-5
    )
    turned = matrices_from_quats(skin_quats(splats.quats, joints, weights, transforms))
    torch.testing.assert_close(matrices_from_quats(posed.quats), turned, atol=1e-3, rtol=1e-3)


def test_dual_quaternions_keep_a_twisted_wrist_round_and_linear_blending_does_not() -> None:
    twist = math.radians(170)
    splats, binding, _ = make_splats(1)
    splats = Splats(
        torch.tensor([[0.5, 0.04, 0.0]]), splats.quats, splats.log_scales, splats.opacity_logits, splats.sh
    )
    binding = Binding(binding.face, binding.barycentric, binding.offset, torch.tensor([[0, 1, 0, 0]]),
                      torch.tensor([[0.5, 0.5, 0.0, 0.0]]))  # fmt: skip
    transforms = torch.eye(4).repeat(2, 1, 1)
    transforms[1, :3, :3] = matrices_from_quats(quats_from_rotvecs(torch.tensor([twist, 0.0, 0.0])))
    for backend in ("reference", "numba"):
        radius = {
            blend: float(
                pose_splats(splats, binding, transforms, blend=blend, backend=backend).means[0, 1:].norm()
            )
            for blend in ("linear", "dual_quaternion")
        }
        assert radius["dual_quaternion"] == pytest.approx(0.04, rel=1e-4)
        assert radius["linear"] == pytest.approx(0.04 * math.cos(twist / 2), rel=1e-3)


@pytest.mark.parametrize("bands", [4, 9, 16])
def test_the_number_of_threads_changes_no_bit(bands: int) -> None:
    splats, binding, transforms = make_splats(1003, bands)
    one = results_and_gradients(splats, binding, transforms, "numba", threads=1)
    for threads in (2, 3):
        more = results_and_gradients(splats, binding, transforms, "numba", threads=threads)
        for a, b in zip(one[0] + one[1], more[0] + more[1], strict=True):
            assert torch.equal(a, b)


def test_a_joint_that_does_not_exist_is_refused() -> None:
    splats, binding, transforms = make_splats(5)
    with pytest.raises(BadInputError, match="name joint"):
        pose_splats(splats, binding, transforms[:2])


def test_numba_refuses_what_it_cannot_do() -> None:
    splats, binding, transforms = make_splats(5)
    with pytest.raises(BadInputError, match="dual quaternions"):
        pose_splats(splats, binding, transforms.requires_grad_(), blend="dual_quaternion", backend="numba")
    doubled = Splats(
        *(getattr(splats, name).double() for name in ("means", "quats", "log_scales", "opacity_logits", "sh"))
    )
    with pytest.raises(BadInputError, match="float32"):
        pose_splats(doubled, binding, transforms.detach(), backend="numba")
