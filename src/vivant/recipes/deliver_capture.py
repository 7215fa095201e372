"""From a fit to a capture to the files a user gets: the avatar, a sheet of pictures, a report."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vivant.core import store
from vivant.core.images import encode_image, write_image
from vivant.core.run import Run
from vivant.evaluate import Panel, Report, Section, comparison_sheet, write_page
from vivant.recipes.capture import CaptureConfig, Refit, avatar_of, refit_in
from vivant.recipes.pictures import avatar_sections
from vivant.records import save_avatar


@dataclass(frozen=True)
class RefitFiles:
    """What a refit leaves."""

    avatar: Path
    sheet: Path
    report: Path

    @classmethod
    def named(cls, folder: Path, stem: str) -> "RefitFiles":
        """Name them after the avatar, so that it stays as it was."""
        return cls(*(folder / f"{stem}.refit{end}" for end in (".avatar", ".jpg", ".report.html")))

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """All three."""
        return self.avatar, self.sheet, self.report


def refit_and_deliver(run: Run, avatar: Path, capture: Path, config: CaptureConfig, files: RefitFiles) -> Refit:
    """Fit an avatar, or one made of a photo now, to a capture; write all three files, or none.

    Raises:
        VivantError: If something cannot be used, or a file cannot be written.
    """
    start, photo = avatar_of(run, avatar, config.person)
    done = refit_in(run, start, capture, config, photo)
    with ExitStack() as stack:
        parts = RefitFiles(*(stack.enter_context(store.writing(path)) for path in files.paths))
        with run.step("write_report"):
            sheet = comparison_sheet(done.views, done.before, done.after)
            write_image(sheet, parts.sheet)
            parts.report.write_text(_page(run, avatar.stem, done), encoding="utf-8")
            save_avatar(done.avatar, parts.avatar)
    return done


def _page(run: Run, title: str, done: Refit) -> str:
    sheet = comparison_sheet(done.views, done.before, done.after)
    panel = Panel(
        "above the pictures, then the avatar before, below after", encode_image(sheet, "jpeg", 86), "jpeg",
        (sheet.shape[1], sheet.shape[0]),
    )  # fmt: skip
    return write_page(
        Report(
            title=title,
            lead=f"An avatar fitted to {done.fitted} real pictures.",
            sections=(Section("In the pictures", "", (panel,)), *avatar_sections(done.avatar)),
            scores=done.scores,
            parts=(),
            notes=done.avatar.origin.notes,
            timings=tuple(
                (t.stage.replace("_", " "), "kept from before" if t.reused else f"{t.seconds:.1f} s")
                for t in run.timings
            ),
            origin=done.avatar.origin,
        )
    )
