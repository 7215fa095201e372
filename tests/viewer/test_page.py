import base64
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests import fakes
from tests.viewer.conftest import HOSTILE, colorful, motions

from vivant.core.errors import BadInputError, OutputError
from vivant.core.rotations import quats_from_matrices
from vivant.records import Avatar, Motion, Pose, Splats, save_avatar
from vivant.splat import sh_from_colors
from vivant.viewer import AvatarPage, page_html, write_page


def test_a_page_is_one_file_that_names_nothing_elsewhere(tmp_path: Path) -> None:
    write_page(colorful(), tmp_path / "me_and_you.html", motions())
    text = (tmp_path / "me_and_you.html").read_text()
    assert "<title>Me and you</title>" in text
    assert not re.search(r"https?://|src=|@import|url\(", text)
    assert "default-src 'none'" in text and "unsafe" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["me_and_you.html"]


def test_hostile_names_are_escaped() -> None:
    text = page_html(colorful(), motions(), title=HOSTILE).decode()
    assert "<script>document.title" not in text and "<img" not in text
    assert len(re.findall("<script", text)) == 2


@pytest.mark.parametrize(("splats", "most"), [(40_000, 800_000), (100_000, 1_800_000)])
def test_pages_with_all_motions_are_small(splats: int, most: int) -> None:
    assert len(page_html(lifted(splats))) < most


def test_a_budget_keeps_so_many_splats_and_makes_them_larger() -> None:
    everyone, few = page_html(colorful(), []), page_html(colorful(), [], splat_budget=1000)
    assert len(few) < 0.6 * len(everyone)
    assert b'"count":1000' in unpacked(few)
    assert b'"count":6000' in unpacked(everyone)


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    avatar = colorful()
    splats = avatar.splats
    faint = replace(avatar, splats=replace(splats, opacity_logits=torch.full_like(splats.opacity_logits, -9.0)))
    with pytest.raises(BadInputError, match="no splat that can be seen"):
        page_html(faint, [])
    broken = replace(avatar, splats=replace(splats, means=splats.means * float("nan")))
    with pytest.raises(BadInputError, match="`means`"):
        page_html(broken, [])
    nowhere = replace(avatar.rig, world_from_joint=avatar.rig.world_from_joint * float("inf"))
    with pytest.raises(BadInputError, match="`world_from_joint`"):
        page_html(replace(avatar, rig=nowhere), [])
    with pytest.raises(BadInputError, match="at least 1"):
        page_html(avatar, [], splat_budget=0)
    other = Motion("of another", Pose(torch.ones(2, 3, 4), torch.zeros(2, 3)), 10.0, True)
    with pytest.raises(BadInputError, match="Retarget"):
        page_html(avatar, [other])
    long = Pose(fakes.avatar().photo_pose.local_quats.expand(18_001, -1, -1), torch.zeros(18_001, 3))
    with pytest.raises(BadInputError, match="Cut it"):
        page_html(avatar, [Motion("long", long, 30.0, True)])
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_page(avatar, tmp_path / "file" / "page.html", [])


def test_the_page_of_a_file_is_made_anew_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "me.avatar"
    save_avatar(fakes.avatar(800), path)
    page = AvatarPage(path)
    first = page()
    assert page() is first
    save_avatar(fakes.avatar(900), path)
    assert b'"count":900' in unpacked(page())
    path.unlink()
    assert b'"count":900' in unpacked(page())


def lifted(count: int) -> Avatar:
    """Flat discs on the body, as the lift makes them, with a photo's grain in their colours."""
    avatar = colorful(count)
    rig, splats = avatar.rig, avatar.splats
    a, b, c = rig.verts[rig.faces[avatar.binding.face]].unbind(1)
    along = torch.nn.functional.normalize(b - a, dim=-1)
    out = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    quats = quats_from_matrices(torch.stack([along, torch.linalg.cross(out, along), out], dim=-1))
    grain = 0.04 * torch.randn(count, 3, generator=torch.Generator().manual_seed(1))
    colors = (0.5 + 0.4 * torch.sin(9 * splats.means + torch.arange(3)) + grain).clamp(0, 1)
    wide = 0.0028 * (0.7 + 0.6 * torch.rand(count, 1, generator=torch.Generator().manual_seed(2)))
    scales = wide * torch.tensor([1.0, 1.0, 0.18])
    opaque = torch.full((count,), 3.5)
    return replace(avatar, splats=Splats(splats.means, quats, scales.log(), opaque, sh_from_colors(colors)))


def unpacked(html: bytes) -> bytes:
    found = re.search(rb'id="avatar">([^<]+)<', html)
    assert found
    return zlib.decompress(base64.b64decode(found[1]), -15)
