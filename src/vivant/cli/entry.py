"""Find the command, run it, and turn whatever ends it into one clear message and an exit code."""

import difflib
import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import vivant
from vivant.cli.commands import COMMANDS, RECIPES, Command
from vivant.core.errors import BadInputError, CancelledError, VivantError


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and give its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # torch's threads would spin beside the rasteriser's and slow it down; read once, when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "100")
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            return _show_help()
        if arguments[0] in ("-V", "--version", "version"):
            return _show_version()
        command = _find(arguments[0])
        signal.signal(signal.SIGTERM, _stop)
        module = importlib.import_module(command.module)
        return module.run(arguments[1:]) if command in COMMANDS else module.run(command.name, arguments[1:])
    except SystemExit as leaving:
        # The parser of options leaves this way after its own message or help.
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BrokenPipeError:
        # The reader, e.g. `head`, has seen enough. Python would complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _tell(
            CancelledError("Stopped. What was finished is kept: the same command goes on from there."),
            arguments,
        )
    except VivantError as error:
        return _tell(error, arguments)
    except Exception as error:  # noqa: BLE001, the last line of defence: told as a bug, never swallowed.
        return _tell(error, arguments)


def _find(name: str) -> Command:
    every = (*COMMANDS, *RECIPES)
    for command in every:
        if command.name == name:
            return command
    near = difflib.get_close_matches(name, [command.name for command in every], 1)
    if Path(name).suffix.lower() == ".avatar":
        hint = f"Try `vivant animate {name}`."
    elif Path(name).suffix:
        hint = f"Try `vivant create {name}`."
    elif near:
        hint = f"Did you mean `vivant {near[0]}`?"
    else:
        hint = "See `vivant --help`."
    raise BadInputError(f"There is no command `{name}`. {hint}")


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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
