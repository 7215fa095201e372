"""Textured triangles are drawn as their definition says, by both backends, and far ones do not glitter."""

import math

import numpy as np
import pytest
import torch

from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.mesh import Lighting, Texture, TexturedMesh, draw_textured, srgb_from_linear


def facing_camera(size: int = 32, focal: float = 32.0) -> Cameras:
    """At the origin; the person would stand at positive z of the camera."""
    matrix = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    k = torch.tensor([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1.0]])
    return Cameras(matrix[None], k[None], size, size)


def flat_light(strength: float = 0.5) -> Lighting:
    ambient = torch.zeros(9, 3)
    ambient[0] = strength / 0.28209479177387814
    return Lighting(ambient, torch.tensor([0.6, 0.0, 0.8]), torch.zeros(3))


def squares(depths: list[float], textures: list[Texture], blended: list[bool], half: float = 0.5):
    """Squares that face the camera, one behind another."""
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * half
    verts = torch.cat([corners - torch.tensor([0, 0, depth]) for depth in depths])
    faces = torch.cat([torch.tensor([[0, 1, 2], [0, 2, 3]]) + 4 * i for i in range(len(depths))])
    uv = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]).repeat(len(depths), 1)
    number = torch.arange(len(depths)).repeat_interleave(2)
    mesh = TexturedMesh(
        faces, uv, faces, number, tuple(textures), torch.tensor(blended)[number], torch.arange(len(verts))
    )
    return verts, mesh


def plain(red: float, green: float, blue: float, alpha: float = 1.0) -> Texture:
    pixels = np.array([[[red, green, blue]]] * 4) * 255
    return Texture.build(pixels.round().astype(np.uint8), np.full((4, 1), round(alpha * 255), np.uint8))


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_square_in_even_light_has_its_colour_its_depth_and_its_normal(backend: str) -> None:
    verts, mesh = squares([2.0], [plain(0.5, 0.2, 0.8)], [False])
    seen = draw_textured(verts, mesh, facing_camera(), flat_light(), backend=backend)
    inside = seen.alpha[0] == 1
    # Half a metre of square each way at 2 m, focal 32: 16 pixels.
    assert int(inside.sum()) == 16 * 16
    light = torch.tensor([round(v * 255) / 255 for v in (0.5, 0.2, 0.8)])
    light = torch.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4) * 0.5
    torch.testing.assert_close(seen.color[0, 16, 16], srgb_from_linear(light), atol=1e-5, rtol=0)
    assert seen.depth[0][inside].sub(2).abs().max() < 1e-5
    torch.testing.assert_close(seen.normal[0, 16, 16], torch.tensor([0.0, 0, -1]))
    assert set(seen.face[0][inside].tolist()) == {0, 1}
    assert not seen.color[0][seen.alpha[0] == 0].any()


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_blended_layers_lie_over_each_other_in_order_of_depth(backend: str) -> None:
    # Given in the wrong order on purpose: middle, back (solid), front.
    textures = [plain(0, 1, 0, 0.4), plain(0, 0, 1), plain(1, 0, 0, 0.2)]
    verts, mesh = squares([2.0, 3.0, 1.5], textures, [True, False, True])
    seen = draw_textured(verts, mesh, facing_camera(), flat_light(0.6), backend=backend)
    light = 0.6 * torch.tensor([0.2, 0.8 * 0.4, 0.8 * 0.6])
    torch.testing.assert_close(seen.color[0, 16, 16], srgb_from_linear(light), atol=2e-3, rtol=0)
    assert float(seen.alpha[0, 16, 16]) == pytest.approx(1, abs=1e-6)
    # With 0.2 and 0.52 the two are not yet more than half; together they are.
    assert float(seen.depth[0, 16, 16]) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_hair_before_nothing_is_see_through(backend: str) -> None:
    verts, mesh = squares([2.0], [plain(1, 0, 0, 0.2)], [True])
    seen = draw_textured(verts, mesh, facing_camera(), flat_light(), backend=backend)
    assert float(seen.alpha[0, 16, 16]) == pytest.approx(51 / 255, abs=1e-5)
    assert float(seen.depth[0, 16, 16]) == 0
    assert int(seen.face[0, 16, 16]) == -1


