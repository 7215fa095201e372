import dataclasses
import errno
import json
import struct
from pathlib import Path

import pytest
import torch

from vivant.core import store
from vivant.core.errors import BadFileError, OutputError
from vivant.records import Hand, Motion, Pose


def some_motion(frames: int = 3) -> Motion:
    quats = torch.nn.functional.normalize(torch.randn(frames, 4, 4), dim=-1)
    return Motion("nod", Pose(quats, torch.randn(frames, 3)), 30.0, loops=True)


@dataclasses.dataclass(frozen=True)
class Nest:
    hand: Hand | None
    other: Hand | None
    words: tuple[str, ...]
    size: tuple[int, int]
    number: float | None


def test_a_record_comes_back_as_it_went(tmp_path: Path) -> None:
    hand = Hand(torch.rand(21, 2), torch.rand(21, 3), 0.5)
    record = Nest(hand, None, ("a", "b"), (3, 4), None)
    store.save(record, tmp_path / "nest.safetensors")
    back = store.load(Nest, tmp_path / "nest.safetensors")
    assert back.other is None
    assert back.words == ("a", "b")
    assert back.size == (3, 4)
    assert back.number is None
    assert back.hand is not None
    assert torch.equal(back.hand.points, hand.points)


def test_tensors_that_share_memory_are_written(tmp_path: Path) -> None:
    shared = torch.randn(2, 4)
    motion = Motion("a", Pose(shared[:, None].expand(2, 3, 4), shared[:, :3]), 1.0, loops=False)
    store.save(motion, tmp_path / "m.safetensors")
    back = store.load(Motion, tmp_path / "m.safetensors")
    assert torch.equal(back.pose.local_quats, motion.pose.local_quats)


@pytest.mark.parametrize("keep", [0, 7, 8, 60, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "m.safetensors"
    store.save(some_motion(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadFileError, match="damaged"):
        store.load(Motion, path)


def test_a_header_that_promises_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    header = json.dumps({"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(BadFileError):
        store.load(Motion, path)


def test_another_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h.safetensors"
    store.save(Hand(torch.rand(21, 2), torch.rand(21, 3), 0.5), path)
    with pytest.raises(BadFileError, match="holds a Hand, a Motion is needed"):
        store.load(Motion, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="does not exist"):
        store.load(Motion, tmp_path / "none.safetensors")


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.avatar").mkdir()
    with pytest.raises(BadFileError, match="x.avatar is a folder, a file is needed"):
        store.load(Motion, tmp_path / "x.avatar")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), store.writing(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def test_a_full_disk_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="The disk is full"), store.writing(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_in_place_of_a_folder_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        store.save(some_motion(), tmp_path / "f" / "m.safetensors")


def test_digests_tell_values_apart() -> None:
    motion = some_motion()
    same = dataclasses.replace(motion, pose=Pose(motion.pose.local_quats.clone(), motion.pose.root.clone()))
    assert store.digest(motion) == store.digest(same)
    assert store.digest(motion) != store.digest(dataclasses.replace(motion, fps=25.0))
    moved = Pose(motion.pose.local_quats, motion.pose.root + 1e-6)
    assert store.digest(motion) != store.digest(dataclasses.replace(motion, pose=moved))
    assert store.digest(torch.tensor(1.0)) != store.digest(torch.tensor(2.0))


def test_trim_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    import os

    for i in range(12):
        path = tmp_path / f"{i:02}.safetensors"
        path.write_bytes(bytes(100))
        os.utime(path, (i, i))
    store.trim(tmp_path, limit=1000)
    assert sorted(p.stem for p in tmp_path.iterdir()) == [f"{i:02}" for i in range(2, 12)]


def test_trim_bears_with_files_that_another_run_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        (tmp_path / f"{i:02}.safetensors").write_bytes(bytes(100))
    kept = sorted(tmp_path.iterdir())
    listed = [*kept, tmp_path / "gone.safetensors"]
    # Parts are asked for, too, and these are none: the numbers in their names are no processes'.
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [p for p in listed if p.match(pattern)])
    store.trim(tmp_path, limit=1000)
    assert len([path for path in kept if path.exists()]) == 10


def test_a_file_is_read_whole_or_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"vivant")
    assert store.read_whole(tmp_path / "a", 6) == b"vivant"
    with pytest.raises(BadFileError, match=r"a has 0.0 GB; at most 0.0 GB are read. Cut it.$"):
        store.read_whole(tmp_path / "a", 5, "Cut it.")
    with pytest.raises(BadFileError, match="cannot be read"):
        store.read_whole(tmp_path / "nobody", 5)
