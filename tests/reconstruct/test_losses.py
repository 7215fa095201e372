import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vivant.core.errors import BadInputError
from vivant.reconstruct.losses import ImageLoss, LossConfig, Target, image_loss, make_target, ssim_map

BACKGROUND = torch.tensor([0.3, 0.5, 0.9])
CONFIG = LossConfig(ssim=0.3, mask=0.4)


def noise(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def make_case(height: int, width: int, seed: int = 0, person: bool = False) -> tuple[Tensor, Tensor, Target]:
    """A picture, its alpha, and a view; with `person` both are empty at the rim."""
    alpha, truth_alpha, weight = noise(3, height, width, seed=seed)
    if person:
        alpha[: height // 4] = 0
        alpha[:, : width // 3] = 0
        truth_alpha[-height // 4 :] = 0
        truth_alpha[:, -width // 4 :] = 0
    color = noise(height, width, 3, seed=seed + 1) * alpha[..., None] + (1 - alpha[..., None]) * BACKGROUND
    target = make_target(noise(height, width, 3, seed=seed + 2), truth_alpha, weight, BACKGROUND)
    return color, alpha, target


def gradients(
    color: Tensor, alpha: Tensor, target: Target, backend: str, threads: int = 1
) -> tuple[ImageLoss, Tensor, Tensor]:
    color, alpha = color.clone().requires_grad_(), alpha.clone().requires_grad_()
    found = image_loss(color, alpha, target, CONFIG, backend=backend, threads=threads)  # type: ignore[arg-type]
    found.total.backward()
    assert color.grad is not None and alpha.grad is not None
    return found, color.grad, alpha.grad


@settings(max_examples=12, deadline=None)
@given(
    height=st.sampled_from([1, 7, 40, 133]),
    width=st.sampled_from([1, 8, 31, 90]),
    person=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_compiled_loss_equals_the_reference_in_double(
    height: int, width: int, person: bool, seed: int
) -> None:
    color, alpha, target = make_case(height, width, seed, person)
    truth, truth_color, truth_alpha = gradients(color.double(), alpha.double(), target, "reference")
    fast, fast_color, fast_alpha = gradients(color, alpha, target, "numba")
    for name in ("absolute", "structure", "mask", "squared", "psnr"):
        assert getattr(fast, name) == pytest.approx(getattr(truth, name), rel=1e-5, abs=1e-6)
    assert float(fast.total.detach()) == pytest.approx(float(truth.total.detach()), rel=1e-5, abs=1e-7)
    # Where no splat is drawn, no splat can take a gradient: there the compiled loss gives none.
    drawn = alpha > 0
    error = (truth_color.float() - fast_color)[drawn]
    assert float(error.norm()) <= 1e-4 * float(truth_color[drawn].norm()) + 1e-12
    torch.testing.assert_close(fast_alpha[drawn], truth_alpha.float()[drawn], rtol=1e-5, atol=1e-9)


def test_the_reference_has_the_gradient_of_differences() -> None:
    color, alpha, target = make_case(9, 12)

    def total(color: Tensor, alpha: Tensor) -> Tensor:
        return image_loss(color, alpha, target, CONFIG, backend="reference").total

    leaves = (color.double().requires_grad_(), alpha.double().requires_grad_())
    assert torch.autograd.gradcheck(total, leaves)


def test_ssim_is_that_of_scikit_image() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a, b = noise(2, 40, 50, 3, seed=3).double()
    b = 0.7 * a + 0.3 * b
    _, truth = metrics.structural_similarity(
        a.numpy(), b.numpy(), channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )  # fmt: skip
    # At the rim the two differ: scikit-image mirrors the picture there.
    inner = (slice(5, -5), slice(5, -5))
    torch.testing.assert_close(ssim_map(a, b)[inner], torch.from_numpy(truth)[inner], atol=1e-9, rtol=1e-9)


def test_equal_pictures_cost_nothing_and_pull_nowhere() -> None:
    color, alpha, target = make_case(30, 30)
    target = Target(color, alpha, target.weight, target.area)
    found, to_color, to_alpha = gradients(color, alpha, target, "numba")
    assert float(found.total.detach()) == pytest.approx(0, abs=1e-6)
    assert float(to_color.abs().max()) < 1e-6
    assert float(to_alpha.abs().max()) == 0


def test_pixels_without_trust_cost_nothing() -> None:
    color, alpha, target = make_case(40, 40)
    weight = target.weight.clone()
    weight[:, 20:] = 0
    blind = Target(target.color, target.alpha, weight, target.area)
    changed = color.clone()
    # The window reaches five pixels into the untrusted half.
    changed[:, 26:] = 0
    before, _, _ = gradients(color, alpha, blind, "numba")
    after, _, _ = gradients(changed, alpha, blind, "numba")
    assert float(before.total.detach()) == float(after.total.detach())
    assert float(gradients(changed, alpha, target, "numba")[0].total.detach()) != float(after.total.detach())


def test_an_empty_picture_of_nobody_costs_nothing() -> None:
    alpha = torch.zeros(20, 20)
    target = make_target(noise(20, 20, 3, seed=0), alpha, torch.ones(20, 20), BACKGROUND)
    found, to_color, _ = gradients(BACKGROUND.expand(20, 20, 3), alpha, target, "numba")
    assert float(found.total.detach()) == 0
    assert float(to_color.abs().max()) == 0


def test_the_number_of_threads_changes_no_bit() -> None:
    color, alpha, target = make_case(300, 40)
    one = gradients(color, alpha, target, "numba", threads=1)
    three = gradients(color, alpha, target, "numba", threads=3)
    assert torch.equal(one[0].total, three[0].total)
    assert torch.equal(one[1], three[1])
    assert torch.equal(one[2], three[2])


def test_the_gradient_follows_what_is_done_with_the_loss() -> None:
    color, alpha, target = make_case(40, 40)
    _, plain, _ = gradients(color, alpha, target, "numba")
    leaf = color.clone().requires_grad_()
    (3 * image_loss(leaf, alpha, target, CONFIG).total).backward()
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad, 3 * plain)


def test_a_picture_of_another_size_is_refused() -> None:
    color, alpha, target = make_case(40, 40)
    with pytest.raises(BadInputError, match="color"):
        image_loss(color[:30], alpha[:30], target, CONFIG)
    with pytest.raises(BadInputError, match="float32"):
        image_loss(color.double(), alpha.double(), target, CONFIG, backend="numba")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rows_of_any_width_are_compared_as_the_reference_compares_them(threads: int) -> None:
    generator = torch.Generator().manual_seed(5)
    y, x = torch.meshgrid(torch.arange(190), torch.arange(131), indexing="ij")
    # A trunk, arms across nearly all the picture, a gap between head and trunk, and a dot at the rim.
    trunk, arms = ((x - 60).abs() < 9) & (y > 60), ((y - 80).abs() < 4) & ((x - 64).abs() < 60)
    shape = trunk | arms | (((x - 60).abs() < 5) & (y > 8) & (y < 30)) | ((x > 128) & (y == 150))
    truth_alpha, alpha = shape.float(), shape.roll((3, 1), (0, 1)).float().requires_grad_()
    background = torch.ones(3)
    paint = torch.rand(2, 190, 131, 3, generator=generator)
    target = make_target(paint[0], truth_alpha, torch.rand(190, 131, generator=generator), background)
    cover = alpha.detach()[..., None]
    color = (paint[1] * cover + (1 - cover) * background).requires_grad_()
    fast = image_loss(color, alpha, target, LossConfig(), backend="numba", threads=threads)
    slow = image_loss(color.double(), alpha.double(), target, LossConfig(), backend="reference")
    assert float(fast.total.detach()) == pytest.approx(float(slow.total.detach()), rel=1e-5)
    drawn = cover[..., 0] > 0
    for found, wanted in zip(
        torch.autograd.grad(fast.total, (color, alpha)),
        torch.autograd.grad(slow.total, (color, alpha)),
        strict=True,
    ):
        torch.testing.assert_close(
            found[drawn], wanted[drawn].float(), atol=2e-5 * float(wanted.abs().max()), rtol=0
        )
