"""The page's pictures against the Python rasteriser's."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.viewer.chromium import Chromium, orbiting
from tests.viewer.conftest import colorful, motions

from vivant.animate import builtin_motion, pose_avatar, with_expressions
from vivant.body import load_anny
from vivant.core.cameras import Cameras
from vivant.records import Avatar, Pose
from vivant.splat import rasterize, sh_from_colors
from vivant.viewer import write_page

SIZE = 384


TARGET = torch.tensor([0.05, 0.9, 0.1])


def drawn(pose: Pose, camera: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """What Python draws on grey, and where the figure is."""
    grey = torch.full((3,), 128 / 255)
    rendering = rasterize(pose_avatar(colorful(), pose), camera, background=grey, normals=False)
    return rendering.color[0].clamp(0, 1), rendering.alpha[0] > 0.5


def psnr(a: torch.Tensor, b: torch.Tensor, inside: torch.Tensor) -> float:
    return -10 * math.log10(float((a - b)[inside].square().mean()))


@pytest.fixture(scope="module")
def talker() -> Avatar:
    """Somebody of freckled skin with blue eyes."""
    avatar = fakes.avatar(30_000)
    eyes = load_anny().face_region[avatar.binding.face] == 1
    colors = torch.where(eyes[:, None], torch.tensor([0.3, 0.5, 0.9]), torch.tensor([0.8, 0.7, 0.6]))
    colors = colors + 0.15 * torch.sin(300 * avatar.splats.means)
    scales = torch.full_like(avatar.splats.log_scales, 0.004).log()
    return replace(avatar, splats=replace(avatar.splats, sh=sh_from_colors(colors), log_scales=scales))


def test_faces_speak_and_blink_in_the_page_as_in_films(
    chromium: Chromium, talker: Avatar, tmp_path: Path
) -> None:
    talk = builtin_motion("talk", talker.rig, fps=15.0)
    assert talk.actions is not None
    write_page(talker, tmp_path / "talker.html", [talk])
    chromium.resize(300, 300)
    chromium.open((tmp_path / "talker.html").as_uri())
    chromium.run("vivant.page.play(false)")
    ready, face = with_expressions(talker, talk.action_names)
    for action in ("eyeBlinkLeft", "jawOpen"):
        frame = int(talk.actions[:, talk.action_names.index(action)].argmax())
        pose = Pose(talk.pose.local_quats[frame], talk.pose.root[frame])
        still = pose_avatar(ready, pose)
        head = still.means[still.means[:, 1] > still.means[:, 1].max() - 0.25].mean(0)
        camera, lens = orbiting(15.0, 0.0, head, 0.3, SIZE)
        found = chromium.person(1, frame / 15, lens, SIZE)
        moved = pose_avatar(ready, pose, face, talk.actions[frame])
        pictures = [
            rasterize(s, camera, background=torch.full((3,), 128 / 255), normals=False) for s in (moved, still)
        ]
        expected, unmoved = (picture.color[0].clamp(0, 1) for picture in pictures)
        # Where the face moves: all else would hide what is wrong there.
        changed = (expected - unmoved).abs().amax(-1) > 0.05
        assert int(changed.sum()) > 500
        assert psnr(found, expected, changed) > 33 > 25 > psnr(unmoved, expected, changed)
    chromium.run("vivant.viewer.choose(0, false); vivant.viewer.draw()")
    assert chromium.run("vivant.viewer.faceFloats.every((x, k) => k % 4 === 3 || x === 0)")


def moment(clip: int, frame: int) -> Pose:
    if clip == 0:
        return colorful().photo_pose
    pose = motions()[clip - 1].pose
    return Pose(pose.local_quats[frame], pose.root[frame])


@pytest.mark.parametrize(("clip", "frame"), [(0, 0), (1, 17), (2, 5)], ids=["photo", "wave", "walk"])
@pytest.mark.parametrize("azimuth", [25.0, -140.0])
def test_the_page_draws_what_python_draws(opened: Chromium, clip: int, frame: int, azimuth: float) -> None:
    camera, lens = orbiting(azimuth, 11.0, TARGET, 1.9, SIZE)
    expected, inside = drawn(moment(clip, frame), camera)
    found = opened.person(clip, frame / 10, lens, SIZE)
    # What is left is quantisation to bytes, in the file and while blending.
    assert psnr(found, expected, inside) > 45
    assert float((found - expected)[~inside].abs().mean()) < 0.002


def test_splats_stretch_in_the_page_as_in_films(chromium: Chromium, tmp_path: Path) -> None:
    avatar = fakes.avatar(20_000)
    flat = torch.tensor([0.008, 0.008, 0.0015]).log().expand(len(avatar.splats), 3)
    colors = 0.5 + 0.4 * torch.sin(60 * avatar.splats.means)
    avatar = replace(avatar, splats=replace(avatar.splats, log_scales=flat, sh=sh_from_colors(colors)))
    bend = builtin_motion("range_of_motion", avatar.rig, fps=10.0)
    write_page(avatar, tmp_path / "bend.html", [bend])
    chromium.resize(300, 300)
    chromium.open((tmp_path / "bend.html").as_uri())
    chromium.run("vivant.page.play(false)")
    for frame in (94, 229):
        pose = Pose(bend.pose.local_quats[frame], bend.pose.root[frame])
        camera, lens = orbiting(25.0, 8.0, TARGET, 1.9, SIZE)
        found = chromium.person(1, frame / 10, lens, SIZE)
        expected, stiff = (
            rasterize(
                pose_avatar(avatar, pose, stretch=stretch),
                camera,
                background=torch.full((3,), 128 / 255),
                normals=False,
            ).color[0]
            for stretch in (True, False)
        )
        # Where it matters: all else would hide what is wrong there. The page's net is coarser than the skin.
        changed = (expected - stiff).abs().amax(-1) > 0.05
        assert int(changed.sum()) > 100
        assert psnr(found, expected, changed) > psnr(found, stiff, changed) + 2


def test_the_photos_camera_is_the_photos(opened: Chromium) -> None:
    avatar = colorful()
    camera = avatar.photo_camera.resized(round(SIZE * fakes.WIDTH / fakes.HEIGHT), SIZE)
    expected, inside = drawn(avatar.photo_pose, camera)
    found = opened.person(0, 0.0, "photo", SIZE)
    left = (SIZE - camera.width) // 2
    assert psnr(found[:, left : left + camera.width], expected, inside) > 45


def test_the_page_poses_between_frames(opened: Chromium) -> None:
    camera, lens = orbiting(25.0, 11.0, TARGET, 1.9, SIZE)
    expected, inside = drawn(moment(1, 17), camera)
    halfway = opened.person(1, 1.75, lens, SIZE)
    later = opened.person(1, 1.8, lens, SIZE)
    assert psnr(later, expected, inside) < psnr(halfway, expected, inside) < 45


def test_fewer_splats_still_cover_the_person(opened: Chromium) -> None:
    camera, lens = orbiting(25.0, 11.0, TARGET, 1.9, SIZE)
    expected, inside = drawn(moment(1, 17), camera)
    opened.run("vivant.page.setBudget(8)")
    assert opened.run("vivant.viewer.shown") == len(colorful().splats) // 4
    found = opened.person(1, 1.7, lens, SIZE)
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
