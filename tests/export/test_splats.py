from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.core.errors import BadInputError
from vivant.export import write_splats
from vivant.splat.ply import read_ply


def test_the_splats_come_back(tmp_path: Path) -> None:
    write_splats(fakes.avatar(), tmp_path / "me.ply")
    back = read_ply(tmp_path / "me.ply")
    torch.testing.assert_close(back.means, fakes.avatar().splats.means)
    torch.testing.assert_close(back.sh, fakes.avatar().splats.sh)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"'\.obj'.*\.ply"):
        write_splats(fakes.avatar(), tmp_path / "me.obj")
    assert list(tmp_path.iterdir()) == []
