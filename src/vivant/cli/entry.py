"""Find the command, run it, and turn whatever ends it into one clear message and an exit code."""

import difflib
import importlib
import os
import sys
from pathlib import Path

import vivant
from vivant.cli.commands import COMMANDS, RECIPES, Command
from vivant.cli.stopping import stoppable
from vivant.core.errors import BadInputError, CancelledError


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and give its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # torch's waiting threads would slow down the rasteriser's. It reads this once, when it is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            return _show_help()
        if arguments[0] in ("-V", "--version", "version"):
            return _show_version()
        with stoppable():
            return _carry_out(_find(arguments[0]), arguments[1:])
    except SystemExit as leaving:
        # The parser of options leaves this way after its own message or help.
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BrokenPipeError:
        # The reader, e.g. `head`, has seen enough. Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        stopped = "Stopped. What was finished is kept: the same command goes on from there."
        return _tell(CancelledError(stopped), arguments)
    except Exception as error:  # noqa: BLE001, the last line of defence: ours are told, others are told as bugs.
        return _tell(error, arguments)


def _carry_out(command: Command, arguments: list[str]) -> int:
    module = importlib.import_module(command.module)
    if command in RECIPES:
        return module.run(command.name, arguments)
    return module.run(arguments)


def _find(name: str) -> Command:
    every = (*COMMANDS, *RECIPES)
    for command in every:
        if command.name == name:
            return command
    near = difflib.get_close_matches(name, [command.name for command in every], 1)
    if Path(name).suffix.lower() == ".avatar":
        hint = f"Try `vivant view {name}`."
    elif Path(name).suffix:
        hint = f"Try `vivant create {name}`."
    elif near:
        hint = f"Did you mean `vivant {near[0]}`?"
    else:
        hint = "See `vivant --help`."
    raise BadInputError(f"There is no command `{name}`. {hint}")


def _show_help() -> int:
    from vivant.cli import terminal

    terminal.show_help()
    return 0


def _show_version() -> int:
    from vivant.cli import terminal

    terminal.say(f"vivant {vivant.__version__}")
    return 0


def _tell(error: Exception, arguments: list[str]) -> int:
    from vivant.cli import terminal

    return terminal.show_error(error, as_json="--json" in arguments, debug="--debug" in arguments)
