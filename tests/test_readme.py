"""What the README and the examples tell people to type is typed here."""

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from tests import fakes

from vivant.animate import MOTIONS
from vivant.cli import main
from vivant.recipes import RECIPES, sample_photo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.S)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("vivant ")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a photo, a cache of its own, and stand-ins for the slow stages."""
    from vivant.animate import Shot
    from vivant.core import folders
    from vivant.recipes import deliver, pictures, table

    for module in (folders, table):
        monkeypatch.setattr(module, "results_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(pictures, "TALL", 64)
    monkeypatch.setattr(pictures, "FACE", 48)
    monkeypatch.setattr(deliver, "PREVIEW", Shot(60, 80))
    for name, (seconds, loops) in MOTIONS.items():
        monkeypatch.setitem(MOTIONS, name, (seconds / 10, loops))
    fakes.Stages().install(monkeypatch)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    shutil.copy(sample_photo(), work / "photo.jpg")
    return work


def test_there_is_little_to_read_before_the_code() -> None:
    before = README[: README.index("```")]
    words = re.sub(r"!\[.*?\]\(.*?\)", "", before).split()
    assert len(words) <= 100


def test_the_commands_run_in_order_and_make_what_they_say(here: Path) -> None:
    assert len(COMMANDS) == 3
    for line in COMMANDS:
        assert main(shlex.split(line)[1:]) == 0, line
    made = {path.name for path in here.iterdir()}
    assert made == {
        "photo.jpg",
        "photo.avatar",
        "photo.preview.webp",
        "photo.report.html",
        "wave.mp4",
        "side.png",
    }


def test_every_command_named_in_the_text_exists(here: Path) -> None:
    named = set(re.findall(r"`vivant ([a-z]+)", README))
    assert named
    for command in named:
        assert main([command, "--help"]) == 0


def test_the_python_is_six_lines_and_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) == 6
    (here / "readme.py").write_text(code)
    runpy.run_path("readme.py")
    assert (here / "photo.avatar").is_file() and (here / "wave.mp4").is_file()
    assert capsys.readouterr().out == "The back is guessed.\n"


def test_every_recipe_is_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (\w+) \|$", README, flags=re.M))
    assert {name for name, state in rows.items() if state == "works"} == {recipe.name for recipe in RECIPES}


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_continuous_integration_runs_the_readme_s_install_and_tests() -> None:
    install, tests = next(block for block in blocks("bash") if "pytest" in block).strip().split(" && ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert script.index(install) + 1 == script.index(tests)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_run(example: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argument = {"six_lines": "photo.jpg", "many_photos": "."}.get(example.stem, "photo.avatar")
    if argument == "photo.avatar":
        main(["create", "photo.jpg", "--quiet"])
    before = {path.name for path in here.iterdir()}
    monkeypatch.setattr(sys, "argv", [example.name, argument])
    runpy.run_path(str(example), run_name="__main__")
    assert {path.name for path in here.iterdir()} - before
