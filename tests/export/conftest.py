import functools
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.animate import builtin_motion
from vivant.export import texture
from vivant.export.figure import Figure, make_figure
from vivant.records import Motion

ROOT = Path(__file__).parents[2]

SCRIPT = """
const validator = require('gltf-validator'), fs = require('fs');
validator.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1])))
  .then(report => console.log(JSON.stringify(report.issues)));
"""


@pytest.fixture(scope="session")
def validate() -> Callable[[Path], dict]:
    """The Khronos glTF validator; gives its issues."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here, so the Khronos glTF validator cannot run")
    found = subprocess.run([node, "-e", "require.resolve('gltf-validator')"], cwd=ROOT, capture_output=True)
    if found.returncode:
        pytest.skip("gltf-validator is not here: run `npm install --no-save gltf-validator`")

    def run(path: Path) -> dict:
        told = subprocess.run(
            [node, "-e", SCRIPT, str(path)], cwd=ROOT, capture_output=True, check=True, text=True
        )
        return json.loads(told.stdout)

    return run


@functools.lru_cache(maxsize=1)
def _figure() -> Figure:
    return make_figure(fakes.avatar(), (), 64)


@pytest.fixture
def quick_texture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and small drawings."""
    monkeypatch.setattr(texture, "AROUND", ((0.0, 4), (80.0, 1), (-80.0, 1)))
    monkeypatch.setattr(texture, "PICTURE", 128)


@pytest.fixture
def wave() -> Motion:
    return builtin_motion("wave", fakes.rig(), 1.0, 10.0)


@pytest.fixture
def figure(quick_texture: None, wave: Motion) -> Figure:
    """Of a red person, with a clip."""
    still = _figure()
    return Figure(
        still.mesh,
        still.texture,
        still.joint_names,
        still.joint_parents,
        still.joints_world,
        (wave,),
        still.face,
    )


def world_from_nodes(nodes: list[dict], local: dict[int, torch.Tensor]) -> list[torch.Tensor]:
    """Each node's transform, its own replaced where one is given."""
    worlds: list[torch.Tensor] = [torch.eye(4)] * len(nodes)

    def visit(index: int, above: torch.Tensor) -> None:
        matrix = torch.eye(4)
        matrix[:3, 3] = torch.tensor(nodes[index].get("translation", [0.0, 0, 0]))
        worlds[index] = above @ local.get(index, matrix)
        for child in nodes[index].get("children", []):
            visit(child, worlds[index])

    for root in set(range(len(nodes))) - {c for node in nodes for c in node.get("children", [])}:
        visit(root, torch.eye(4))
    return worlds
