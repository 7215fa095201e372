import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vivant.core.errors import BadInputError, MissingExtraError, OutputError
from vivant.export.figure import Figure
from vivant.export.usd import expect_usd, joint_paths, write_usdz


def test_joints_are_named_by_their_way_from_the_root() -> None:
    names, parents = ("root", "arm.L", "1st"), (-1, 0, 1)
    assert joint_paths(names, parents) == ["root", "root/arm_L", "root/arm_L/j_1st"]


def test_several_clips_are_refused(figure: Figure, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="OpenUSD is not installed (extra `usd`)")
    with pytest.raises(BadInputError, match="one clip; 2 are given"):
        write_usdz(replace(figure, motions=figure.motions * 2), tmp_path / "a.usdz", quality=80)
    assert list(tmp_path.iterdir()) == []


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.setitem(sys.modules, "pxr.Usd", None)
    with pytest.raises(MissingExtraError, match=r"vivant\[usd\].*\.glb"):
        expect_usd()


def test_a_package_that_a_full_disk_cut_short_is_not_kept(
    figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pxr", reason="OpenUSD is not installed (extra `usd`)")
    from pxr import UsdUtils

    make = UsdUtils.CreateNewUsdzPackage

    def make_half(layer: object, package: str) -> bool:
        made = make(layer, package)
        content = Path(package).read_bytes()
        Path(package).write_bytes(content[: len(content) // 2])
        return made

    monkeypatch.setattr(UsdUtils, "CreateNewUsdzPackage", make_half)
    with pytest.raises(OutputError, match=r"a\.usdz cannot be written"):
        write_usdz(figure, tmp_path / "a.usdz", quality=80)
    assert list(tmp_path.iterdir()) == []


def test_openusd_moves_the_mesh_as_the_avatar_moves_and_its_validators_are_silent(
    figure: Figure, tmp_path: Path
) -> None:
    pytest.importorskip("pxr", reason="OpenUSD is not installed (extra `usd`)")
    from pxr import Usd, UsdSkel, UsdValidation
    from tests.export.test_gltf import expected

    write_usdz(figure, tmp_path / "a.usdz", quality=80)
    assert [path.name for path in tmp_path.iterdir()] == ["a.usdz"]
    stage = Usd.Stage.Open(str(tmp_path / "a.usdz"))
    cache = UsdSkel.Cache()
    root = UsdSkel.Root(stage.GetDefaultPrim())
    cache.Populate(root, Usd.PrimDefaultPredicate)
    skeleton = cache.GetSkelQuery(UsdSkel.Skeleton(stage.GetPrimAtPath("/Avatar/Skeleton")))
    body = stage.GetPrimAtPath("/Avatar/Body")
    points = body.GetAttribute("points").Get()
    carried = skeleton.ComputeSkinningTransforms(4)
    assert cache.GetSkinningQuery(body).ComputeSkinnedPoints(carried, points, 4)
    np.testing.assert_allclose(np.array(points), expected(figure, figure.motions[0], 4), atol=1e-4)
    registry = UsdValidation.ValidationRegistry()
    found = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators()).Validate(stage)
    assert [error.GetMessage() for error in found] == []
