"""What people see in the terminal: progress, tables, errors. The only file that imports rich.

Results go to stdout. Progress and errors go to stderr, so that pipes carry results only.
"""

import dataclasses
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

import vivant
from vivant.cli.commands import COMMANDS, EXAMPLES, RECIPES
from vivant.cli.stopping import hearing
from vivant.core.errors import VivantError
from vivant.core.progress import Advanced, Event, Listener, Noted, StageFinished, StageStarted, ignore

if TYPE_CHECKING:
    # It brings torch, which `vivant --help` does not need.
    from vivant.core.run import Timing
    from vivant.records import Scores

TITLES = {
    "read_photo": "Reading the photo",
    "perceive": "Finding the person",
    "fit_body": "Fitting a body",
    "lift": "Building the splats",
    "stand_off": "Setting off clothes",
    "shade": "Shading the hidden side",
    "imagine_views": "Imagining the other sides",
    "imagine_poses": "Imagining other poses",
    "reshape": "Taking over outlines",
    "recolor": "Taking over colours",
    "refine_photo": "Fitting them to the photo",
    "read_capture": "Reading the cameras",
    "look_at_capture": "Finding the person in the pictures",
    "fit_studio": "Posing the body among the cameras",
    "fit_filmed": "Posing the body in the film",
    "align_poses": "Aligning poses",
    "reconstruct": "Fitting the splats",
    "vouched": "Telling what is seen",
    "measure_capture": "Measuring",
    "measure": "Measuring",
    "film_preview": "Filming the preview",
    "write_report": "Writing the report",
    "write_film": "Writing the film",
    "film": "Filming",
    "watch_film": "Following the person",
    "fit_film": "Fitting a body to the film",
    "export": "Exporting",
    "render_people": "Rendering people",
    "measure_people": "Measuring people",
    "measure_photos": "Measuring photos",
}
"""Stages in plain words; others are shown by name."""

REPORT_BUGS = "https://github.com/vivant/vivant/issues"


def say(text: str) -> None:
    """Print one line to stdout, as it is."""
    _stdout().print(text, markup=False, highlight=False, soft_wrap=True)


def show_help() -> None:
    """Print the short help."""
    console = _stdout()
    console.print(f"\n[bold]vivant[/] {vivant.__version__}: one photo in, an animatable 3D avatar out.\n")
    for title, commands in (("Commands", COMMANDS), ("Recipes, with all their options", RECIPES)):
        console.print(f"[bold]{title}[/]")
        table = Table.grid(padding=(0, 2))
        for command in commands:
            table.add_row(f"  [cyan]{command.name}[/]", command.line)
        console.print(table, "")
    console.print("[bold]Examples[/]")
    for line, meaning in EXAMPLES:
        console.print(f"  [green]{escape(line)}[/]\n      {escape(meaning)}", highlight=False)
    console.print("\nOptions of a command: [cyan]vivant create --help[/]\n", highlight=False)


def show_error(error: Exception, *, as_json: bool, debug: bool) -> int:
    """Tell why a command ended, and give its exit code. Ours are one message; others are bugs."""
    ours = isinstance(error, VivantError)
    code = error.exit_code if ours else 70
    if as_json:
        told = {"event": "error", "kind": type(error).__name__, "message": str(error), "exit_code": code}
        print(json.dumps(told), flush=True)
    console = _stderr()
    if debug:
        console.print("".join(traceback.format_exception(error)), markup=False, highlight=False, soft_wrap=True)
    if ours:
        console.print(f"[bold red]{escape(str(error))}[/]", highlight=False, soft_wrap=True)
    else:
        console.print(
            f"[bold red]This is a bug in vivant: {escape(type(error).__name__)}: {escape(str(error))}[/]\n"
            f"Please report it at {REPORT_BUGS} with the output of `vivant doctor` and of the same command\n"
            "with --debug.",
            highlight=False,
            soft_wrap=True,
        )
    return code


def show_files(paths: Sequence[Path], *, as_json: bool = False, quiet: bool = False) -> None:
    """Tell which files were made."""
    if as_json:
        print(json.dumps({"event": "Made", "files": [str(path) for path in paths]}), flush=True)
    elif not quiet:
        for path in paths:
            say(f"{path}  ({_size(path)})")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to stdout; all but the first column are right-aligned if they are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for index, name in enumerate(columns):
        numeric = all(row[index][:1].isdigit() or not row[index] for row in rows)
        table.add_column(name, justify="right" if numeric and index else "left", header_style="dim")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    _stdout().print(table, highlight=False)


def show_scores(scores: "Scores", *, as_json: bool = False, quiet: bool = False) -> None:
    """Tell how well pictures are shown before and after: a table, or one JSON event."""
    if as_json:
        told = [dataclasses.asdict(score) for score in (*scores.per_view, *scores.summary)]
        print(json.dumps({"event": "Measured", "scores": told}), flush=True)
    elif not quiet:
        for score in scores.summary:
            say(f"{score.name}: {score.value:.1f} {score.unit}")


