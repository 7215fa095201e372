"""The pictures of a capture, looked at one by one: out of a folder with a cameras file, or out of a film."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

from vivant.core.errors import BadInputError, ManyPersonsError, NoPersonError
from vivant.core.images import to_float
from vivant.core.progress import ignore
from vivant.core.run import Context, Run
from vivant.core.video import read_video
from vivant.perceive import PerceiveConfig, perceive
from vivant.perceive.captures import cut_by_mask, read_capture, read_picture_of
from vivant.records import Cameras, CapturePicture, Person, Photo

CAMERAS_FILES = (".json", ".txt")
"""Suffixes of cameras files; any other file is a film."""

COUNTED_FPS = 10.0
"""Pictures a second among which a film's are chosen."""

COUNTED_MOST = 6000
"""Ten minutes; longer films are cut."""

MOST_PEOPLE = 6
"""Of so many in one picture the largest is chosen."""


@dataclass(frozen=True)
class Looked:
    """The person in each picture of a capture."""

    names: tuple[str, ...]
    persons: tuple[Person, ...]
    cameras: tuple[Cameras, ...] | None
    """Of the whole pictures; None for a film, whose camera nobody knows."""

    held_out: frozenset[str] = frozenset()
    """Names of pictures that are only measured on."""


def is_film(capture: Path) -> bool:
    """Whether a capture is a film: a file, and no cameras file."""
    return capture.is_file() and capture.suffix.lower() not in CAMERAS_FILES


def look_at_folder(
    run: Run, capture: Path, config: PerceiveConfig, most: int, wanted: tuple[str, ...]
) -> Looked:
    """Find the person in each picture of a folder; those that show nobody are left out and told.

    Args:
        run: Keeps what was seen in each picture.
        capture: The folder, or its cameras file.
        config: How to look.
        most: Of more pictures, so many are taken evenly.
        wanted: Names of pictures that must be among them.

    Raises:
        VivantError: If files are missing or damaged, or no picture shows the person.
    """
    with run.step("read_capture"):
        every = read_capture(capture)
    strange = sorted(set(wanted) - {picture.name for picture in every})
    if strange:
        raise BadInputError(
            f"{strange[0]} is to be held out, but the capture has no picture of that name. Its first is "
            f"{every[0].name}."
        )
    pictures = _evenly(run, every, most)
    pictures += tuple(p for p in every if p.name in wanted and p not in pictures)
    names, persons, cameras = [], [], []
    reasons: list[str] = []
    with run.step("look_at_capture") as context:
        for number, picture in enumerate(pictures):
            photo, camera = read_picture_of(picture)
            person = _person(run, photo, config, reasons)
            if person is not None:
                names.append(picture.name)
                persons.append(person)
                cameras.append(camera)
            context.advance((number + 1) / len(pictures))
    _tell(run.context, reasons, len(pictures))
    return Looked(tuple(names), tuple(persons), tuple(cameras), frozenset(wanted))


def _evenly(run: Run, pictures: tuple[CapturePicture, ...], most: int) -> tuple[CapturePicture, ...]:
    if len(pictures) <= most:
        return pictures
    run.context.note(f"Of {len(pictures)} pictures {most} are used, evenly; --pictures takes more.")
    return tuple(pictures[int(number * len(pictures) / most)] for number in range(most))


def look_at_film(run: Run, film: Path, config: PerceiveConfig, most: int, held_out: int) -> Looked:
    """Find the person in pictures of a film, taken evenly.

    Args:
        run: Keeps what was seen in each picture.
        film: The file.
        config: How to look.
        most: At most so many pictures are for fitting.
        held_out: So many more, between the others, are only measured on.

    Raises:
        BadFileError: If the film cannot be read.
        NoPersonError: If no picture shows the person.
    """
    names, persons, only_measured = [], [], []
    reasons: list[str] = []
    with run.step("look_at_capture") as context:
        count = sum(1 for _ in read_video(film, COUNTED_FPS, 64, COUNTED_MOST))
        if held_out > count // 2:
            run.context.note(f"The film has {count} pictures; {count // 2} are held out, the others fitted to.")
        chosen, measured = _chosen(count, most, min(held_out, count // 2))
        side = round(1.5 * config.max_height)
        for number, pixels in enumerate(read_video(film, COUNTED_FPS, side, COUNTED_MOST)):
            if number not in chosen:
                continue
            name = f"{film.name} at {number / COUNTED_FPS:.1f} s"
            size = (pixels.shape[1], pixels.shape[0])
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            photo = Photo(to_float(pixels.copy()), None, None, digest, name, size)
            person = _person(run, photo, config, reasons)
            if person is not None:
                names.append(name)
                persons.append(person)
                only_measured += [name] * (number in measured)
            context.advance((number + 1) / count)
    _tell(run.context, reasons, len(chosen))
    return Looked(tuple(names), tuple(persons), None, frozenset(only_measured))


def _chosen(count: int, most: int, held_out: int) -> tuple[set[int], set[int]]:
    """Numbers of a film's pictures that are looked at, evenly; and of those among them that are held out."""
    total = min(count, most + held_out)
    every = [int((number + 0.5) * count / total) for number in range(total)]
    return set(every), {every[int((number + 0.5) * total / held_out)] for number in range(held_out)}


def _person(run: Run, photo: Photo, config: PerceiveConfig, reasons: list[str]) -> Person | None:
    """Give the person; None, and the reason, if neither points nor a mask tell where it is."""
    # What cannot be seen in one picture, another shows: single pictures' notes are not told.
    inner = Run(run.folder, dataclasses.replace(run.context, listener=ignore))
    try:
        return inner(perceive, photo, config)
    except ManyPersonsError:
        # A number cannot tell who is meant, for it changes from picture to picture.
        return _largest(inner, photo, config)
    except NoPersonError as error:
        if photo.alpha is not None:
            return cut_by_mask(photo, config)
        reasons.append(f"{photo.name} is left out. {error}")
        return None


def _largest(run: Run, photo: Photo, config: PerceiveConfig) -> Person:
    """Give who takes most of a picture."""
    found: list[Person] = []
    for number in range(1, MOST_PEOPLE + 1):
        try:
            found.append(run(perceive, photo, dataclasses.replace(config, person=number)))
        except NoPersonError:
            break
    return max(
        found, key=lambda person: person.height_px * float(person.photo_from_image[:2, :2].det().abs()) ** 0.5
    )


def _tell(context: Context, reasons: list[str], count: int) -> None:
    """Tell which pictures are left out.

    Raises:
        NoPersonError: If all are.
    """
    if len(reasons) == count:
        raise NoPersonError(f"None of the {count} pictures shows the person. The first: {reasons[0]}")
    for reason in reasons[:5]:
        context.note(reason)
    if len(reasons) > 5:
        context.note(f"{len(reasons) - 5} more pictures are left out for such reasons.")
