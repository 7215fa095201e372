"""The script that measures real people reads their cameras right."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tests import fakes

from vivant.core.errors import BadFileError
from vivant.records import BODY_POINTS

CAMERA = """<camera serial="cam{number}"><transform {transform}/><intrinsic focalLengthU="64000"
focalLengthV="64000" centerPointU="32000" centerPointV="51200" radialDistortion1="-0.05"
radialDistortion2="0.14" tangentalDistortion1="0.001" tangentalDistortion2="-0.002" sensorMinU="0"/></camera>"""


def stands(place: tuple[int, int, int], *axes: tuple[int, int, int]) -> str:
    """Millimetres, and the camera's right, up and backward axes."""
    turn = " ".join(f'r{i}{j}="{v}"' for i, axis in enumerate(axes, 1) for j, v in enumerate(axis, 1))
    return " ".join(f'{name}="{value}"' for name, value in zip("xyz", place, strict=True)) + " " + turn


ASIDE = stands((3000, 0, 1000), (0, 1, 0), (0, 0, 1), (1, 0, 0))
"""Looks along -x."""

FRONT = stands((0, -3000, 1000), (1, 0, 0), (0, 0, 1), (0, -1, 0))
"""Looks along y."""

BACK = stands((0, 3000, 1000), (-1, 0, 0), (0, 0, 1), (0, 1, 0))
"""Looks along -y."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "bench_real_people.py"
    spec = importlib.util.spec_from_file_location("bench_real_people", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_real_people"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    cameras = [CAMERA.format(number=n, transform=t) for n, t in enumerate((ASIDE, FRONT, BACK), 1)]
    path = tmp_path / "Calib.qca.txt"
    path.write_text(f"<calibration><cameras>{''.join(cameras)}</cameras></calibration>")
    return path


def test_cameras_stand_and_look_as_calibrated(script: ModuleType, calibration: Path) -> None:
    aside, front, _ = script.read_lenses(calibration)
    # Half a metre up and to the +y side, which is the right of who looks along -x.
    place = torch.tensor([0.0, 0.5, 1.5, 1.0])
    assert (aside.cam_from_world @ place).tolist() == pytest.approx([0.5, -0.5, 3.0, 1.0], abs=1e-6)
    assert aside.intrinsics[0].tolist() == [1000, 0, 500]
    assert (front.cam_from_world @ place).tolist() == pytest.approx([0.0, -0.5, 3.5, 1.0], abs=1e-6)


def test_bending_is_undone(script: ModuleType, calibration: Path) -> None:
    lens = script.read_lenses(calibration)[0]
    rays = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) - 0.5
    bent = lens.bend(rays)
    assert float((bent - rays).abs().max()) > 0.002
    pixels = bent * lens.intrinsics.diagonal()[:2] + lens.intrinsics[:2, 2]
    assert float((lens.rays(pixels) - rays).abs().max()) < 1e-4


def test_points_seen_by_all_cameras_are_found_in_space(script: ModuleType, calibration: Path) -> None:
    lenses = script.read_lenses(calibration)
    truth = torch.rand(12, 3, generator=torch.Generator().manual_seed(1)) + torch.tensor([-0.5, -0.5, 0.5])
    people = []
    for lens in lenses:
        seen = torch.zeros(33, 2)
        seen[[BODY_POINTS.index(name) for name in script.MAIN]] = script._pixels(lens, truth)
        enlarged = torch.diag(torch.tensor([0.5, 0.5, 1.0]))
        people.append(
            replace(fakes.person(), keypoints=2 * seen, confidence=torch.ones(33), photo_from_image=enlarged)
        )
    points, error = script.triangulate(lenses, people)
    assert float((points - truth).abs().max()) < 1e-3
    assert float(error.max()) < 0.5


def test_other_files_are_refused(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no calibration")
    with pytest.raises(BadFileError, match="no calibration of Qualisys"):
        script.read_lenses(tmp_path / "text")
    (tmp_path / "few").write_text(f"<c>{CAMERA.format(number=1, transform=ASIDE)}</c>")
    with pytest.raises(BadFileError, match="1 cameras"):
        script.read_lenses(tmp_path / "few")
