from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.animate import builtin_motion, motion_named, save_motion
from vivant.core.errors import BadInputError


@pytest.fixture
def one_pose(tmp_path: Path) -> Path:
    save_motion(builtin_motion("wave", fakes.rig(), fps=12.0).cut(1), fakes.rig(), tmp_path / "one.motion")
    return tmp_path / "one.motion"


@pytest.mark.parametrize("seconds, frames", [(None, 24), (0.5, 6)])
def test_a_file_of_a_single_pose_holds_it(one_pose: Path, seconds: float | None, frames: int) -> None:
    motion, _ = motion_named(str(one_pose), fakes.rig(), seconds)
    assert len(motion) == frames
    quats = motion.pose.local_quats
    assert torch.equal(quats, quats[:1].expand_as(quats))


def test_a_pose_cannot_be_held_for_no_time(one_pose: Path) -> None:
    with pytest.raises(BadInputError, match="frames"):
        motion_named(str(one_pose), fakes.rig(), 0.0)
