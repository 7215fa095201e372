"""The plain torch rasteriser against closed forms, a dense evaluation, and finite differences."""

import math
from dataclasses import replace

import pytest
import torch
from tests.splat.scenes import LEAVES, camera, join, one_splat, random_splats, turned_camera
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.rotations import matrices_from_quats
from vivant.records import Splats
from vivant.splat import rasterize

BLUR = 0.3


def double(splats: Splats) -> Splats:
    return Splats(*(getattr(splats, name).double() for name in LEAVES[:5]))


def double_camera(cameras: Cameras) -> Cameras:
    return replace(
        cameras, cam_from_world=cameras.cam_from_world.double(), intrinsics=cameras.intrinsics.double()
    )


def gaussian(cameras: Cameras, center: Tensor, variance_x: float, variance_y: float) -> Tensor:
    column = torch.arange(cameras.width, dtype=torch.float64) + 0.5 - center[0]
    row = torch.arange(cameras.height, dtype=torch.float64) + 0.5 - center[1]
    return (-0.5 * (column[None] ** 2 / variance_x + row[:, None] ** 2 / variance_y)).exp()


def test_one_splat_on_the_axis_is_the_gaussian_of_the_formula() -> None:
    cameras = double_camera(camera())
    splat = double(one_splat([0, 0, 2], [0.2, 0.1, 0.3], 0.7, [0.9, 0.2, 0.4]))
    drawn = rasterize(splat, cameras, background=torch.tensor([0.1, 0.1, 0.3]).double(), backend="reference")
    # On the axis the Jacobian is focal / z and nothing of the third axis is seen.
    k = cameras.intrinsics[0]
    variance_x, variance_y = float(k[0, 0] * 0.2 / 2) ** 2 + BLUR, float(k[1, 1] * 0.1 / 2) ** 2 + BLUR
    alpha = 0.7 * gaussian(cameras, k[:2, 2], variance_x, variance_y)
    alpha = alpha * (alpha >= 1 / 255)
    torch.testing.assert_close(drawn.alpha[0], alpha, rtol=0, atol=1e-7)
    torch.testing.assert_close(drawn.depth[0], 2 * alpha, rtol=0, atol=1e-6)
    expected = alpha[..., None] * torch.tensor([0.9, 0.2, 0.4]) + (1 - alpha)[..., None] * torch.tensor(
        [0.1, 0.1, 0.3]
    )
    torch.testing.assert_close(drawn.color[0], expected, rtol=0, atol=1e-6)


def test_an_orthographic_splat_does_not_shrink_with_distance() -> None:
    cameras = double_camera(camera(focal=20.0, orthographic=True))
    for depth in (0.5, 3.0):
        drawn = rasterize(
            double(one_splat([0, 0, depth], [0.2, 0.1, 0.3], 0.7, [1, 1, 1])), cameras, backend="reference"
        )
        alpha = 0.7 * gaussian(cameras, cameras.intrinsics[0, :2, 2], 4.0**2 + BLUR, 2.2**2 + BLUR)
        torch.testing.assert_close(drawn.alpha[0], alpha * (alpha >= 1 / 255), rtol=0, atol=1e-6)


def test_of_two_splats_the_nearer_hides_the_farther() -> None:
    cameras = double_camera(camera())
    near = one_splat([0, 0, 2], [0.3, 0.3, 0.3], 0.6, [1, 0, 0])
    far = one_splat([0, 0, 4], [0.8, 0.8, 0.8], 0.8, [0, 1, 0])
    single = [rasterize(double(part), cameras, backend="reference").alpha[0] for part in (near, far)]
    for together in (join(near, far), join(far, near)):
        drawn = rasterize(double(together), cameras, backend="reference")
        behind = (1 - single[0]) * single[1]
        torch.testing.assert_close(drawn.color[0, ..., 0], single[0], rtol=0, atol=1e-6)
        torch.testing.assert_close(drawn.color[0, ..., 1], behind, rtol=0, atol=1e-6)
        torch.testing.assert_close(drawn.alpha[0], single[0] + behind, rtol=0, atol=1e-6)
        torch.testing.assert_close(drawn.depth[0], 2 * single[0] + 4 * behind, rtol=0, atol=1e-6)


def test_opacity_stays_below_one_and_light_runs_out() -> None:
    cameras = double_camera(camera())
    wall = one_splat([0, 0, 2], [50, 50, 0.1], 0.5, [1, 0, 0])
    wall = replace(wall, opacity_logits=torch.tensor([40.0]))
    behind = replace(wall, means=torch.tensor([[0.0, 0, 3]]), sh=-wall.sh)
    farther = replace(wall, means=torch.tensor([[0.0, 0, 4]]), sh=2 * wall.sh)
    alpha = rasterize(double(wall), cameras, backend="reference").alpha
    torch.testing.assert_close(alpha, torch.full_like(alpha, 0.999))
    two = rasterize(double(join(wall, behind)), cameras, backend="reference")
    three = rasterize(double(join(wall, behind, farther)), cameras, backend="reference")
    torch.testing.assert_close(two.alpha, torch.full_like(alpha, 1 - 1e-6), rtol=0, atol=1e-9)
    assert torch.equal(two.color, three.color)


