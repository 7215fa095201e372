"""Numbers of a benchmark: intervals, differences, files, alignment, pages."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vivant.core.cameras import orbit, project, transform
from vivant.core.errors import BadFileError, BadInputError
from vivant.core.rotations import matrices_from_rotvecs
from vivant.evaluate import (
    AS_PHOTOGRAPHED,
    Benchmark,
    Case,
    Row,
    Seen,
    align,
    bootstrap,
    difference,
    load_benchmark,
    save_benchmark,
    score_pictures,
    select,
    union_box,
    write_benchmark_page,
)


def made(recipe: str, gain: float) -> Benchmark:
    rows = []
    for person in range(6):
        for pose in ("photo", "1 walk"):
            for view, azimuth in (("front", 0.0), ("back", 180.0)):
                for metric, value in (("psnr", 20.0 + person + gain), ("flip", 0.2 - gain / 100)):
                    for aligned in (True, False):
                        rows.append(Row(f"p{person}", pose, view, azimuth, aligned, "frame", metric, value))
            rows.append(Row(f"p{person}", pose, "", math.nan, True, "pose", "joints_mm", 30.0 - gain))
    timings = (("p0", "fit_body", 3.0), ("p1", "fit_body", 5.0))
    return Benchmark(recipe, tuple(rows), (("p9", "nobody <seen>"),), timings, (("machine", "tiny"),))


def test_an_interval_is_over_people_not_over_pictures() -> None:
    one = bootstrap({"a": [1.0] * 50, "b": [3.0]})
    assert one.mean == 2
    assert one.count == 2
    assert (one.low, one.high) == (1, 3)
    assert bootstrap({"a": [5.0, 7.0]}).low == 6


def test_paired_differences_see_what_spread_hides() -> None:
    a, b = (select(made("x", gain), "psnr") for gain in (0.0, 0.5))
    assert bootstrap(a).high > bootstrap(b).low
    change = difference(a, b)
    assert change is not None
    assert change.mean == pytest.approx(0.5)
    assert change.low == pytest.approx(0.5)
    assert difference(a, {"stranger": [1.0]}) is None


def test_rows_are_selected_by_view_pose_and_alignment() -> None:
    benchmark = made("x", 0)
    assert len(select(benchmark, "psnr", view="front", pose="photo")["p0"]) == 1
    assert len(select(benchmark, "psnr", pose="new")["p0"]) == 2
    assert select(benchmark, "psnr", region="crop") == {}
    assert select(benchmark, "joints_mm", region="pose")["p3"] == [30.0, 30.0]


def test_the_view_as_photographed_is_in_no_mean_over_views() -> None:
    plain = made("x", 0)
    row = Row("p0", "photo", AS_PHOTOGRAPHED, 0.0, False, "frame", "psnr", 90.0)
    more = replace(plain, rows=(*plain.rows, row))
    assert select(more, "psnr", aligned=False) == select(plain, "psnr", aligned=False)
    assert select(more, "psnr", aligned=False, view=AS_PHOTOGRAPHED) == {"p0": [90.0]}


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    save_benchmark(made("x", 0), path)
    again = load_benchmark(path)
    assert again.recipe == "x"
    assert select(again, "flip") == select(made("x", 0), "flip")
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(BadFileError, match="format 99"):
        load_benchmark(path)
    path.write_text("[1")
    with pytest.raises(BadFileError, match="cannot be read"):
        load_benchmark(path)
    with pytest.raises(BadFileError, match="does not exist"):
        load_benchmark(path.with_name("nothing.json"))


def test_the_page_carries_everything_and_tells_strangers_apart() -> None:
    case = Case("p0", "mean", (("front: truth, ours, error", b"\xff\xd8jpeg"),))
    page = write_benchmark_page((made("one", 0), made("two", 0.5)), (case,))
    assert "nobody &lt;seen&gt;" in page
    assert "data:image/jpeg;base64,/9hqcGVn" in page
    assert "class='better'" in page
    assert "class='worse'" not in page
    assert 'src="http' not in page
    assert page.count("<svg") == 2
    assert "class='worse'" in write_benchmark_page((made("two", 0.5), made("one", 0)), ())


def test_alignment_finds_turn_size_and_shift() -> None:
    points = torch.randn(12, 3, generator=torch.Generator().manual_seed(1))
    turn = matrices_from_rotvecs(torch.tensor([0.3, -1.0, 0.4]))
    moved = 1.7 * points @ turn.T + torch.tensor([0.1, 2.0, -3.0])
    found = align(moved, points)
    torch.testing.assert_close(found.apply(points), moved, atol=1e-5, rtol=0)
    assert found.scale == pytest.approx(1.7, rel=1e-5)
    # A mirror image cannot be turned into its original.
    mirrored = align(points * torch.tensor([-1.0, 1, 1]), points)
    assert float(torch.det(mirrored.rotation)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(BadInputError, match="three points apart"):
        align(torch.zeros(5, 3), torch.zeros(5, 3))


def test_a_camera_that_is_carried_back_sees_the_same_pixels() -> None:
    points = torch.randn(9, 3, generator=torch.Generator().manual_seed(2))
    turn = matrices_from_rotvecs(torch.tensor([0.1, 0.5, -0.2]))
    similarity = replace(align(points, points), rotation=turn, scale=0.6, shift=torch.tensor([0.2, 0.1, 0.4]))
    cameras = orbit(torch.zeros(3), [30.0], extent=5.0)
    carried, _ = project(similarity.apply(points), cameras)
    plain, _ = project(points, similarity.camera(cameras))
    torch.testing.assert_close(carried, plain, atol=1e-3, rtol=0)
    depth = transform(similarity.camera(cameras).cam_from_world[0], points)[:, 2] * 0.6
    far = transform(cameras.cam_from_world[0], similarity.apply(points))[:, 2]
    torch.testing.assert_close(depth, far, atol=1e-4, rtol=0)


def disc(shift: int = 0, depth: float = 2.0) -> Seen:
    y, x = torch.meshgrid(torch.arange(200.0), torch.arange(200.0), indexing="ij")
    inside = ((x - 100 - shift) ** 2 + (y - 100) ** 2 < 60**2).float()
    color = torch.stack([0.3 + x / 400, y / 300, 0.5 + 0 * x], -1) * inside[..., None] + 1 - inside[..., None]
    normal = torch.zeros(200, 200, 3)
    normal[..., 2] = -inside
    return Seen(color, inside, depth * inside, normal)


def test_the_truth_scores_at_the_ceiling_and_a_shifted_one_below() -> None:
    best, shifted = score_pictures(disc(), disc()), score_pictures(disc(), disc(12, 2.1))
    assert best["frame", "psnr"] == 99
    assert best["frame", "iou"] == 1
    assert best["frame", "flip"] == 0
    assert best["frame", "depth_mm"] == 0
    assert best["frame", "normal_deg"] == pytest.approx(0, abs=0.1)
    for name in ("psnr", "ssim", "ms_ssim", "iou"):
        assert shifted["frame", name] < best["frame", name]
    assert shifted["frame", "depth_mm"] == pytest.approx(100, rel=1e-3)
    # In the box round the person the white around counts less.
    assert shifted["crop", "psnr"] < shifted["frame", "psnr"]


def test_the_crop_holds_both_masks() -> None:
    a, b = torch.zeros(50, 60), torch.zeros(50, 60)
    a[10:20, 12:22] = 1
    b[30:35, 40:59] = 1
    assert union_box(a, b) == (6, 39, 8, 60)
    assert union_box(a * 0, b * 0) == (0, 50, 0, 60)