def bumpy_scene(seed: int = 0) -> tuple[torch.Tensor, TexturedMesh]:
    """A ball with a noisy texture, and see-through cards round it."""
    random = np.random.default_rng(seed)
    rings, sides = 20, 30
    theta, phi = np.meshgrid(np.linspace(0.05, math.pi - 0.05, rings), np.linspace(0, 2 * math.pi, sides))
    ball = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1).reshape(
        -1, 3
    )
    ball = ball * 0.6 * (1 + 0.03 * random.normal(size=(len(ball), 1)))
    grid = np.arange(sides * rings).reshape(sides, rings)
    a, b, c, d = (part.reshape(-1) for part in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    cards = random.normal(size=(40, 1, 3)) * 0.35 + random.normal(size=(40, 3, 3)) * 0.25
    faces = np.concatenate([faces, len(ball) + np.arange(120).reshape(-1, 3)])
    verts = torch.from_numpy(np.concatenate([ball, cards.reshape(-1, 3)])).float()
    uv = torch.from_numpy(np.concatenate([np.stack([phi, theta], -1).reshape(-1, 2), random.random((120, 2))]))
    noise = random.integers(0, 255, (64, 48, 3)).astype(np.uint8)
    hair = Texture.build(noise[:32], random.integers(0, 255, (32, 48)).astype(np.uint8))
    blended = torch.arange(len(faces)) >= len(faces) - 40
    faces = torch.from_numpy(faces)
    weld = torch.arange(len(verts))
    mesh = TexturedMesh(faces, uv.float(), faces, blended.long(), (Texture.build(noise), hair), blended, weld)
    return verts, mesh


def test_both_backends_draw_the_same_picture() -> None:
    verts, mesh = bumpy_scene()
    cameras = orbit(torch.zeros(3), [10.0, 130.0], extent=1.8, width=70, height=54)
    lighting = Lighting.plain()
    fast, slow = (draw_textured(verts, mesh, cameras, lighting, backend=name) for name in ("numba", "torch"))
    # A sample on the rim of a shadow may fall either way in single precision: one tap of 64 in a pixel.
    assert float((fast.color - slow.color).abs().mean()) < 1e-5
    assert float((fast.color - slow.color).abs().max()) < 0.02
    torch.testing.assert_close(fast.alpha, slow.alpha, atol=1e-5, rtol=0)
    torch.testing.assert_close(fast.depth, slow.depth, atol=1e-5, rtol=0)
    torch.testing.assert_close(fast.normal, slow.normal, atol=1e-4, rtol=0)
    assert torch.equal(fast.face, slow.face)
    assert bool(((fast.alpha > 0.01) & (fast.alpha < 0.99)).any())


def test_portions_of_the_reference_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from vivant.mesh import _textured_reference

    verts, mesh = bumpy_scene()
    cameras = orbit(torch.zeros(3), [40.0], extent=1.8, width=40, height=40)
    whole = draw_textured(verts, mesh, cameras, Lighting.plain(), backend="torch")
    monkeypatch.setattr(_textured_reference, "PORTION", 3000)
    cut = draw_textured(verts, mesh, cameras, Lighting.plain(), backend="torch")
    assert torch.equal(whole.color, cut.color)
    assert torch.equal(whole.face, cut.face)


def test_the_number_of_threads_changes_nothing() -> None:
    verts, mesh = bumpy_scene()
    cameras = orbit(torch.zeros(3), [40.0], extent=1.8, width=40, height=40)
    one, three = (draw_textured(verts, mesh, cameras, Lighting.plain(), threads=n) for n in (1, 3))
    assert torch.equal(one.color, three.color)
    assert torch.equal(one.depth, three.depth)


def test_a_far_chequerboard_turns_grey_instead_of_glittering() -> None:
    board = ((np.indices((256, 256)).sum(0) % 2) * 255).astype(np.uint8)[..., None].repeat(3, -1)
    verts, mesh = squares([2.0], [Texture.build(board)], [False])
    seen = draw_textured(verts, mesh, facing_camera(), flat_light(0.6), samples=1)
    shown = seen.color[0][seen.alpha[0] > 0]
    # The mean of black and white is half the light.
    grey = float(srgb_from_linear(torch.tensor(0.5 * 0.6)))
    assert float((shown - grey).abs().max()) < 0.03


def test_what_stands_between_lamp_and_surface_throws_a_soft_shadow() -> None:
    verts, mesh = squares([3.0, 2.0], [plain(1, 1, 1), plain(0, 0, 0)], [False, False])
    verts[:4, :2] *= 4
    verts[4:, 0] -= 1.3
    lamp = torch.nn.functional.normalize(torch.tensor([-1.0, 0.0, 1.0]), dim=0)
    lighting = Lighting(torch.zeros(9, 3), lamp, torch.full((3,), 0.5), softness=0.2)
    seen = draw_textured(verts, mesh, facing_camera(64, 40.0), lighting)
    row = seen.color[0, 32, :, 0][seen.face[0, 32] < 2]
    lit = float(srgb_from_linear(torch.tensor(0.5 * math.sqrt(0.5))))
    assert float(row.max()) == pytest.approx(lit, abs=5e-3)
    assert float(row.min()) < 0.02
    between = (row > 0.1 * lit) & (row < 0.9 * lit)
    assert 2 <= int(between.sum()) <= 20


def test_the_back_of_a_surface_is_lit_as_a_front() -> None:
    verts, mesh = squares([2.0], [plain(0.5, 0.5, 0.5)], [False])
    turned = TexturedMesh(
        mesh.faces.flip(1), mesh.uv, mesh.uv_faces.flip(1), mesh.face_texture, mesh.textures, mesh.face_blended,
        mesh.weld,
    )  # fmt: skip
    lighting = Lighting.plain()
    front, back = (draw_textured(verts, m, facing_camera(), lighting) for m in (mesh, turned))
    torch.testing.assert_close(front.color, back.color)
    torch.testing.assert_close(front.normal, back.normal)


def test_seams_of_a_texture_do_not_show_in_the_light() -> None:
    verts, mesh = bumpy_scene()
    seam = torch.arange(20)
    twin = torch.arange(29 * 20, 30 * 20)
    verts[twin] = verts[seam]
    weld = mesh.weld.clone()
    weld[twin] = seam
    from vivant.mesh.textured import smooth_normals

    welded = TexturedMesh(
        mesh.faces, mesh.uv, mesh.uv_faces, mesh.face_texture, mesh.textures, mesh.face_blended, weld
    )
    normals = smooth_normals(welded, verts)
    assert torch.equal(normals[twin], normals[seam])
    assert not torch.allclose(smooth_normals(mesh, verts)[twin], smooth_normals(mesh, verts)[seam], atol=1e-3)


def test_bad_scenes_are_refused() -> None:
    verts, mesh = squares([2.0], [plain(1, 1, 1)], [False])
    with pytest.raises(BadInputError, match="no backend 'cuda'"):
        draw_textured(verts, mesh, facing_camera(), flat_light(), backend="cuda")
    with pytest.raises(BadInputError, match="not finite"):
        draw_textured(verts * math.nan, mesh, facing_camera(), flat_light())
    with pytest.raises(BadInputError, match="equal counts"):
        draw_textured(verts[:3], mesh, facing_camera(), flat_light())
    with pytest.raises(BadInputError, match="`face_texture` holds 0 to 5"):
        TexturedMesh(
            mesh.faces,
            mesh.uv,
            mesh.uv_faces,
            torch.tensor([0, 5]),
            mesh.textures,
            mesh.face_blended,
            mesh.weld,
        )
    with pytest.raises(BadInputError, match="9000 x 1 px"):
        Texture.build(np.zeros((1, 9000, 3), np.uint8))