def test_a_normal_is_the_shortest_axis_towards_the_camera() -> None:
    turn = torch.tensor([math.cos(0.4), 0, math.sin(0.4), 0])
    splat = replace(one_splat([0.1, 0, 2], [0.3, 0.2, 0.02], 0.9, [1, 1, 1]), quats=turn[None])
    drawn = rasterize(double(splat), double_camera(camera()), backend="reference")
    expected = -matrices_from_quats(turn.double())[:, 2]
    assert expected[2] < 0
    seen = drawn.alpha[0] > 0
    assert seen.any()
    torch.testing.assert_close(drawn.normal[0][seen], expected.expand(int(seen.sum()), 3), rtol=0, atol=1e-6)
    assert not drawn.normal[0][~seen].any()


def test_antialiasing_keeps_the_light_of_a_splat_thinner_than_a_pixel() -> None:
    cameras = double_camera(camera(focal=30.0))
    splat = double(one_splat([0, 0, 3], [0.01, 0.01, 0.01], 0.9, [1, 1, 1]))
    k = cameras.intrinsics[0]
    true = 0.9 * 2 * math.pi * float(k[0, 0] * k[1, 1]) * (0.01 / 3) ** 2
    drawn = rasterize(splat, cameras, antialiased=True, backend="reference").alpha.sum()
    # What falls below 1/255 is lost: most of it, at this size; without fading it would be 18 times too much.
    assert 0.5 * true < float(drawn) <= 1.01 * true
    assert float(rasterize(splat, cameras, backend="reference").alpha.sum()) > 10 * true


def test_splats_behind_the_camera_or_too_near_are_not_drawn() -> None:
    behind = one_splat([0, 0, -2], [0.5, 0.5, 0.5], 0.9, [1, 1, 1])
    near = one_splat([0, 0, 0.005], [0.5, 0.5, 0.5], 0.9, [1, 1, 1])
    assert not rasterize(join(behind, near), camera(), backend="reference").alpha.any()


def dense(splats: Splats, cameras: Cameras) -> Tensor:
    """Every pixel against every splat, with matrices inverted as they stand in the papers."""
    rotation, shift = cameras.cam_from_world[0, :3, :3], cameras.cam_from_world[0, :3, 3]
    points = splats.means @ rotation.T + shift
    k = cameras.intrinsics[0]
    axes = rotation @ matrices_from_quats(splats.quats) * splats.scales[:, None]
    column, row = torch.arange(cameras.width) + 0.5, torch.arange(cameras.height) + 0.5
    pixels = torch.stack(torch.meshgrid(column, row, indexing="xy"), -1).double()
    light, color = torch.ones(pixels.shape[:2]).double(), torch.zeros(*pixels.shape[:2], 3).double()
    for i in points[:, 2].argsort(stable=True):
        x, y, z = points[i]
        if z < 0.01:
            continue
        jacobian = torch.zeros(2, 3).double()
        jacobian[0, 0], jacobian[1, 1] = k[0, 0] / z, k[1, 1] / z
        jacobian[0, 2], jacobian[1, 2] = -k[0, 0] * x / z**2, -k[1, 1] * y / z**2
        half = jacobian @ axes[i]
        inverse = torch.linalg.inv(half @ half.T + BLUR * torch.eye(2).double())
        offset = pixels - torch.stack([k[0, 0] * x / z + k[0, 2], k[1, 1] * y / z + k[1, 2]])
        alpha = splats.opacities[i] * (-0.5 * ((offset @ inverse) * offset).sum(-1)).exp()
        alpha = alpha.clamp(max=0.999) * (alpha >= 1 / 255) * (light >= 1e-4)
        shown = (0.5 + 0.28209479177387814 * splats.sh[i, 0]).clamp(min=0)
        color = color + (light * alpha)[..., None] * shown
        light = light * (1 - alpha)
    return color


@pytest.mark.parametrize("seed", range(4))
def test_tiles_do_not_show(seed: int) -> None:
    # All centres lie in the picture, where the linearisation is not held back.
    cameras = double_camera(turned_camera(camera(width=50, height=37), seed, distance=3.0))
    splats = double(random_splats(40, seed))
    drawn = rasterize(splats, cameras, backend="reference")
    torch.testing.assert_close(drawn.color[0], dense(splats, cameras), rtol=0, atol=1e-9)


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("orthographic", [False, True])
def test_gradients_agree_with_finite_differences(orthographic: bool, antialiased: bool) -> None:
    # Large splats, moderate opacity: no pixel sits at one of the cuts, where there is no derivative.
    torch.manual_seed(3)
    count = 3
    splats = double(random_splats(count, 3, degree=3, size=0.0, spread=0.3))
    splats = replace(splats, opacity_logits=torch.tensor([0.3, -0.2, 0.5]).double())
    cameras = double_camera(turned_camera(camera(6, 5, focal=4.0, orthographic=orthographic), 5, distance=4.0))
    features, background = torch.rand(count, 2).double(), torch.rand(5).double()

    def draw(means, quats, log_scales, opacity_logits, sh, features, background, cam_from_world, intrinsics):
        drawn = rasterize(
            Splats(means, quats, log_scales, opacity_logits, sh),
            replace(cameras, cam_from_world=cam_from_world, intrinsics=intrinsics),
            features=features,
            background=background,
            antialiased=antialiased,
            backend="reference",
        )
        return drawn.color, drawn.alpha, drawn.depth, drawn.normal

    leaves = [getattr(splats, name) for name in LEAVES[:5]]
    leaves += [features, background, cameras.cam_from_world, cameras.intrinsics]
    assert torch.autograd.gradcheck(draw, [leaf.clone().requires_grad_() for leaf in leaves], fast_mode=True)
