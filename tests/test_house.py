"""The house stands: imports go down, heavy libraries have one door, names are true."""

import ast
import importlib
import re
from pathlib import Path

import pytest

FLOORS = [
    {"core"},
    {"records"},
    {"body", "splat", "mesh"},
    {"networks"},
    {"engines"},
    {"perceive", "fit", "lift", "imagine", "reconstruct", "animate", "export", "evaluate"},
    {"recipes", "training", "dataset"},
    {"viewer", "doctor", "service"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vivant"
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = {
    "mediapipe", "cv2", "PIL", "imageio_ffmpeg", "gsplat", "tyro", "rich", "platformdirs", "pillow_heif",
    "ray", "pxr",
}  # fmt: skip
"""Libraries that exactly one file may import; everyone else asks that file."""


def modules_imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_only_go_down(path: Path) -> None:
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    used = {n.split(".")[1] for n in modules_imported(path) if n.startswith("vivant.")}
    wrong = {other for other in used if other != room and HEIGHT[other] >= HEIGHT[room]}
    assert not wrong, f"{room} (floor {HEIGHT[room]}) may not import {sorted(wrong)}"


def test_a_heavy_library_is_imported_in_exactly_one_file() -> None:
    importers: dict[str, set[str]] = {}
    for path in FILES:
        for name in modules_imported(path):
            top = name.split(".")[0]
            if top in HEAVY:
                importers.setdefault(top, set()).add(str(path.relative_to(SOURCE)))
    crowded = {name: files for name, files in importers.items() if len(files) > 1}
    assert not crowded


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_every_name_in_all_exists(path: Path) -> None:
    dotted = ".".join(["vivant", *path.parent.relative_to(SOURCE).parts])
    module = importlib.import_module(dotted)
    missing = [name for name in getattr(module, "__all__", []) if not hasattr(module, name)]
    assert not missing


def test_nobody_pickles_prints_or_moves_the_process() -> None:
    banned = re.compile(r"\b(import pickle|os\.chdir|os\.system|sys\.path\b|yaml\.load|torch\.load\()")
    guilty = {str(p.relative_to(SOURCE)) for p in FILES if banned.search(p.read_text())}
    assert not guilty


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "helpers", "common", "misc", "base", "manager", "util"}
    assert not [p for p in FILES if p.stem in drawers]
