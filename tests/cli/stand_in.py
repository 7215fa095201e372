"""A program for tests that kill it: the command line with stand-ins, one of which waits.

    python -m tests.cli.stand_in CACHE WAIT_AT MARKER ARGUMENTS...

WAIT_AT is the name of a stage, `film_preview`, `deaf` (a stage that hears no Ctrl-C), or `nowhere`. When it
waits it makes the file MARKER.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path

import pytest
from tests import fakes

from vivant.animate import Shot
from vivant.cli import main


def run(cache: Path, wait_at: str, marker: Path, arguments: list[str]) -> int:
    from vivant.core import folders
    from vivant.recipes import deliver, quick

    with pytest.MonkeyPatch.context() as patch:
        stages = fakes.Stages()
        stages.install(patch)
        patch.setattr(folders, "results_folder", lambda: cache)
        patch.setattr(deliver, "PREVIEW", Shot(60, 80))
        patch.setattr(deliver, "PREVIEW_TURN", 2)
        patch.setattr(deliver, "PREVIEW_FPS", 1.0)
        if wait_at in ("fit_body", "deaf"):
            inner = quick.fit_body

            def fit_body(context: fakes.Context, person: fakes.Person, config: object) -> fakes.Body:
                with contextlib.suppress(KeyboardInterrupt if wait_at == "deaf" else ()):
                    _wait(marker)
                return inner(context, person, config)

            patch.setattr(quick, "fit_body", fit_body)
        if wait_at == "film_preview":

            def write_animation(frames: object, path: Path, fps: float, quality: int) -> None:
                path.write_bytes(b"half a preview")
                _wait(marker)

            patch.setattr(deliver, "write_animation", write_animation)
        code = main(arguments)
        print("calls:", *stages.calls)
    return code


def _wait(marker: Path) -> None:
    marker.touch()
    time.sleep(120)


if __name__ == "__main__":
    # Tests that run in the background of a shell are told to ignore Ctrl-C, and pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:]))
