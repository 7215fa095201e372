"""Small pictures drawn larger."""

import torch
from tests import fakes

from vivant.records import Splats
from vivant.splat import rasterize, rasterize_averaged


def body(spread: float = 0.004) -> Splats:
    made = fakes.avatar(20_000).splats
    return Splats(
        made.means, made.quats, torch.full_like(made.log_scales, spread).log(), made.opacity_logits, made.sh
    )


def test_a_small_picture_covers_what_a_large_one_covers() -> None:
    small = fakes.camera()
    true = float(rasterize(body(), small.resized(96 * 16, 128 * 16), normals=False).alpha.mean())
    plain = float(rasterize(body(), small, normals=False).alpha.mean())
    averaged = float(rasterize_averaged(body(), small, normals=False).alpha.mean())
    assert plain > 1.08 * true
    assert abs(averaged - true) < 0.02 * true


def test_it_is_the_mean_of_the_finer_picture() -> None:
    small = fakes.camera()
    drawn = rasterize_averaged(body(), small, least_side=256)
    fine = rasterize(body(), small.resized(192, 256))
    means = fine.color.reshape(1, 128, 2, 96, 2, 3).mean((2, 4))
    assert torch.allclose(drawn.color, means, atol=1e-6)
    solid = drawn.alpha > 0.9
    assert torch.allclose(drawn.normal[solid].norm(dim=-1), torch.ones(int(solid.sum())), atol=1e-4)
    assert float((drawn.depth - fine.depth[:, ::2, ::2])[solid].abs().median()) < 0.01
    assert bool((drawn.depth[drawn.alpha == 0] == 0).all())


def test_a_large_picture_is_drawn_once() -> None:
    features = torch.rand(20_000, 2)
    once = rasterize(body(), fakes.camera(), features=features)
    same = rasterize_averaged(body(), fakes.camera(), features=features, least_side=128)
    assert torch.equal(once.color, same.color) and torch.equal(once.normal, same.normal)
    assert same.color.shape[-1] == 5
