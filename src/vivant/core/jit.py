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
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba

import vivant
from vivant.core.folders import cache_folder


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function when it is first called; keep the machine code for the next process.

    The GIL is released while it runs and division by zero gives infinity. Used bare or with numba's options.
    """
    if function is None:
        return functools.partial(kernel, **options)
    options = {"nogil": True, "error_model": "numpy", "cache": True, **options}
    before = numba.config.CACHE_DIR
    # numba reads this setting when a function is decorated. It is put back at once: other packages' kernels in
    # this process keep their own places. A folder the user chose is respected.
    numba.config.CACHE_DIR = before or str(kernel_folder())
    try:
        # A checker of run-time types wraps functions as modules load; numba compiles what is inside.
        return numba.njit(**options)(inspect.unwrap(function))
    finally:
        numba.config.CACHE_DIR = before


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call: it becomes part of their machine code."""
    return numba.njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


@functools.lru_cache(maxsize=1)
def kernel_folder() -> Path:
    """Folder for machine code made from this very source, for this very processor.

    numba notices a change of the file that holds a kernel, but not of constants and functions it takes from
    other files; so the folder's name carries a digest of every file that holds kernels. Where the cache cannot
    be written, a private temporary folder serves this process.
    """
    folder = cache_folder() / "kernels" / _digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="vivant-kernels-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if next(folder.iterdir(), None) is None:
        logging.getLogger("vivant").info(
            "Compiling for this machine; it takes some seconds, once. Kept in %s.", folder
        )
    return folder


def _digest() -> str:
    """Name the processor, numba, and all files beside those that hold kernels."""
    root = Path(vivant.__file__).parent
    sources = {path: path.read_bytes() for path in root.rglob("*.py")}
    rooms = {path.parent for path, source in sources.items() if b"vivant.core.jit import" in source}
    mixed = hashlib.sha256(f"{numba.__version__} {llvmlite.binding.get_host_cpu_name()}".encode())
    for path in sorted(path for path in sources if path.parent in rooms or path.name == "jit.py"):
        mixed.update(path.relative_to(root).as_posix().encode())
        mixed.update(sources[path])
    return mixed.hexdigest()[:16]
