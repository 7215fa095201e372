"""A run: one folder, one seed, one device, and stages that are done only once."""

import contextlib
import dataclasses
import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, get_type_hints

import vivant
from vivant.core import store
from vivant.core.errors import BadFileError, OutputError
from vivant.core.progress import Advanced, Listener, Noted, StageFinished, StageStarted, ignore

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """Where a stage runs: all that it may know besides its goods and its config."""

    device: str = "cpu"
    seed: int = 0
    listener: Listener = ignore
    stage: str = ""

    def advance(self, fraction: float, note: str = "") -> None:
        """Tell how far the stage is, 0 to 1."""
        self.listener(Advanced(self.stage, fraction, note))

    def note(self, text: str) -> None:
        """Tell the user something worth knowing."""
        self.listener(Noted(text))


@dataclass(frozen=True)
class Timing:
    """How long a stage took."""

    stage: str
    seconds: float
    reused: bool


@dataclass
class Run:
    """Carries out stages and keeps what they made, so that a second run resumes."""

    folder: Path | None = None
    """Where results are kept between runs; None keeps nothing."""

    context: Context = field(default_factory=Context)
    timings: list[Timing] = field(default_factory=list)
    _keys: dict[int, str] = field(default_factory=dict)
    _held: list[object] = field(default_factory=list)

    def __call__(self, stage: Callable[Concatenate[Context, P], T], *goods: P.args, **named: P.kwargs) -> T:
        """Give the stage's output, from the folder if the same goods were seen before.

        The key is made of the stage's name, the goods (by the stage that made them, or else by
        content), the configs, the seed, and the version and source of vivant. A result is
        written under another name first and then renamed, so a killed run leaves no half result.
        """
        name = stage.__name__
        self.context.listener(StageStarted(name))
        begun = time.perf_counter()
        key = self._stage_key(stage, goods, named)
        result = self._look_up(stage, key)
        reused = result is not None
        if result is None:
            context = Context(self.context.device, self.context.seed, self.context.listener, name)
            result = stage(context, *goods, **named)
            self._keep(name, key, result)
        self._keys[id(result)] = key
        # Held so that no other object can take the same id while this run lives.
        self._held.append(result)
        seconds = time.perf_counter() - begun
        self.timings.append(Timing(name, seconds, reused))
        self.context.listener(StageFinished(name, seconds, reused))
        return result

    @contextmanager
    def step(self, name: str) -> Iterator[Context]:
        """Announce and time work whose outcome is not kept, such as writing a file."""
        self.context.listener(StageStarted(name))
        begun = time.perf_counter()
        yield dataclasses.replace(self.context, stage=name)
        seconds = time.perf_counter() - begun
        self.timings.append(Timing(name, seconds, reused=False))
        self.context.listener(StageFinished(name, seconds, reused=False))

    def latest(self, kind: type[T]) -> T | None:
        """Give the newest record of a kind that this run made; None if there is none."""
        return next((result for result in reversed(self._held) if isinstance(result, kind)), None)

    def every(self, kind: type[T]) -> tuple[T, ...]:
        """Give all records of a kind that this run made, in their order."""
        return tuple(result for result in self._held if isinstance(result, kind))

    def _stage_key(self, stage: Callable[..., object], goods: tuple, named: dict) -> str:
        parts = [stage.__module__, stage.__qualname__, str(self.context.seed), self.context.device]
        parts += [vivant.__version__, _source_digest()]
        parts += [self._keys.get(id(value)) or store.digest(value) for value in goods]
        parts += [f"{k}={self._keys.get(id(v)) or store.digest(v)}" for k, v in sorted(named.items())]
        parts += [digest for value in (*goods, *named.values()) for digest in _digests_of_weights(value)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def _look_up(self, stage: Callable[..., T], key: str) -> T | None:
        if self.folder is None:
            return None
        path = self.folder / f"{stage.__name__}-{key}.safetensors"
        # A folder that may not be looked into holds nothing; saving will tell why.
        if not os.access(path, os.R_OK):
            return None
        try:
            result = store.load(get_type_hints(stage)["return"], path)
        except BadFileError:
            self.context.note(f"The kept result {path.name} is damaged; it is made again.")
            return None
        # The time of last use matters to `trim` only, which cannot remove files from a read-only folder either.
        with contextlib.suppress(OSError):
            path.touch()
        return result

    def _keep(self, name: str, key: str, result: object) -> None:
        if self.folder is None:
            return
        try:
            store.save(result, self.folder / f"{name}-{key}.safetensors")
            store.trim(self.folder)
        except OutputError as error:
            # The result itself is fine; only reuse is lost, and the user is told.
            self.context.note(f"The result of {name} is not kept for reuse: {error}")


def _digests_of_weights(config: object) -> Iterator[str]:
    """Digests of files of weights that a config names: trained anew, they keep their names."""
    if not dataclasses.is_dataclass(config):
        return
    for one in dataclasses.fields(config):
        path = getattr(config, one.name)
        if one.name.endswith("weights") and isinstance(path, str) and path:
            # A file that cannot be read is told by the stage that wants it.
            with contextlib.suppress(OSError):
                yield hashlib.sha256(Path(path).read_bytes()).hexdigest()


@functools.lru_cache(maxsize=1)
def _source_digest() -> str:
    """Name the code that makes results, so that changed code never meets stale results."""
    root = Path(vivant.__file__).parent
    mixed = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        mixed.update(path.relative_to(root).as_posix().encode())
        mixed.update(path.read_bytes())
    return mixed.hexdigest()[:16]
