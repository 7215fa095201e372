"""The door, and the compiled backend against the plain one."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.splat.scenes import camera, draw_with_gradients, join, one_splat, random_splats, turned_camera

from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.core.rotations import multiply_quats
from vivant.records import Rendering, Splats
from vivant.splat import rasterize

PICTURES = ("color", "alpha", "depth", "normal")


def count_flips(fast: Rendering, slow: Rendering, atol: float = 5e-5) -> int:
    """Pixels that differ by more than rounding: the cuts (1/255, 1e-4 of light, a normal's sign) flip some."""
    wrong = torch.zeros_like(slow.alpha, dtype=torch.bool)
    for name in PICTURES:
        difference = (getattr(fast, name) - getattr(slow, name)).abs()
        wrong |= (difference if difference.ndim == 3 else difference.amax(-1)) > atol
    return int(wrong.sum())


def compare(splats: Splats, cameras: Cameras, *, flips: int = 2, tolerance: float = 1e-4, **options) -> None:
    """The compiled backend in float32 against the reference in float64, pictures and gradients."""
    fast, found = draw_with_gradients(splats, cameras, "numba", torch.float32, **options)
    slow, expected = draw_with_gradients(splats, cameras, "reference", torch.float64, **options)
    flipped = count_flips(fast, slow)
    assert flipped <= flips
    # A pixel that is cut in one and not in the other brings a small but whole gradient of its own.
    tolerance = tolerance if not flipped else 5e-3
    for name, gradient in expected.items():
        error = float((found[name] - gradient).norm() / gradient.norm().clamp(min=1e-6))
        assert error < tolerance, f"{name} is off by {error:.1e}, {flipped} pixels flipped"


@given(
    count=st.sampled_from([0, 1, 2, 7, 8, 9, 60, 300]),
    seed=st.integers(0, 1000),
    degree=st.integers(0, 3),
    size=st.sampled_from([-4.0, -2.5, -1.0]),
    orthographic=st.booleans(),
    antialiased=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_compiled_kernels_draw_what_the_reference_draws(
    count: int, seed: int, degree: int, size: float, orthographic: bool, antialiased: bool
) -> None:
    cameras = turned_camera(
        camera(90, 70, focal=35.0 if orthographic else 80.0, orthographic=orthographic), seed
    )
    splats = random_splats(count, seed, degree, size)
    fast, slow = (
        rasterize(splats, cameras, antialiased=antialiased, backend=backend)
        for backend in ("numba", "reference")
    )
    # One pixel in some thousands of a splat's rim sits within rounding of a cut.
    assert count_flips(fast, slow) <= count // 20


@given(
    count=st.sampled_from([0, 1, 2, 7, 8, 9, 60]),
    seed=st.integers(0, 1000),
    degree=st.integers(0, 3),
    size=st.sampled_from([-4.0, -2.5, -1.0]),
    orthographic=st.booleans(),
    antialiased=st.booleans(),
)
@settings(max_examples=20, deadline=None)
def test_compiled_gradients_of_any_scene_are_those_of_the_reference(
    count: int, seed: int, degree: int, size: float, orthographic: bool, antialiased: bool
) -> None:
    cameras = turned_camera(
        camera(50, 40, focal=20.0 if orthographic else 45.0, orthographic=orthographic), seed
    )
    splats = random_splats(count, seed, degree, size)
    options = {"features": torch.rand(count, 2), "background": torch.rand(5), "antialiased": antialiased}
    compare(splats, cameras, flips=count // 10, **options)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("orthographic", [False, True])
@pytest.mark.parametrize("antialiased", [False, True])
def test_compiled_gradients_are_those_of_the_reference(
    degree: int, orthographic: bool, antialiased: bool
) -> None:
    cameras = turned_camera(camera(90, 70, focal=35.0 if orthographic else 80.0, orthographic=orthographic), 4)
    splats = random_splats(120, 5 + degree, degree)
    options = {"features": torch.rand(120, 6), "background": torch.rand(9), "antialiased": antialiased}
    compare(splats, cameras, **options)


@pytest.mark.parametrize("outputs", [("color",), ("alpha",), ("depth",), ("normal",)])
def test_each_picture_alone_has_right_gradients(outputs: tuple[str, ...]) -> None:
    cameras = turned_camera(camera(90, 70, focal=80.0), 1)
    compare(random_splats(100, 3, 1), cameras, outputs=outputs)


def test_gradients_of_several_views_add_up() -> None:
    views = orbit(torch.zeros(3), [10.0, 100.0, 230.0], extent=2.5, width=50, height=40)
    splats, background = random_splats(80, 8, 2), torch.rand(3, 3)
    compare(splats, views, background=background)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, math.pi / 3, math.pi / 2])
@pytest.mark.parametrize("length", [0.05, 1.0, 20.0])
def test_needles_are_neither_broken_nor_wrong(angle: float, length: float) -> None:
    """A recurrence that underflows draws long thin splats with plausible gaps; conics cancel in float32."""
    turn = torch.tensor([[math.cos(angle / 2), 0, 0, math.sin(angle / 2)]])
    needle = replace(one_splat([0.05, -0.02, 2], [length, 0.002, 0.002], 0.9, [0.9, 0.5, 0.2]), quats=turn)
    cameras = camera(200, 190, focal=200.0)
    fast, found = draw_with_gradients(needle, cameras, "numba", torch.float32)
    slow, expected = draw_with_gradients(needle, cameras, "reference", torch.float64)
    assert count_flips(fast, slow) == 0
    # A derivative along the needle is a small difference of large sums, in any arithmetic: it is measured
    # against the whole gradient.
    for name in ("opacity_logits", "sh", "means", "log_scales", "quats", "cam_from_world"):
        error = float((found[name] - expected[name]).norm() / expected[name].norm())
        assert error < 1e-4, f"{name} is off by {error:.1e}"


@given(
    length=st.floats(0.05, 50),
    radii=st.tuples(st.floats(0.0005, 0.01), st.floats(0.0005, 0.01)),
    angle=st.one_of(st.sampled_from([0.0, 30.0, 45.0, 60.0, 89.0, 90.0]), st.floats(0, 180)),
    lean=st.one_of(st.sampled_from([0.0, 30.0, 60.0, 85.0, 89.0]), st.floats(0, 90)),
    place=st.tuples(st.floats(-3, 3), st.floats(-1, 1), st.floats(0.5, 6)),
    orthographic=st.booleans(),
    antialiased=st.booleans(),
)
@settings(max_examples=12, deadline=None)
def test_gradients_of_any_needle_are_those_of_the_reference(
    length: float, radii: tuple[float, float], angle: float, lean: float, place: tuple[float, float, float],
    orthographic: bool, antialiased: bool,
) -> None:  # fmt: skip
    """Whichever way it points, along the ray too, and whether its centre is in the picture or far beside it."""
    turn, tilt = math.radians(angle) / 2, math.radians(lean) / 2
    quat = multiply_quats(
        torch.tensor([[math.cos(turn), 0, 0, math.sin(turn)]]),
        torch.tensor([[math.cos(tilt), 0, math.sin(tilt), 0]]),
    )
    needle = replace(one_splat([*place], [length, *radii], 0.9, [0.9, 0.5, 0.2]), quats=quat)
    cameras = camera(200, 190, focal=80.0 if orthographic else 200.0, orthographic=orthographic)
    # Of a sum of a thousand random terms one weighting may leave nothing by chance: four are taken together.
    compare(needle, cameras, antialiased=antialiased, weightings=4)


def test_a_splat_larger_than_the_picture_is_drawn_right() -> None:
    huge = one_splat([0.5, 0.2, 3], [30, 40, 25], 0.8, [0.9, 0.5, 0.2])
    compare(join(huge, random_splats(30, 3)), turned_camera(camera(150, 140, focal=90.0), 2), flips=3)


def test_a_splat_too_large_for_its_numbers_is_left_out() -> None:
    splats = replace(one_splat([0, 0, 2], [1, 1, 1], 0.9, [1, 1, 1]), log_scales=torch.full((1, 3), 60.0))
    for backend in ("numba", "reference"):
        drawn, gradients = draw_with_gradients(splats, camera(), backend, torch.float32)
        assert not drawn.alpha.any()
        assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values())


