"""The door: put an avatar, its motions and the viewer into one HTML file that needs no network."""

import base64
import hashlib
import re
import threading
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

from vivant.animate import MOTIONS, builtin_motion
from vivant.core.errors import BadInputError
from vivant.core.store import writing
from vivant.records import Avatar, Motion, Rig, load_avatar
from vivant.viewer.pack import pack


def write_page(
    avatar: Avatar,
    path: Path | str,
    motions: Sequence[Motion] | None = None,
    splat_budget: int | None = None,
    title: str | None = None,
) -> None:
    """Write an avatar as one HTML file that plays motions in any browser with WebGL2, from disk, offline.

    Args:
        avatar: Whom to show. Colours are those that do not depend on the view.
        path: The file.
        motions: What the person can do, for the avatar's own rig; all built-in motions if None. The pose of the
            photo is always among them.
        splat_budget: At most so many splats; the rest grow to cover what is left out. None: all.
        title: What the page is called; the file's name if None.

    Raises:
        BadInputError: If a motion is of another rig, or a number is not finite.
        OutputError: If the file cannot be written.
    """
    path = Path(path)
    html = page_html(avatar, motions, splat_budget, spoken(path.stem) if title is None else title)
    with writing(path) as temporary:
        temporary.write_bytes(html)


def spoken(name: str) -> str:
    """A file's name as a title."""
    words = " ".join(name.replace("_", " ").split())
    return words[:1].upper() + words[1:]


def page_html(
    avatar: Avatar,
    motions: Sequence[Motion] | None = None,
    splat_budget: int | None = None,
    title: str = "avatar",
) -> bytes:
    """Make the page of `write_page`, as UTF-8.

    Raises:
        BadInputError: If a motion is of another rig, or a number is not finite.
    """
    chosen = default_motions(avatar.rig) if motions is None else motions
    packed = base64.b64encode(pack(avatar, chosen, title, splat_budget)).decode()
    style, script = _asset("viewer.css"), _script()
    content = {
        "policy": _policy(style, script),
        "title": escape(title),
        "style": style,
        "script": script,
        "avatar": packed,
    }
    # In one go: what is filled in is not looked through for marks again.
    page = re.sub(r"\{\{(\w+)\}\}", lambda mark: content[mark[1]], _asset("page.html"))
    return page.encode()


def default_motions(rig: Rig) -> list[Motion]:
    """All built-in motions; none, if the rig's joints are not known: the pose of the photo is left."""
    try:
        return [builtin_motion(name, rig) for name in MOTIONS]
    except BadInputError:
        return []


def _script() -> str:
    """The parts of the viewer as one module; their imports of each other fall away.

    So do lines of comments and what indents the others: a sixth of it.
    """
    text = _asset("viewer.js") + _asset("skin.js") + _asset("controls.js")
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "import ")))


def _policy(style: str, script: str) -> str:
    """What the page may do: run exactly this style and script, show its own pictures, and nothing else."""
    return (
        f"default-src 'none'; script-src 'sha256-{_sha256(script)}'; style-src 'sha256-{_sha256(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (resources.files("vivant.viewer") / "page" / name).read_text(encoding="utf-8")


class AvatarPage:
    """The page of an avatar's file, made anew when the file changes."""

    def __init__(self, path: Path, splat_budget: int | None = None) -> None:
        """Remember which file; it is read when the page is asked for."""
        self._path, self._budget = path, splat_budget
        self._made: tuple[tuple[int, int], bytes] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> bytes:
        """Give the page, as UTF-8.

        Raises:
            BadFileError: If the file is missing, damaged or hostile.
        """
        with self._lock:
            stamp = self._stamp()
            if self._made is None or (stamp is not None and stamp != self._made[0]):
                avatar = load_avatar(self._path)
                html = page_html(avatar, None, self._budget, spoken(self._path.stem))
                self._made = (stamp or (0, 0), html)
            return self._made[1]

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size
