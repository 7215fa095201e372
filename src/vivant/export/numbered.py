"""A folder of numbered files that is there whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vivant.core.errors import BadInputError
from vivant.core.store import expect_writable, sweep, writing


@contextmanager
def numbered_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill beside the wanted one, then swap: nothing is half old and half new.

    Raises:
        OutputError: If it cannot be written.
    """
    with writing(folder) as part:
        part.mkdir()
        try:
            yield part
            if folder.is_dir():
                shutil.rmtree(folder)
        except BaseException:
            shutil.rmtree(part)
            raise


def expect_numbered_folder(folder: Path, suffix: str) -> None:
    """Make sure before long work that a folder can be written and replaces nothing but its like.

    Raises:
        BadInputError: If it holds files of other kinds.
        OutputError: If the place cannot be written to.
    """
    strangers = [p.name for p in folder.iterdir() if p.suffix != suffix] if folder.is_dir() else []
    if strangers:
        raise BadInputError(
            f"The folder {folder} holds {strangers[0]} and is not replaced by numbered {suffix} files. "
            "Name another folder."
        )
    expect_writable(folder / f"0000{suffix}")
    sweep(folder.parent, folder)
