"""An avatar's splats for other programs."""

from pathlib import Path

from vivant.core.errors import BadInputError
from vivant.records import Avatar
from vivant.splat.ply import write_ply


def write_splats(avatar: Avatar, path: Path | str) -> None:
    """Write an avatar's splats at rest; the suffix says the format: `.ply`.

    Raises:
        BadInputError: If the suffix is another one.
        OutputError: If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".ply":
        raise BadInputError(f"{path} has the suffix {path.suffix!r}; avatars are exported as .ply.")
    write_ply(avatar.splats, path)
