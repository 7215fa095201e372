import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vivant.core.errors import BadFileError, BadInputError
from vivant.networks.lpips import Lpips, load_lpips

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def golden() -> tuple[dict, object]:
    """What the lpips package gave, and the script that asked it."""
    spec = importlib.util.spec_from_file_location("golden_lpips", ROOT / "tools" / "golden_lpips.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    with np.load(ROOT / "tests" / "golden" / "lpips.npz", allow_pickle=False) as data:
        return dict(data), script


@pytest.fixture(scope="module")
def network(golden: tuple, tmp_path_factory: pytest.TempPathFactory) -> Lpips:
    stored, script = golden
    shapes = {name: torch.Size(value.tolist()) for name, value in stored.items() if "." in name}
    tensors = {
        name: script.made_up(name.replace("lins.", "lin"), shape)
        for name, shape in shapes.items()
        if name.endswith(("weight", "bias"))
    }
    path = tmp_path_factory.mktemp("lpips") / "lpips.safetensors"
    save_file(tensors, path)
    return load_lpips(path)


def test_it_agrees_with_the_lpips_package(golden: tuple, network: Lpips) -> None:
    stored, script = golden
    a, b = script.pictures()
    assert float(network(a, b)) == pytest.approx(float(stored["value"]), rel=1e-4)


def test_equal_pictures_have_no_distance_and_unequal_ones_have(network: Lpips) -> None:
    a = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert network(a, a).tolist() == [0.0, 0.0]
    assert bool((network(a, a.flip(3)) > 0).all())


def test_pictures_that_are_too_small_are_refused(network: Lpips) -> None:
    with pytest.raises(BadInputError, match="at least 32"):
        network(torch.rand(1, 3, 16, 64), torch.rand(1, 3, 16, 64))


def test_other_files_are_refused_with_how_to_make_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="does not exist.*save_file"):
        load_lpips(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(BadFileError, match=r"lpips\.LPIPS"):
        load_lpips(tmp_path / "text.safetensors")
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(BadFileError, match="KeyError"):
        load_lpips(tmp_path / "other.safetensors")