@pytest.mark.parametrize("logit", [-40.0, 40.0, -math.log(254.0) - 0.01])
def test_opacities_at_their_ends_are_right(logit: float) -> None:
    splats = replace(random_splats(20, 6), opacity_logits=torch.full((20,), logit))
    cameras = turned_camera(camera(60, 50, focal=60.0), 3)
    compare(splats, cameras)
    assert bool(rasterize(splats, cameras).alpha.any()) == (logit > 0)


def test_splats_at_and_behind_the_camera_have_no_gradient() -> None:
    behind = one_splat([0.1, 0, -2], [0.5, 0.5, 0.5], 0.9, [1, 1, 1])
    at = one_splat([0.1, 0, 0], [0.5, 0.5, 0.5], 0.9, [1, 1, 1])
    before = one_splat([0.1, 0, 2], [0.1, 0.1, 0.1], 0.9, [1, 1, 1])
    drawn, gradients = draw_with_gradients(join(behind, at, before), camera(), "numba", torch.float32)
    for name in ("means", "quats", "log_scales", "opacity_logits", "sh"):
        assert not gradients[name][:2].any()
        assert bool(torch.isfinite(gradients[name]).all())
    assert gradients["means"][2].any()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    # Two views, four tiles, more splats than one chunk of the camera's gradient.
    views = orbit(torch.zeros(3), [10.0, 100.0], extent=2.5, width=130, height=90)
    splats = random_splats(1500, 11, 1, size=-3.5)
    # Some are long: projected in float64, though their neighbours are not.
    splats.log_scales[::29, 1] = 0.5
    pictures, gradients = zip(
        *(
            draw_with_gradients(
                splats, views, "numba", torch.float32, features=torch.ones(1500, 2), threads=threads
            )
            for threads in (1, 2, 5)
        ),
        strict=True,
    )
    for other in (1, 2):
        for name in PICTURES:
            assert torch.equal(getattr(pictures[0], name), getattr(pictures[other], name))
        for name, gradient in gradients[0].items():
            assert torch.equal(gradient, gradients[other][name])


