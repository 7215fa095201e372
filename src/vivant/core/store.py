"""Records on disk: any of our dataclasses as ONE safetensors file, plain values in its JSON header.

No pickle anywhere. Nested records become dotted names; an absent optional record is a null.
"""

import dataclasses
import errno
import glob
import hashlib
import json
import math
import os
import shutil
import tempfile
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from vivant.core.errors import BadFileError, BadInputError, OutputError, VivantError

T = TypeVar("T")

HEADER = "vivant"
"""Key of our JSON text in the safetensors metadata."""

KEPT_BYTES = 2 * 1024**3
"""How much a folder of kept results may hold before the oldest are removed."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success it takes the real name, else it vanishes.

    Raises:
        OutputError: If the folder cannot be made or written, or the disk is full.
    """
    _expect_name(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OutputError as error:
        # Whoever writes within says which file failed: by its real name, not by the temporary one.
        if str(temporary) not in str(error):
            raise
        raise OutputError(str(error).replace(str(temporary), str(path))) from error
    except OSError as error:
        raise OutputError(_why_not(path, error)) from error
    except SafetensorError as error:
        raise OutputError(
            f"{path} cannot be written: {error}. Free some room, or choose another folder."
        ) from error
    finally:
        # Any way out, also Ctrl-C, leaves no half file.
        if temporary.exists():
            temporary.unlink()


def _why_not(path: Path, error: OSError, folder: Path | None = None) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {path} cannot be written. Free some room, or name a file on another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{folder or path.parent} may not be written to. Name another folder."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{folder or path.parent} is a file, not a folder. Name another folder."
    return f"{path} cannot be written: {error.strerror or error}. Name another folder."


def _expect_name(path: Path) -> None:
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r} cannot be the name of a file: it holds a zero character.")


def expect_writable(path: Path, needed_bytes: int = 0) -> None:
    """Make sure before long work that `path` can be written afterwards; leave no trace.

    Raises:
        OutputError: If its folder cannot be made or written, or has less room than needed.
    """
    _expect_name(path)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        if path.is_dir():
            raise OutputError(
                f"{path} is a folder, a file is to be written there. Remove it, or name another file."
            )
        sweep(folder, path)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"vivant")
        if shutil.disk_usage(folder).free < needed_bytes:
            raise OSError(errno.ENOSPC, "too little room")
    except OSError as error:
        raise OutputError(_why_not(path, error, folder)) from error


def sweep(folder: Path, path: Path) -> None:
    """Remove what a killed run left of `path`: a process that is gone will not finish its part."""
    # The first star finds parts of parts, too: a record saved within a file that is being written.
    for part in folder.glob(f".*{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"):
        if _is_left(part):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


def _is_left(part: Path) -> bool:
    """Whether a part's process is gone."""
    owner = part.stem.removesuffix(".part").rpartition(".")[2]
    return owner.isdigit() and not _is_running(int(owner))


def _is_running(process: int) -> bool:
    if os.name != "posix":
        # There, signal 0 would end the process; an open file cannot be removed anyway.
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_whole(path: Path, most: int, advice: str = "") -> bytes:
    """Read a stranger's file, if it is not larger than `most` bytes.

    Raises:
        BadFileError: If it is larger, or cannot be read; the advice says what to do about the size.
    """
    try:
        size = path.stat().st_size
        if size > most:
            told = f"{path} has {size / 1e9:.1f} GB; at most {most / 1e9:.1f} GB are read. {advice}"
            raise BadFileError(told.rstrip())
        return path.read_bytes()
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror or error}.") from error


def save(record: Any, path: Path) -> None:
    """Write a record.

    Raises:
        OutputError: If the file cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, Any] = {}
    _flatten(record, "", tensors, plain)
    header = {"kind": type(record).__name__, "plain": plain}
    save_tensors(tensors, {HEADER: json.dumps(header, sort_keys=True)}, path)


def save_tensors(tensors: dict[str, torch.Tensor], header: dict[str, str], path: Path) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OutputError: If the file cannot be written.
    """
    with writing(path) as temporary:
        # safetensors makes files that only their owner may read; a user's umask shall decide instead.
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(tensors, temporary, header)
        temporary.chmod(mode)


