import io
import json
import logging

import pytest
from rich.console import Console

from vivant.cli import terminal
from vivant.core.progress import Advanced, Noted, StageFinished, StageStarted


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal that remembers what was written."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=90, color_system=None)
    monkeypatch.setattr(terminal, "_stderr", lambda: console)
    return written


def test_bars_show_title_progress_and_time(screen: io.StringIO) -> None:
    with terminal.listening() as listener:
        listener(StageStarted("perceive"))
        listener(Advanced("perceive", 0.5))
        listener(StageFinished("perceive", 1.25, reused=False))
        listener(StageStarted("lift"))
        listener(StageFinished("lift", 0.0, reused=True))
        listener(Noted("a [guess] was made"))
    shown = screen.getvalue()
    assert "Finding the person" in shown and "1.2 s" in shown
    assert "Building the splats" in shown and "kept from before" in shown
    assert "a [guess] was made" in shown


def test_the_time_left_is_told_from_what_is_done() -> None:
    from rich.progress import Progress

    now = [0.0]
    progress = Progress(get_time=lambda: now[0])
    task = progress.add_task("lift", total=1.0, end="")
    now[0] = 10.0
    progress.update(task, completed=0.5)
    assert terminal._TimeLeft().render(progress.tasks[0]).plain == "about 10 s left"
    progress.update(task, completed=0.99)
    assert terminal._TimeLeft().render(progress.tasks[0]).plain == "nearly done"


def test_what_the_package_logs_becomes_a_note_and_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.listening(as_json=True):
        logging.getLogger("vivant").info("Compiling for this machine.")
    logging.getLogger("vivant").info("nobody listens")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events == [{"event": "Noted", "text": "Compiling for this machine."}]


def test_a_table_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table("Title", ("name", "took"), [("a [b]", "1.0 s"), ("c", "12.0 s")])
    out = capsys.readouterr().out
    assert "Title" in out and "a [b]" in out and " 1.0 s" in out
