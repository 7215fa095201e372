import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import vivant as package
from vivant.cli.commands import COMMANDS, EXAMPLES, RECIPES
from vivant.core.errors import CancelledError, NoPersonError, OutputError
from vivant.recipes import RECIPES as RECIPE_TABLE

Vivant = Callable[..., tuple[int, str, str]]
HEAVY = ("torch", "numba", "numpy", "mediapipe", "tyro", "PIL", "scipy")


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from vivant.cli import main; code = main(['--help']);"
        f"print([name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_command_and_the_examples(arguments: tuple[str, ...], vivant: Vivant) -> None:
    code, out, _ = vivant(*arguments)
    assert code == 0
    for command in (*COMMANDS, *RECIPES):
        assert command.name in out and command.line in out
    for line, _ in EXAMPLES:
        assert line in out


def test_every_recipe_is_a_command() -> None:
    assert {command.name for command in RECIPES} == {recipe.name for recipe in RECIPE_TABLE}


@pytest.mark.parametrize("command", [command.name for command in (*COMMANDS, *RECIPES)])
def test_every_command_has_help_with_a_text_for_every_option(command: str, vivant: Vivant) -> None:
    code, out, _ = vivant(command, "--help")
    assert code == 0
    assert f"usage: vivant {command}" in out
    # Where nothing is given, the words say what is done; "None" would say nothing to a user.
    assert "None" not in out
    lines = [line.strip(" │") for line in out.splitlines()]
    for this, following in zip(lines[:-1], lines[1:], strict=True):
        if this.startswith("--") and len(this.split()) <= 2:
            assert following and not following.startswith(("--", "╰")), f"{this} has no help"


def test_the_version_is_the_package_s(vivant: Vivant) -> None:
    assert vivant("--version") == (0, f"vivant {package.__version__}\n", "")


@pytest.mark.parametrize(
    "word, hint",
    [
        ("creat", "`vivant create`"),
        ("me.jpg", "`vivant create me.jpg`"),
        ("me.avatar", "`vivant view me.avatar`"),
        ("zzz", "`vivant --help`"),
    ],
)
def test_a_wrong_command_gets_a_hint(word: str, hint: str, vivant: Vivant) -> None:
    code, out, err = vivant(word)
    assert code == 2
    assert hint in err and out == ""


@pytest.mark.parametrize("error, code", [(NoPersonError, 3), (OutputError, 5), (CancelledError, 130)])
def test_an_error_s_exit_code_and_message_reach_the_user(
    error: type[Exception], code: int, vivant: Vivant, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vivant.cli import doctor

    def fail(arguments: list[str]) -> int:
        raise error("[bold]square brackets[/] stay as they are")

    monkeypatch.setattr(doctor, "run", fail)
    assert vivant("doctor") == (code, "", "[bold]square brackets[/] stay as they are\n")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    shell = f"{sys.executable} -m tests.cli.help_often | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_python_m_vivant_is_the_command() -> None:
    told = subprocess.run([sys.executable, "-m", "vivant", "--version"], capture_output=True, text=True)
    assert told.returncode == 0
    assert told.stdout.startswith("vivant ")
