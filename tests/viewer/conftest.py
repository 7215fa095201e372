import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.viewer.chromium import Chromium, find_chromium

from vivant.animate import builtin_motion
from vivant.body import surface_points
from vivant.body.surface import interpolate_skin
from vivant.core.cameras import Cameras
from vivant.core.rotations import normalize_quats
from vivant.records import Avatar, Binding, Motion, Origin, Pose, Splats
from vivant.splat import sh_from_colors
from vivant.viewer import write_page

HOSTILE = "</script><script>document.title='caught'</script>{{script}}<img src=x onerror=alert(1)>"


@functools.lru_cache(maxsize=2)
def colorful(count: int = 6000) -> Avatar:
    """Flat splats of many colours, sizes and opacities all over the body, in a turned and rolled camera."""
    generator = torch.Generator().manual_seed(0)
    rig = fakes.rig()
    points = surface_points(rig.verts, rig.faces, count, seed=0)
    means = points.interpolate(rig.faces, rig.verts)
    joints, weights = interpolate_skin(points, rig.faces, rig.skin_joints, rig.skin_weights)
    noise = torch.rand(count, 7, generator=generator)
    colors = 0.5 + 0.35 * torch.sin(14 * means + torch.arange(3)) + 0.15 * (noise[:, :3] * 2 - 1)
    splats = Splats(
        means=means,
        quats=normalize_quats(torch.randn(count, 4, generator=generator)),
        log_scales=(0.004 + 0.014 * noise[:, 3:6]).log(),
        opacity_logits=(0.4 + 0.58 * noise[:, 6]).logit(),
        sh=sh_from_colors(colors.clamp(0, 1)),
    )
    binding = Binding(points.face, points.barycentric, torch.zeros(count, 3), joints, weights)
    origin = Origin("quick", "", "", (), (), (HOSTILE, "The back is guessed."))
    wave = builtin_motion("wave", rig, fps=10.0)
    return replace(
        fakes.avatar(),
        splats=splats,
        binding=binding,
        trust=torch.ones(count),
        origin=origin,
        photo_pose=Pose(wave.pose.local_quats[20], wave.pose.root[20] + torch.tensor([0.3, 0.0, -0.2])),
        photo_camera=tilted(),
    )


def tilted() -> Cameras:
    """A camera that rolls a little and looks past the middle of its picture."""
    camera = fakes.camera()
    roll = torch.eye(4)
    roll[:2, :2] = torch.tensor([[0.995, -0.0998749], [0.0998749, 0.995]])
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, 0, 2] += 6.0
    intrinsics[:, 1, 2] -= 4.0
    return Cameras(roll @ camera.cam_from_world, intrinsics, camera.width, camera.height)


@functools.lru_cache(maxsize=1)
def motions() -> tuple[Motion, ...]:
    """A loop at a low rate, a jump that does not loop, and a walk across the room."""
    wave, walk = (builtin_motion(name, fakes.rig(), fps=10.0) for name in ("wave", "walk"))
    away = torch.linspace(0, 3, len(walk))[:, None] * torch.tensor([0.0, 0.0, 1.0])
    across = Pose(walk.pose.local_quats, walk.pose.root + away)
    return wave, Motion("walk_<across>", across, 10.0, loops=False)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a person of many colours, a loop and a walk across."""
    path = tmp_path_factory.mktemp("page") / "me.html"
    write_page(colorful(), path, motions(), title=HOSTILE)
    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests that need one."""
    if find_chromium() is None:
        pytest.skip("there is no Chromium on this machine")
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def opened(chromium: Chromium, page: Path) -> Chromium:
    """The browser with the page open in a small window, standing still."""
    chromium.resize(480, 480)
    chromium.open(page.as_uri())
    chromium.run("vivant.page.play(false)")
    return chromium