def test_splats_of_equal_depth_keep_their_order() -> None:
    red, green = (
        one_splat([0, 0, 2], [0.3, 0.3, 0.3], 0.9, color) for color in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    )
    for backend in ("numba", "reference"):
        first, second = (
            rasterize(join(*parts), camera(), backend=backend).color
            for parts in ([red] * 3 + [green] * 3, [green] * 3 + [red] * 3)
        )
        assert bool((first[..., 0] >= first[..., 1]).all())
        assert torch.equal(first[..., :2], second[..., :2].flip(-1))


def test_a_graph_may_be_walked_twice_while_other_pictures_are_drawn() -> None:
    cameras = turned_camera(camera(), 1)
    splats = random_splats(30, 1)
    means = splats.means.clone().requires_grad_()
    drawn = rasterize(replace(splats, means=means), cameras).color.sum()
    first = torch.autograd.grad(drawn, means, retain_graph=True)[0]
    rasterize(random_splats(300, 2), cameras)
    assert torch.equal(torch.autograd.grad(drawn, means)[0], first)


def test_colors_darker_than_black_learn_nothing() -> None:
    dark = one_splat([0, 0, 2], [0.3, 0.3, 0.3], 0.9, [-0.5, 0.5, 0.5])
    drawn, gradients = draw_with_gradients(dark, camera(), "numba", torch.float32)
    assert not drawn.color[..., 0].any()
    assert not gradients["sh"][..., 0].any()
    assert gradients["sh"][..., 1:].all()


def test_features_are_appended_and_composited_on_their_background() -> None:
    cameras = turned_camera(camera(), 1)
    splats = random_splats(50, 4)
    colors = (0.5 + 0.28209479177387814 * splats.sh[:, 0]).clamp(min=0)
    background = torch.tensor([0.2, 0.4, 0.6])
    drawn = rasterize(splats, cameras, features=colors, background=background.repeat(2))
    assert drawn.color.shape == (1, 24, 32, 6)
    torch.testing.assert_close(drawn.color[..., 3:], drawn.color[..., :3])
    unlit = rasterize(splats, cameras, features=colors, background=background)
    expected = drawn.color[..., 3:] - (1 - drawn.alpha)[..., None] * background
    torch.testing.assert_close(unlit.color[..., 3:], expected, rtol=0, atol=1e-6)