def load(kind: type[T], path: Path) -> T:
    """Read a record of a known kind.

    Raises:
        BadFileError: If the file is missing, truncated, or holds something else.
    """
    expect_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            flat: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if header["kind"] != kind.__name__:
            raise BadFileError(f"It holds a {header['kind']}, a {kind.__name__} is needed.")
        return _unflatten(kind, "", {**header["plain"], **flat})
    except BadFileError as error:
        raise BadFileError(f"{path}: {error}") from error
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, BadInputError) as error:
        raise BadFileError(
            f"{path} is damaged or is no {kind.__name__} of vivant ({type(error).__name__}: {error}). "
            "Make it again, or copy it anew."
        ) from error


def expect_file(path: Path) -> None:
    """Make sure that there is a file to read.

    Raises:
        BadFileError: If it is a folder, or missing.
    """
    if path.is_dir():
        raise BadFileError(f"{path} is a folder, a file is needed. Name a file in it, if it holds one.")
    if not path.is_file():
        raise BadFileError(f"{path} does not exist. Check the name and the folder.")


def digest(value: Any) -> str:
    """Name a value by its content: a record, a tensor, or plain data."""
    mixed = hashlib.sha256()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        mixed.update(type(value).__qualname__.encode())
        for item in dataclasses.fields(value):
            mixed.update(item.name.encode())
            mixed.update(digest(getattr(value, item.name)).encode())
    elif isinstance(value, torch.Tensor):
        mixed.update(f"{value.dtype}{tuple(value.shape)}".encode())
        mixed.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(value, (list, tuple)):
        for item in value:
            mixed.update(digest(item).encode())
    else:
        mixed.update(repr(value).encode())
    return mixed.hexdigest()


def trim(folder: Path, limit: int = KEPT_BYTES) -> None:
    """Remove what killed runs left, and the results used longest ago until there are at most `limit` bytes."""
    for part in folder.glob(".*.part.safetensors"):
        if _is_left(part):
            with suppress(OSError):
                part.unlink(missing_ok=True)
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob("*.safetensors"):
        # Another run may trim the same folder right now.
        with suppress(FileNotFoundError):
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found)[:-8]:
        if total <= limit:
            return
        total -= size
        # What may not be removed costs room, not the run.
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _flatten(record: Any, prefix: str, tensors: dict[str, torch.Tensor], plain: dict[str, Any]) -> None:
    for field in dataclasses.fields(record):
        name, value = prefix + field.name, getattr(record, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            _flatten(value, name + ".", tensors, plain)
        elif isinstance(value, torch.Tensor):
            # A copy, for safetensors refuses tensors that share memory.
            tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        else:
            plain[name] = value


def _unflatten(kind: Any, prefix: str, flat: dict[str, Any]) -> Any:
    values: dict[str, Any] = {}
    optional = {field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING}
    for name, hint in get_type_hints(kind).items():
        full = prefix + name
        inner = _without_none(hint)
        if dataclasses.is_dataclass(inner):
            absent = flat.get(full, ...) is None
            values[name] = None if absent else _unflatten(inner, full + ".", flat)
            if absent and not _fits(None, hint):
                raise BadFileError(f"`{full}` is missing.")
        elif full not in flat:
            # A field that came later has a default; files from before lack it.
            if name not in optional:
                raise BadFileError(f"`{full}` is missing.")
        else:
            value = _tuples(flat[full]) if get_origin(inner) is tuple else flat[full]
            if not _fits(value, hint):
                raise BadFileError(f"`{full}` is {_told(value)}, which is no {_told_hint(hint)}.")
            values[name] = value
    try:
        return kind(**values)
    except VivantError as error:
        raise BadFileError(f"`{prefix or kind.__name__}` is inconsistent: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from a file is what its field is annotated to be, with axes and kind of numbers."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(parts) == 2 and parts[1] is Ellipsis:
            return all(_fits(item, parts[0]) for item in value)
        return len(value) == len(parts) and all(map(_fits, value, parts))
    if hint is float:
        # JSON of Python may hold NaN.
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _told(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"an array of {value.dtype} and shape {tuple(value.shape)}"
    return repr(value)[:60]


def _told_hint(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (typing.Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        return inner[0] if len(inner) == 1 else hint
    return hint


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
