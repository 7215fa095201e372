import pytest
import torch

from vivant.core.cameras import Cameras, look_at, orbit, project
from vivant.core.errors import BadInputError


def test_the_front_camera_shows_the_persons_left_on_the_right() -> None:
    camera = orbit(torch.tensor([0.0, 1.0, 0.0]), [0.0], extent=1.8)
    pixels, depth = project(torch.tensor([[0.0, 1.0, 0.0], [0.3, 1.0, 0.0], [0.0, 1.5, 0.0]]), camera)
    assert torch.allclose(pixels[0], torch.tensor([256.0, 256.0]), atol=1e-3)
    assert pixels[1, 0] > 256
    assert pixels[2, 1] < 256
    assert bool((depth > 0).all())


def test_extent_fills_the_asked_part_of_the_height() -> None:
    camera = orbit(torch.zeros(3), [30.0], extent=2.0, fill=0.8, height=600)
    pixels, _ = project(torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]), camera)
    assert float(pixels[1, 1] - pixels[0, 1]) == pytest.approx(480, rel=1e-4)


def test_ninety_degrees_looks_from_the_persons_left() -> None:
    camera = orbit(torch.zeros(3), [90.0], extent=1.0)
    assert float(camera.centers_world[0, 0]) > 1
    pixels, _ = project(torch.tensor([[0.0, 0.0, 0.2]]), camera)
    assert pixels[0, 0] < 256


def test_cameras_are_rigid_and_right_handed() -> None:
    matrix = look_at(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.0, 1.0, 0.0]))
    assert torch.allclose(matrix[:3, :3] @ matrix[:3, :3].T, torch.eye(3), atol=1e-6)
    assert float(torch.linalg.det(matrix)) == pytest.approx(1, abs=1e-5)


def test_looking_straight_down_is_refused() -> None:
    with pytest.raises(BadInputError):
        look_at(torch.tensor([0.0, 2.0, 0.0]), torch.zeros(3))


def test_resizing_keeps_where_things_are() -> None:
    camera = orbit(torch.zeros(3), [10.0], extent=1.0, width=400, height=400)
    point = torch.tensor([[0.1, 0.2, 0.1]])
    small, _ = project(point, camera.resized(100, 200))
    large, _ = project(point, camera)
    assert torch.allclose(small * torch.tensor([4.0, 2.0]), large, atol=1e-3)


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(BadInputError, match="0 x 4"):
        Cameras(torch.eye(4)[None], torch.eye(3)[None], 0, 4)


def test_an_integer_keeps_the_views_axis() -> None:
    cameras = orbit(torch.zeros(3), [0.0, 90.0, 180.0], extent=1.0)
    assert len(cameras[1]) == 1
    assert len(cameras[-1]) == 1
    assert torch.equal(cameras[-1].cam_from_world[0], cameras.cam_from_world[2])
