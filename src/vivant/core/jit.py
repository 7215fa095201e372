"""Compile numeric kernels with numba, and keep the machine code on disk.

Only modules that hold kernels import this one, and doors import those modules when they are first called: numba
takes a second to load, and `vivant --help` needs none of it.
"""

import atexit
import functools
import hashlib
import inspect
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba

import vivant
from vivant.core.folders import cache_folder

KEPT = 3
"""Older machine code of a module is deleted: so many generations stay, for versions installed side by side."""


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function when it is first called; keep the machine code for the next process.

    The GIL is released while it runs and division by zero gives infinity. Used bare or with numba's options.
    """
    if function is None:
        return functools.partial(kernel, **options)
    # A checker of run-time types wraps functions as modules load; numba compiles what is inside.
    function = inspect.unwrap(function)
    options = {"nogil": True, "error_model": "numpy", "cache": True, **options}
    settings: Any = numba.config
    before = settings.CACHE_DIR
    # numba reads this setting when a function is decorated. It is put back at once: other packages' kernels in
    # this process keep their own places. A folder the user chose is respected.
    settings.CACHE_DIR = before or str(kernel_folder(function.__module__))
    try:
        return numba.njit(**options)(function)
    finally:
        settings.CACHE_DIR = before


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call: it becomes part of their machine code.

    Always inlined, for a call hands over each array as seven numbers, which costs more than most parts do.
    """
    options = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(forceinline=True, **options)(inspect.unwrap(function))


@functools.cache
def kernel_folder(module: str) -> Path:
    """Folder for the machine code of one module, made from this very source for this very processor.

    numba notices a change of the file that holds a kernel, but not of constants and functions it takes from
    other files; so the folder's name carries a digest of all that the module imports. Where the cache cannot be
    written, a private temporary folder serves this process.
    """
    folder = cache_folder() / "kernels" / f"{module}-{_digest(module)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
        _delete_old(module, folder)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="vivant-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if next(folder.iterdir(), None) is None:
        _announce(folder.parent)
    return folder


@functools.lru_cache(maxsize=1)
def _announce(folder: Path) -> None:
    """Say once in a process why the first call takes long."""
    told = f"Compiling for this machine: some seconds, once. Kept in {folder}."
    log = logging.getLogger("vivant")
    if log.hasHandlers():
        log.info(told)
    else:
        # A Python session without logging waits, too.
        sys.stderr.write(f"vivant: {told}\n")


def _delete_old(module: str, newest: Path) -> None:
    newest.touch()
    others = sorted(newest.parent.glob(f"{module}-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in others[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(module: str) -> str:
    """Name the processor, numba, and the source of a module and of all of vivant that it imports."""
    root = Path(vivant.__file__).parents[1]
    mixed = hashlib.sha256(f"{numba.__version__} {llvmlite.binding.get_host_cpu_name()}".encode())
    waiting, sources = [module], dict[str, bytes]()
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        source, imported = _source(root, name)
        if source is not None:
            sources[name] = source
            waiting += imported
    for name in sorted(sources):
        mixed.update(name.encode())
        mixed.update(sources[name])
    return mixed.hexdigest()[:16]


@functools.cache
def _source(root: Path, name: str) -> tuple[bytes | None, tuple[str, ...]]:
    """A module's text, and what of vivant it may import; None for a name that is no module.

    Kept, for a dozen modules with kernels import the same few others.
    """
    path = root.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None, ()
    source, imported = path.read_bytes(), list[str]()
    for package, names in re.findall(r"from (vivant[\w.]*) import (\w+|\([^)]*\))", source.decode()):
        imported += [package, *(f"{package}.{part}" for part in re.findall(r"\w+", names))]
    return source, tuple(imported)
