import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vivant.core import store
from vivant.core.errors import OutputError


def gone() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_probe_leaves_no_trace_and_makes_no_folder(tmp_path: Path) -> None:
    store.expect_writable(tmp_path / "new" / "deep" / "me.avatar")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(OutputError, match="cannot be the name of a file"):
        store.expect_writable(Path("a\0b.avatar"))
    with pytest.raises(OutputError, match="cannot be the name of a file"), store.writing(Path("a\0b.avatar")):
        pass


def test_a_file_where_a_folder_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    for path in (tmp_path / "taken" / "me.avatar", tmp_path / "taken" / "deep" / "me.avatar"):
        with pytest.raises(OutputError, match="taken is a file, not a folder"):
            store.expect_writable(path)


def test_a_folder_where_the_file_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "me.avatar").mkdir()
    with pytest.raises(OutputError, match="is a folder, a file is to be written there"):
        store.expect_writable(tmp_path / "me.avatar")


def test_more_room_than_there_is_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="disk is full"):
        store.expect_writable(tmp_path / "me.avatar", needed_bytes=2**62)


def test_a_folder_without_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(store.tempfile, "TemporaryFile", refuse)
    with pytest.raises(OutputError, match="may not be written to"):
        store.expect_writable(tmp_path / "me.avatar")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing tells whether a process runs")
def test_parts_of_dead_processes_are_swept_and_only_those(tmp_path: Path) -> None:
    dead = gone()
    swept = [f".me.{dead}.part.avatar", f"..me.{dead}.part.{dead}.part.avatar"]
    kept = [f".me.{os.getpid()}.part.avatar", f".you.{dead}.part.avatar", ".me.part.avatar", "me.avatar"]
    for name in (*swept, *kept):
        (tmp_path / name).write_text("x")
    store.expect_writable(tmp_path / "me.avatar")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_record_s_file_has_the_permissions_that_the_user_s_mask_gives(tmp_path: Path) -> None:
    from tests import fakes

    store.save(fakes.photo(), tmp_path / "photo.safetensors")
    (tmp_path / "plain").touch()
    assert (tmp_path / "photo.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_name_told_is_the_one_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "new" / "me.avatar"
    with pytest.raises(OutputError, match="disk is full") as full:
        store.expect_writable(asked, needed_bytes=2**62)
    assert str(asked) in str(full.value)
    # A film is written under another name within the step that gives all files their real ones.
    with pytest.raises(OutputError, match="disk is full") as nested, store.writing(asked) as outer:
        with store.writing(outer):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert str(asked) in str(nested.value)
    assert ".part" not in str(nested.value)
