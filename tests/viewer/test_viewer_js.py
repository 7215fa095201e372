"""The page's pictures against the Python rasteriser's."""

import base64
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from tests import fakes
from tests.viewer.chromium import Chromium
from tests.viewer.conftest import colorful, motions

from vivant.animate import pose_avatar
from vivant.core.cameras import Cameras, orbit
from vivant.core.images import to_float
from vivant.records import Pose
from vivant.splat import rasterize

SIZE = 384
GREY = 0.5

SHOW = """(() => {
  const { viewer } = vivant, { clip, time, lens } = %s;
  viewer.choose(clip, false);
  viewer.time = time;
  viewer.lens = lens === "photo" ? viewer.record.photo : { ...viewer.lens, ...lens };
  viewer.overlays.shadow = false;
  return viewer.picture(%d, %d, (flat, width, height) => {
    flat.fillStyle = "#808080";
    flat.fillRect(0, 0, width, height);
  }).toDataURL().split(",")[1];
})()"""


def shown(browser: Chromium, clip: int, time: float, lens: dict[str, object] | str) -> torch.Tensor:
    """What the page draws on grey."""
    told = json.dumps({"clip": clip, "time": time, "lens": lens})
    with Image.open(io.BytesIO(base64.b64decode(browser.run(SHOW % (told, SIZE, SIZE))))) as image:
        return to_float(np.array(image.convert("RGB")))


def drawn(pose: Pose, camera: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """What Python draws on grey, and where the figure is."""
    grey = torch.full((3,), 128 / 255)
    rendering = rasterize(pose_avatar(colorful(), pose), camera, background=grey, normals=False)
    return rendering.color[0].clamp(0, 1), rendering.alpha[0] > 0.5


def psnr(a: torch.Tensor, b: torch.Tensor, inside: torch.Tensor) -> float:
    return -10 * math.log10(float((a - b)[inside].square().mean()))


def moment(clip: int, frame: int) -> Pose:
    if clip == 0:
        return colorful().photo_pose
    pose = motions()[clip - 1].pose
    return Pose(pose.local_quats[frame], pose.root[frame])


def orbiting(azimuth: float, elevation: float) -> tuple[Cameras, dict[str, object]]:
    target = torch.tensor([0.05, 0.9, 0.1])
    camera = orbit(
        target, [azimuth], extent=1.9, elevation_deg=elevation, width=SIZE, height=SIZE, fov_deg=26.0, fill=1.0
    )
    focal = 0.5 / math.tan(math.radians(13))
    lens: dict[str, object] = {
        "yaw": math.radians(azimuth), "pitch": math.radians(elevation), "roll": 0, "distance": 1.9 * focal,
        "target": target.tolist(), "focal": focal, "shift": [0, 0], "aspect": 1, "follow": 0,
    }  # fmt: skip
    return camera, lens


@pytest.mark.parametrize(("clip", "frame"), [(0, 0), (1, 17), (2, 5)], ids=["photo", "wave", "walk"])
@pytest.mark.parametrize("azimuth", [25.0, -140.0])
def test_the_page_draws_what_python_draws(opened: Chromium, clip: int, frame: int, azimuth: float) -> None:
    camera, lens = orbiting(azimuth, 11.0)
    expected, inside = drawn(moment(clip, frame), camera)
    found = shown(opened, clip, frame / 10, lens)
    # What is left is quantisation to bytes, in the file and while blending.
    assert psnr(found, expected, inside) > 45
    assert float((found - expected)[~inside].abs().mean()) < 0.002


def test_the_photos_camera_is_the_photos(opened: Chromium) -> None:
    avatar = colorful()
    camera = avatar.photo_camera.resized(round(SIZE * fakes.WIDTH / fakes.HEIGHT), SIZE)
    expected, inside = drawn(avatar.photo_pose, camera)
    found = shown(opened, 0, 0.0, "photo")
    left = (SIZE - camera.width) // 2
    assert psnr(found[:, left : left + camera.width], expected, inside) > 45


def test_the_page_poses_between_frames(opened: Chromium) -> None:
    camera, lens = orbiting(25.0, 11.0)
    expected, inside = drawn(moment(1, 17), camera)
    halfway = shown(opened, 1, 1.75, lens)
    later = shown(opened, 1, 1.8, lens)
    assert psnr(later, expected, inside) < psnr(halfway, expected, inside) < 45


def test_fewer_splats_still_cover_the_person(opened: Chromium) -> None:
    camera, lens = orbiting(25.0, 11.0)
    expected, inside = drawn(moment(1, 17), camera)
    opened.run("vivant.page.setBudget(8)")
    assert opened.run("vivant.viewer.shown") == len(colorful().splats) // 4
    found = shown(opened, 1, 1.7, lens)
    # No background in the middle of the body, and much the same colours.
    assert psnr(found, expected, inside) > 15
    opened.run("vivant.page.setBudget(32)")


def test_splats_are_sorted_by_the_depth_of_their_posed_centres(opened: Chromium) -> None:
    found = opened.run(
        """(() => {
          const { viewer } = vivant;
          viewer.choose(1, false); viewer.time = 1.7; viewer.draw();
          const row = viewer.camera.rows[2], { rest, bones } = viewer, depth = i => {
            let sum = row[3];
            for (let k = 4 * i; k < 4 * i + 4; k++) for (let r = 0; r < 3; r++) {
              const b = viewer.splatJoints[k] * 12 + r * 4;
              sum += viewer.splatWeights[k] * row[r] * (bones[b] * rest[3 * i] + bones[b + 1] * rest[3 * i + 1]
                + bones[b + 2] * rest[3 * i + 2] + bones[b + 3]);
            }
            return sum;
          };
          const order = [...viewer.order.subarray(0, viewer.shown)], depths = order.map(depth);
          const worst = Math.max(...depths.slice(1).map((d, i) => d - depths[i]));
          return { each: new Set(order).size, worst };
        })()"""
    )
    assert found["each"] == len(colorful().splats)
    # Half a micrometre of the sort's steps, and float32.
    assert found["worst"] < 2e-6