def show_findings(findings: Sequence[tuple[str, str, str]]) -> None:
    """Print what the doctor found: subject, state, words."""
    marks = {"ok": "[green]✓[/]", "missing": "[yellow]–[/]", "broken": "[bold red]✗[/]"}
    table = Table.grid(padding=(0, 2))
    for subject, state, told in findings:
        table.add_row(marks[state], subject, escape(told))
    _stdout().print(table, "", highlight=False)


def show_timings(timings: "Sequence[Timing]", total: float) -> None:
    """Print what each stage took, and the most memory this process has used."""
    rows = [
        (_title(timing.stage), f"{timing.seconds:.2f} s", "kept from before" if timing.reused else "")
        for timing in timings
    ]
    rest = total - sum(timing.seconds for timing in timings)
    rows += [("Loading the libraries", f"{max(rest, 0):.2f} s", ""), ("Together", f"{total:.2f} s", "")]
    peak = peak_memory()
    if peak is not None:
        rows.append(("Most memory", f"{peak / 1e9:.2f} GB", ""))
    show_table("Timings", ("stage", "took", ""), rows)


def peak_memory() -> int | None:
    """Most bytes this process has held in memory; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def listening(*, as_json: bool = False, quiet: bool = False) -> Iterator[Listener]:
    """Give a listener that shows a run's events: bars, plain lines where there is no terminal, or JSON."""
    with ExitStack() as stack:
        if as_json:
            listener: Listener = _print_json
        elif quiet:
            listener = ignore
        elif _stderr().is_terminal:
            listener = _Bars(stack.enter_context(_bars(_stderr())))
        else:
            listener = _Lines(_stderr())
        stack.enter_context(_logs_as_notes(listener))
        yield hearing(listener)


@contextmanager
def _logs_as_notes(listener: Listener) -> Iterator[None]:
    """Show what the package logs, such as that kernels are being compiled, as notes."""
    handler, logger = _NoteHandler(listener), logging.getLogger("vivant")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


class _NoteHandler(logging.Handler):
    def __init__(self, listener: Listener) -> None:
        super().__init__(logging.INFO)
        self.listener = listener

    def emit(self, record: logging.LogRecord) -> None:
        self.listener(Noted(record.getMessage()))


def _print_json(event: Event) -> None:
    try:
        print(json.dumps({"event": type(event).__name__, **dataclasses.asdict(event)}), flush=True)
    except BrokenPipeError:
        # Nobody reads how far it is any more; the files are wanted all the same.
        _silence(sys.stdout)


class _Bars:
    """One bar a stage; the finished ones stay on the screen."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self.tasks[event.stage] = self.progress.add_task(_title(event.stage), total=1.0, end="")
        elif isinstance(event, Advanced) and event.stage in self.tasks:
            self.progress.update(self.tasks[event.stage], completed=min(event.fraction, 0.99))
        elif isinstance(event, StageFinished):
            end = "kept from before" if event.reused else f"{event.seconds:.1f} s"
            self.progress.update(self.tasks[event.stage], completed=1.0, end=end)
        elif isinstance(event, Noted):
            self.progress.console.print(f"[yellow]note[/] {escape(event.text)}", highlight=False)


class _Lines:
    """One line a finished stage, for logs."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageFinished):
            end = "kept from before" if event.reused else f"{event.seconds:.1f} s"
            self.console.print(f"{_title(event.stage)}: {end}", markup=False, highlight=False, soft_wrap=True)
        elif isinstance(event, Noted):
            self.console.print(f"note: {event.text}", markup=False, highlight=False, soft_wrap=True)


class _TimeLeft(ProgressColumn):
    """Seconds left of a running stage; what a finished one took."""

    def render(self, task: Task) -> Text:
        if task.fields["end"]:
            return Text(task.fields["end"], style="dim")
        elapsed = task.elapsed or 0.0
        if task.completed < 0.05 or elapsed < 0.5:
            return Text(f"{elapsed:.0f} s", style="dim")
        left = elapsed * (1 - task.completed) / task.completed
        return Text(f"about {left:.0f} s left" if left >= 1 else "nearly done", style="cyan")


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", justify="left"), BarColumn(bar_width=28), _TimeLeft())
    return Progress(*columns, console=console, refresh_per_second=8)


def _title(stage: str) -> str:
    return TITLES.get(stage, stage.replace("_", " "))


def _size(path: Path) -> str:
    if path.is_dir():
        return f"{sum(1 for _ in path.iterdir())} files"
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


class _Told(Console):
    """Prints as long as somebody reads. rich would end the program; the files are wanted all the same."""

    def on_broken_pipe(self) -> None:
        """Go on in silence when the reader, e.g. `head`, has seen enough."""
        _silence(self.file)


def _silence(stream: IO[str]) -> None:
    # Python would complain when it closes the stream, so it gets another end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _stdout() -> Console:
    return _Told(file=sys.stdout)


def _stderr() -> Console:
    return _Told(file=sys.stderr)


def clock() -> float:
    """Seconds of a steady clock, for tables of times."""
    return time.perf_counter()
