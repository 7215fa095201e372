"""The command line with stand-ins for the slow stages, in a process of its own, for tests that stop it midway.

The process is a copy of one that has loaded everything already: it takes no seconds to start.
"""

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from tests import fakes

from vivant.animate import Shot
from vivant.cli import main
from vivant.core import folders, store
from vivant.recipes import deliver, quick

WAITING = ("perceive", "fit_body", "deaf", "half kept", "lift", "refine_photo", "film_preview", "half renamed")
"""Where it can wait, in the order of the work: at the start of a stage; in one that hears no Ctrl-C (`deaf`);
halfway through the file of the first result that is kept, or of the preview; when the first of the three files
has its name."""


def begin(folder: Path, wait_at: str, arguments: list[str]) -> BaseProcess:
    """Start it. When it waits it makes the file `waits` in the folder.

    What it prints goes to the files `out` and `err` there; its cache is there, too. Told to wait `nowhere`, it
    comes to its end.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run_apart, args=(folder, wait_at, arguments))
    process.start()
    return process


def _run_apart(folder: Path, wait_at: str, arguments: list[str]) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    # Tests that run in the background of a shell are told to ignore Ctrl-C, and pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        stages = fakes.Stages()
        stages.install(patch)
        patch.setattr(folders, "results_folder", lambda: folder / "cache")
        patch.setattr(deliver, "PREVIEW", Shot(60, 80))
        patch.setattr(deliver, "PREVIEW_TURN", 2)
        patch.setattr(deliver, "PREVIEW_FPS", 1.0)
        _let_wait(patch, wait_at, folder / "waits")
        code = main(arguments)
        print("calls:", *stages.calls)
    sys.exit(code)


def _let_wait(patch: pytest.MonkeyPatch, wait_at: str, marker: Path) -> None:
    stage = "fit_body" if wait_at == "deaf" else wait_at
    if stage in ("perceive", "fit_body", "lift", "refine_photo"):
        inner = getattr(quick, stage)

        @functools.wraps(inner)
        def waiting(*goods: Any) -> Any:
            with contextlib.suppress(KeyboardInterrupt if wait_at == "deaf" else ()):
                _wait(marker)
            return inner(*goods)

        patch.setattr(quick, stage, waiting)
    elif wait_at == "half kept":

        def save_half(tensors: object, path: Path, header: object) -> None:
            path.write_bytes(b"half a result")
            _wait(marker)

        patch.setattr(store, "save_file", save_half)
    elif wait_at == "film_preview":

        def write_half(frames: object, path: Path, fps: float, quality: int) -> None:
            path.write_bytes(b"half a preview")
            _wait(marker)

        patch.setattr(deliver, "write_animation", write_half)
    elif wait_at == "half renamed":
        replace = Path.replace

        def replace_and_wait(path: Path, target: Path) -> Path:
            replace(path, target)
            if target.suffix != ".safetensors" and not target.name.startswith("."):
                _wait(marker)
            return target

        patch.setattr(Path, "replace", replace_and_wait)


def _wait(marker: Path) -> None:
    marker.touch()
    time.sleep(120)
