import torch
from hypothesis import given
from hypothesis import strategies as st

from vivant.core import rotations as rot


def random_rotvecs(seed: int, size: float = 3.1) -> torch.Tensor:
    axis = torch.nn.functional.normalize(
        torch.randn(50, 3, generator=torch.Generator().manual_seed(seed)), dim=-1
    )
    angle = torch.rand(50, 1, generator=torch.Generator().manual_seed(seed + 1)) * size
    return (axis * angle).double()


@given(st.integers(0, 1000))
def test_every_form_gives_back_the_rotation(seed: int) -> None:
    rotvecs = random_rotvecs(seed)
    matrices = rot.matrices_from_rotvecs(rotvecs)
    assert torch.allclose(matrices @ matrices.transpose(1, 2), torch.eye(3).double(), atol=1e-9)
    assert torch.allclose(torch.linalg.det(matrices), torch.ones(50).double())
    # The exponential of the cross-product matrix is the definition.
    x, y, z = rotvecs.unbind(-1)
    o = torch.zeros_like(x)
    cross = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(-1, 3, 3)
    assert torch.allclose(matrices, torch.linalg.matrix_exp(cross), atol=1e-9)
    assert torch.allclose(rot.rotvecs_from_quats(rot.quats_from_matrices(matrices)), rotvecs, atol=1e-6)
    assert torch.allclose(rot.matrices_from_6d(rot.six_from_matrices(matrices)), matrices, atol=1e-9)


def test_half_turns_keep_their_axis() -> None:
    half = torch.pi * torch.eye(3, dtype=torch.float64)
    back = rot.rotvecs_from_quats(rot.quats_from_matrices(rot.matrices_from_rotvecs(half)))
    assert torch.allclose(back.abs(), half, atol=1e-6)


@given(st.integers(0, 1000))
def test_multiplying_quaternions_composes_matrices(seed: int) -> None:
    a, b = (rot.quats_from_rotvecs(random_rotvecs(s)) for s in (seed, seed + 7))
    product = rot.matrices_from_quats(rot.multiply_quats(a, b))
    assert torch.allclose(product, rot.matrices_from_quats(a) @ rot.matrices_from_quats(b), atol=1e-9)
    nothing = rot.multiply_quats(a, rot.invert_quats(a))
    assert torch.allclose(nothing, rot.quats_identity(50).double(), atol=1e-9)


def test_slerp_halves_a_turn_and_goes_the_short_way() -> None:
    quarter = rot.quats_from_rotvecs(torch.tensor([[0.0, torch.pi / 2, 0.0]]))
    half = rot.slerp_quats(rot.quats_identity(1), -quarter, 0.5)
    assert torch.allclose(rot.rotvecs_from_quats(half), torch.tensor([[0.0, torch.pi / 4, 0.0]]), atol=1e-6)


def test_rotation_vectors_have_gradients_at_zero() -> None:
    rotvecs = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rot.matrices_from_rotvecs, (rotvecs,))