def test_normals_may_be_left_out() -> None:
    splats, cameras = random_splats(50, 4), turned_camera(camera(), 1)
    with_normals, without = (rasterize(splats, cameras, normals=normals) for normals in (True, False))
    assert torch.equal(with_normals.color, without.color)
    assert with_normals.normal.any()
    assert without.normal.shape == with_normals.normal.shape
    assert not without.normal.any()


def test_no_splats_leave_the_background() -> None:
    background = torch.tensor([0.2, 0.4, 0.6])
    drawn = rasterize(random_splats(0, 0), camera(), background=background)
    assert torch.equal(drawn.color, background.expand(1, 24, 32, 3))
    assert not drawn.alpha.any()


@pytest.mark.parametrize("name", ["means", "quats", "log_scales", "opacity_logits", "sh"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_that_are_none_are_refused_by_name(name: str, bad: float) -> None:
    splats = random_splats(5, 0)
    value = getattr(splats, name).clone()
    value.view(-1)[3] = bad
    with pytest.raises(BadInputError, match=f"`{name}` has 1 of {value.numel()} values that are not finite"):
        rasterize(replace(splats, **{name: value}), camera())


def test_numbers_beyond_the_kernels_are_refused() -> None:
    splats = random_splats(5, 0)
    doubled = Splats(**{name: value.double() for name, value in vars(splats).items()})
    doubled.means[2] = 1e300
    with pytest.raises(BadInputError, match="beyond 3e38"):
        rasterize(doubled, camera(), backend="numba")


def test_what_does_not_fit_is_refused() -> None:
    splats, cameras = random_splats(5, 0), camera()
    with pytest.raises(BadInputError, match="`sh` has 3 bands"):
        rasterize(replace(splats, sh=torch.zeros(5, 3, 3)), cameras)
    with pytest.raises(BadInputError, match="5 splats, 4 features"):
        rasterize(splats, cameras, features=torch.zeros(4, 2))
    with pytest.raises(BadInputError, match="background.*shape"):
        rasterize(splats, cameras, background=torch.zeros(4))
    with pytest.raises(BadInputError, match="background"):
        rasterize(splats, cameras, background=torch.zeros(2, 3))
    with pytest.raises(BadInputError, match="20000 x 24"):
        rasterize(splats, replace(cameras, width=20000))
    with pytest.raises(BadInputError, match="intrinsics"):
        rasterize(splats, replace(cameras, intrinsics=cameras.intrinsics * math.nan))


def test_a_hundred_thousand_splats_are_drawn() -> None:
    splats = random_splats(100_000, 1, size=-5.5)
    cameras = turned_camera(camera(96, 96, focal=90.0), 1)
    fast, slow = (rasterize(splats, cameras, backend=backend) for backend in ("numba", "reference"))
    # Many thousand blended pairs of pixel and splat sit near the cuts: more flips, each of at most 1/255.
    assert count_flips(fast, slow) <= 50


def test_gradients_of_a_hundred_thousand_splats_are_right() -> None:
    splats = random_splats(100_000, 1, size=-5.5)
    compare(splats, turned_camera(camera(64, 64, focal=60.0), 1), flips=50)


def test_what_lies_beside_the_picture_is_left_out() -> None:
    inside = one_splat([0, 0, 2], [0.1, 0.1, 0.1], 0.9, [1, 1, 1])
    beside = one_splat([9, 0, 2], [0.1, 0.1, 0.1], 0.9, [1, 1, 1])
    for backend in ("numba", "reference"):
        alone, both = (
            rasterize(splats, camera(), backend=backend) for splats in (inside, join(inside, beside))
        )
        assert torch.equal(alone.color, both.color)
        _, gradients = draw_with_gradients(join(inside, beside), camera(), backend, torch.float32)
        assert gradients["means"][0].any() and not gradients["means"][1].any()
