"""The door of exports: every format is written whole or not at all, and reads back looking the same."""

from pathlib import Path

import pytest
import torch
from tests import fakes

from vivant.animate import pose_avatar
from vivant.core.errors import BadInputError
from vivant.core.glb import read_glb
from vivant.core.run import Context
from vivant.export import FORMATS, ExportConfig, VrmMeta, avatar, export_avatar, format_of
from vivant.records import Motion, Pose, Splats, load_avatar, save_avatar
from vivant.splat import rasterize
from vivant.splat.dotsplat import read_dotsplat
from vivant.splat.ply import read_ply
from vivant.splat.spz import read_spz

READERS = {".ply": (read_ply, 80.0), ".spz": (read_spz, 35.0), ".splat": (read_dotsplat, 40.0)}
"""And how many decibels the picture of what is read back must reach."""


def psnr(a: Splats, b: Splats) -> float:
    error = (rasterize(a, fakes.camera()).color - rasterize(b, fakes.camera()).color).square().mean()
    return float(-10 * torch.log10(error + 1e-12))


@pytest.mark.parametrize("suffix", READERS)
def test_splat_files_read_back_give_the_same_picture(suffix: str, tmp_path: Path) -> None:
    read, least = READERS[suffix]
    for raw in (False, True):
        path = export_avatar(Context(), fakes.avatar(), tmp_path / f"a{suffix}", config=ExportConfig(raw=raw))
        assert psnr(read(path, upright=not raw), fakes.avatar().splats) > least
        assert psnr(read(path, upright=raw), fakes.avatar().splats) < 30


def test_an_avatar_read_back_gives_the_same_picture(tmp_path: Path) -> None:
    save_avatar(fakes.avatar(), tmp_path / "a.avatar")
    assert psnr(load_avatar(tmp_path / "a.avatar").splats, fakes.avatar().splats) > 100


def test_a_frame_of_a_motion_gives_the_pose(wave: Motion, tmp_path: Path) -> None:
    path = export_avatar(Context(), fakes.avatar(), tmp_path / "a.ply", (wave,), frame=-1)
    posed = pose_avatar(fakes.avatar(), Pose(wave.pose.local_quats[-1], wave.pose.root[-1]))
    torch.testing.assert_close(read_ply(path).means, posed.means)


def test_all_frames_make_a_folder_of_files_and_replace_an_older_one(wave: Motion, tmp_path: Path) -> None:
    fractions: list[float] = []
    context = Context(listener=lambda event: fractions.append(event.fraction))  # type: ignore[union-attr]
    for motion in (wave, wave.cut(3)):
        folder = export_avatar(context, fakes.avatar(), tmp_path / "walk.ply", (motion,))
        assert folder == tmp_path / "walk"
        assert sorted(p.name for p in folder.iterdir()) == [f"{i:04d}.ply" for i in range(len(motion))]
    assert fractions[-1] == 1.0
    (folder / "letter.txt").write_text("dear")
    with pytest.raises(BadInputError, match=r"letter\.txt"):
        export_avatar(Context(), fakes.avatar(), tmp_path / "walk.ply", (wave,))


def test_a_frame_that_is_not_there_and_a_motion_of_another_rig_are_refused(
    wave: Motion, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="frames 0 to 9; frame 10 is asked for"):
        export_avatar(Context(), fakes.avatar(), tmp_path / "a.ply", (wave,), frame=10)
    other = Motion("other", Pose(wave.pose.local_quats[:, :5], wave.pose.root), 10.0, loops=False)
    for name in ("a.ply", "a.glb", "a.splats.glb"):
        with pytest.raises(BadInputError, match="'other' is of 5 joints"):
            export_avatar(Context(), fakes.avatar(), tmp_path / name, (other,), frame=0)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"'\.fbx'") as told:
        export_avatar(Context(), fakes.avatar(), tmp_path / "a.fbx")
    assert all(suffix in str(told.value) for suffix in FORMATS)
    assert format_of(Path("A.SPLATS.GLB")) == ".splats.glb" and format_of(Path("a.b.glb")) == ".glb"


def test_rigged_files_hold_the_clips_and_the_name(quick_texture: None, wave: Motion, tmp_path: Path) -> None:
    config = ExportConfig(texture_size=32, lit=True, meta=VrmMeta(authors=("Ada",)))
    for name in ("me.glb", "me.vrm", "me.splats.glb"):
        glb = read_glb(export_avatar(Context(), fakes.avatar(), tmp_path / name, (wave,), config=config))
        assert [clip["name"] for clip in glb.listed("animations")] == ["wave"]
        unlit = "KHR_materials_unlit" in glb.document.get("extensionsUsed", [])
        assert unlit is (name == "me.vrm")
    assert read_glb(tmp_path / "me.vrm").document["extensions"]["VRMC_vrm"]["meta"]["name"] == "me"


def test_an_impossible_texture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="9000 px; 16 to 8192"):
        export_avatar(Context(), fakes.avatar(), tmp_path / "a.glb", config=ExportConfig(texture_size=9000))


@pytest.mark.parametrize("name", ["a.glb", "a.ply", "a.spz", "a.splat"])
def test_an_interrupted_export_leaves_the_old_file(
    name: str, quick_texture: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"old")

    def stop(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    # The last step of every writer.
    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        export_avatar(Context(), fakes.avatar(), tmp_path / name, config=ExportConfig(texture_size=16))
    assert (tmp_path / name).read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_long_work_begins_only_when_its_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*goods: object) -> None:
        raise AssertionError("worked")

    monkeypatch.setattr(avatar, "make_figure", never)
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="is a file, not a folder"):
        export_avatar(Context(), fakes.avatar(), tmp_path / "file" / "a.glb")
